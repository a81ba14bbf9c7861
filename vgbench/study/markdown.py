"""Setting Markdown that a template made: paragraphs filled, one blank line between blocks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

WIDTH = 110

_ALONE = ("#", "![", "<!--", "**Table")


def set_markdown(text: str) -> str:
    """Fill paragraphs and list items, and part them from tables, headings, images and code.

    A table begins anew where a line is followed by a row of dashes.

    >>> print(set_markdown("# Title\\nSome\\nwords.\\n| a |\\n|---|\\n| b |\\n|---|"), end="")
    # Title
    <BLANKLINE>
    Some words.
    <BLANKLINE>
    | a |
    |---|
    <BLANKLINE>
    | b |
    |---|
    """
    return "\n\n".join(_blocks([line.rstrip() for line in text.splitlines()])) + "\n"


def _blocks(lines: list[str]) -> Iterator[str]:
    block: list[str] = []
    kind = ""
    for index, line in enumerate(lines):
        now = _kind(line, kind)
        following = lines[index + 1] if index + 1 < len(lines) else ""
        new_table = now == "table" and following.startswith("|---")
        if block and (now != kind or now == "alone" or new_table):
            yield _joined(block, kind)
            block = []
        kind = now
        if now != "blank":
            block.append(line)
    if block:
        yield _joined(block, kind)


def _kind(line: str, before: str) -> str:
    if not line:
        return "blank"
    if line.startswith("|"):
        return "table"
    if line.startswith("    "):
        return "code"
    if line.startswith("- ") or (before == "list" and line.startswith("  ")):
        return "list"
    return "alone" if line.startswith(_ALONE) else "text"


def _joined(block: list[str], kind: str) -> str:
    if kind == "text":
        return _filled(" ".join(block))
    if kind == "list":
        items: list[str] = []
        for line in block:
            if line.startswith("- "):
                items.append(line)
            else:
                items[-1] += f" {line.strip()}"
        return "\n".join(_filled(item, "  ") for item in items)
    return "\n".join(block)


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
