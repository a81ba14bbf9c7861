from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.latex import escape_latex, latex_text
from vgbench.leaderboard.ranking import Ranking, limited, rank_rows
from vgbench.leaderboard.table import read_board

Submit = Callable[..., Path]

COMMANDS = {
    "textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar",
    "char", "dots", "textperiodcentered", "ensuremath", "times", "textdegree",
}  # fmt: skip


@pytest.fixture
def rows(submit: Submit, board: Path) -> list[Row]:
    submit("net_1 100%", backbone="ResNet-18")
    submit("other")
    return read_board(board).rows


def _text(rows: list[Row], **changes: Any) -> str:
    return latex_text(rank_rows([row | changes for row in rows]))


def _body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.endswith(r"\\")]


@given(st.text())
def test_no_text_says_anything_to_latex(text: str) -> None:
    escaped = escape_latex(text)
    assert "\n" not in escaped
    plain = re.sub(r"\\[{}$&#%_]", "", escaped)
    assert set(re.findall(r"\\([a-zA-Z]+)", plain)) <= COMMANDS
    assert not set("$&#%_^~\"`'") & set(plain)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\write18{rm}", r"\textbackslash{}write18\{rm\}"),
        ("a & b \\\\ c", r"a \& b \textbackslash{}\textbackslash{} c"),
        ("50% #1 $x$ ~^", r"50\% \#1 \$x\$ \textasciitilde{}\textasciicircum{}"),
        ("[2mm] 512×512", r"{[}2mm{]} 512\ensuremath{\times}512"),
        ("a--b ,, <<", r"a-{}-b ,{}, \textless{}\textless{}"),
        ("53.1–60.2", "53.1--60.2"),
        ("^^5cinput", r"\textasciicircum{}\textasciicircum{}5cinput"),
    ],
)
def test_what_means_something_to_latex_becomes_characters(text: str, expected: str) -> None:
    assert escape_latex(text) == expected


def test_a_ranking_is_a_booktabs_table_with_a_line_per_entry(rows: list[Row]) -> None:
    text = _text(rows)
    heading, first, second = _body(text)
    assert heading.count("&") == first.count("&") == second.count("&") == 9
    assert r"net\_1 100\% & 41.7 {\scriptsize (19.3--68.0)} & 58.3" in first
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    assert r"\caption{demo-city/test: 12 queries; 60 database images; " in text
    assert text.startswith("% \\usepackage{booktabs}\n")
    for word in ("begin", "end"):
        assert len(re.findall(rf"^ *\\{word}{{", text, re.MULTILINE)) == 2


def test_hostile_rows_stay_in_their_cells_and_comments(rows: list[Row], nasty: str) -> None:
    bad = nasty + r"\\ \hline & \end{tabular} \input{/etc/passwd} % $^^M"
    text = _text(rows, name=bad, remark=bad, source=bad, withdrawn=bad, image_size=bad)
    assert "\x1b" not in text
    assert "\u202e" not in text
    for command in (r"\input", r"\hline", "<script"):
        assert command not in text
    assert text.count(r"\end{tabular}") == 1
    assert {re.sub(r"\\&", "", line).count("&") for line in _body(text)} == {9}


def test_notes_are_comments(rows: list[Row]) -> None:
    text = latex_text(rank_rows(rows), ["left out\n\\input{x}"])
    assert "\n% left out \\input{x}\n" in text
    head = text[: text.index(r"\begin{table}")].strip().splitlines()
    assert all(line.startswith("%") for line in head)


def test_tiers_are_divided_by_rules(rows: list[Row]) -> None:
    tiers = [row | {"rank_low": n, "rank_high": n, "tier": n} for n, row in enumerate(rows, 1)]
    assert latex_text(rank_rows(tiers)).count(r"\midrule") == 2
    assert latex_text(rank_rows(tiers, sort="R@5")).count(r"\midrule") == 1


def test_sources_stand_under_the_table_once_each(rows: list[Row]) -> None:
    text = _text(rows, source="a_b, table 3")
    assert text.count(r"\textsuperscript{1}") == 3
    assert text.count(r"a\_b, table 3") == 1


def test_a_cut_table_says_how_many_more_there_are(rows: list[Row]) -> None:
    cut: list[Ranking] = limited(rank_rows(rows), 1)
    assert "1 more not shown" in latex_text(cut)
