from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.text import (
    clean_text,
    display_width,
    escape_formula,
    escape_markdown,
    fill_lines,
    markdown_link,
    pad,
    safe_link,
    shorten,
)


@given(st.text())
def test_clean_text_is_one_line_of_visible_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned.splitlines()) <= 1
    assert all(unicodedata.category(character)[0] != "C" for character in cleaned)
    assert clean_text(cleaned) == cleaned
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", "a[31mb"),
        ("abc\u202edef\u2066x", "abcdefx"),
        ("a\r\nb\tc\u2028d", "a b c d"),
        ("\ud800half", "half"),
        ("e" + "\u0301" * 50, "é" + "\u0301" * 2),
        ("Łódź 東京 ß", "Łódź 東京 ß"),
    ],
)
def test_clean_text_drops_what_could_act(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "https://",
        "https://user@example.org/",
        "https://example.org/\n",
        'https://example.org/"onclick=',
        "https://example.org/<b>",
        "https://example.org/ x",
        "https://exämple.org/",
        "https://[::1/",
        "http://example.org:99999999/",
        "https://example.org/" + "x" * 3000,
        "",
    ],
)
def test_links_that_are_not_plain_web_addresses_are_refused(url: str) -> None:
    assert safe_link(url) is None


@pytest.mark.parametrize(
    "url", ["https://example.org", "http://example.org:8080/a/b?c=d&e=%20#f", "https://[::1]/x"]
)
def test_plain_web_addresses_pass_unchanged(url: str) -> None:
    assert safe_link(url) == url


def test_markdown_keeps_its_cells_and_never_becomes_html_or_a_link() -> None:
    escaped = escape_markdown("a|b\n<img src=x> [t](http://x) `c` *d* &amp;")
    assert "\n" not in escaped
    assert "<" not in escaped
    assert escaped.count("|") == escaped.count("\\|") == 1
    assert "\\[t\\]\\(" in escaped
    assert "&amp;amp;" in escaped


def test_an_unsafe_link_leaves_the_text_alone() -> None:
    assert markdown_link("x", "javascript:alert(1)") == "x"


@given(st.text())
def test_a_spreadsheet_never_sees_a_formula(text: str) -> None:
    assert escape_formula(text)[:1] not in tuple("=+-@\t\r＝＋－＠")


@given(st.text(), st.integers(1, 30))
def test_shortened_text_fits_and_padding_fills_exactly(text: str, width: int) -> None:
    cut = shorten(clean_text(text), width)
    assert display_width(cut) <= width
    assert display_width(pad(cut, width)) == width


def test_wide_characters_count_twice_and_marks_not_at_all() -> None:
    assert display_width("東京 a\u0323b") == 7
    assert shorten("東京都", 5) == "東京…"
    assert shorten("東京都", 4) == "東…"


@given(st.lists(st.text("abc東", min_size=1, max_size=20)), st.integers(2, 20))
def test_filled_lines_fit(words: list[str], width: int) -> None:
    assert all(display_width(line) <= width for line in fill_lines(words, width))
