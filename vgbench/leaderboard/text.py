"""Text and links that strangers wrote, made harmless for a terminal, Markdown and spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_SPACES = re.compile(r"\s+")
_PLAIN = re.compile(r"[ -~]*")
_NARROW = re.compile(r"[ -~–—…·─]*")
_COMBINING_IN_A_ROW = 2


def clean_text(text: object) -> str:
    """One line of visible characters: controls, escapes and bidirectional overrides are dropped.

    Dropped are the Unicode categories Cc, Cf, Cs, Co and Cn, after line breaks and tabs became
    spaces; of combining marks in a row the first two are kept. The result is in normal form NFC.

    >>> clean_text("a\\x1b[31mred\\u202e\\n b")
    'a[31mred b'
    """
    text = str(text)
    if _PLAIN.fullmatch(text):
        return _SPACES.sub(" ", text).strip()
    text = unicodedata.normalize("NFC", _SPACES.sub(" ", text))
    kept = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category[0] != "C" and marks <= _COMBINING_IN_A_ROW:
            kept.append(" " if category in ("Zl", "Zp") else character)
    return _SPACES.sub(" ", "".join(kept)).strip()


def safe_link(url: object) -> str | None:
    """The address if it is a plain `http` or `https` one, else None.

    >>> safe_link("https://example.org/a?b=1")
    'https://example.org/a?b=1'
    >>> safe_link("javascript:alert(1)") is None
    True
    """
    text = str(url)
    # Printable ASCII without quotes, angle brackets and spaces cannot leave an attribute or a line.
    if len(text) > 2000 or not re.fullmatch(r"[!#-;=?-\[\]_a-z~]+", text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    return text


def escape_markdown(text: object) -> str:
    """Text that reads the same in Markdown, and inside a table's cell.

    >>> escape_markdown("a|b <script> [x](y)")
    'a\\\\|b &lt;script&gt; \\\\[x\\\\]\\\\(y\\\\)'
    """
    escaped = _MARKDOWN.sub(r"\\\1", clean_text(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_link(text: object, url: object) -> str:
    """A Markdown link, or the text alone where the address is not safe.

    >>> markdown_link("CosPlace", "https://example.org/a_(b)")
    '[CosPlace](https://example.org/a_%28b%29)'
    """
    link = safe_link(url)
    if link is None:
        return escape_markdown(text)
    for character in "()[]|\\":
        link = link.replace(character, f"%{ord(character):02X}")
    return f"[{escape_markdown(text)}]({link})"


def escape_formula(text: object) -> str:
    """Text that a spreadsheet does not take for a formula: a leading quote says "text".

    Source of the list of characters: OWASP, "CSV Injection".

    >>> escape_formula('=HYPERLINK("x")')
    '\\'=HYPERLINK("x")'
    """
    cleaned = clean_text(text)
    # Full-width forms of the signs count too: spreadsheets fold them when a file is opened.
    return f"'{cleaned}" if cleaned[:1] in tuple("=+-@＝＋－＠") else cleaned


def display_width(text: str) -> int:
    """Columns that cleaned text takes on a terminal: two for wide characters, none for marks.

    >>> display_width("Łódź"), display_width("東京")
    (4, 4)
    """
    if _NARROW.fullmatch(text):
        return len(text)
    return sum(_character_width(character) for character in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """Fill text with spaces to a display width, on the left when `right` aligned."""
    filling = " " * (width - display_width(text))
    return filling + text if right else text + filling


def shorten(text: str, width: int) -> str:
    """Cut text to a display width, ending in "…" when something was cut.

    >>> shorten("resnet18", 5)
    'resn…'
    """
    if display_width(text) <= width:
        return text
    kept = ""
    used = 0
    for character in text:
        used += _character_width(character)
        if used > width - 1:
            break
        kept += character
    return kept.rstrip() + "…"


def fill_lines(words: Iterable[str], width: int, between: str = " ") -> list[str]:
    """Set words in lines of at most `width` columns; a word that is longer is cut.

    >>> fill_lines(["512-d", "cosine", "512x512"], 14, " · ")
    ['512-d · cosine', '512x512']
    """
    lines: list[str] = []
    for word in words:
        cut = shorten(word, width)
        if lines and display_width(lines[-1] + between + cut) <= width:
            lines[-1] += between + cut
        else:
            lines.append(cut)
    return lines


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
