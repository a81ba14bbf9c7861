"""The leaderboard as LaTeX: a booktabs table per ranking, with all text of strangers escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vgbench.leaderboard.columns import RECALL_VALUES, Row
from vgbench.leaderboard.ranking import Ranking
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.wording import (
    EMPTY,
    footnotes,
    full_title,
    interval_text,
    name_of,
    oddities,
    rank_texts,
    recall_text,
    source_numbers,
    standing_notes,
)

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
        "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}",
        "`": r"\char96{}", "'": r"\char39{}", "[": "{[}", "]": "{]}", "–": "--", "—": "---",
        "…": r"\dots{}", "·": r"\textperiodcentered{}", "×": r"\ensuremath{\times}",
        "°": r"\textdegree{}", "\0": "{}",
    }
)  # fmt: skip

_LIGATURES = re.compile("(?<=[-–—])(?=[-–—])|(?<=,)(?=,)")
"""Between hyphens in a row, which would become a dash, and commas, which would become a quote.

A zero marks the place: cleaned text holds none.
"""

_COLUMNS = (
    "",
    "Name",
    *(f"R@{n}" for n in RECALL_VALUES),
    "Dim.",
    "Distance",
    "Image size",
    "Status",
)


def escape_latex(text: object) -> str:
    r"""Text in which LaTeX sees characters only: no command, group, comment, cell, math, ligature.

    >>> escape_latex(r"50% \input{x}_1")
    '50\\% \\textbackslash{}input\\{x\\}\\_1'
    """
    return _LIGATURES.sub("\0", clean_text(text)).translate(_ESCAPES)


def latex_text(rankings: Sequence[Ranking], notes: Sequence[str] = ()) -> str:
    r"""A `table` per ranking, for `\usepackage{booktabs}`; notes stand in comments."""
    if not rankings:
        return f"% {EMPTY}\n"
    lines = [r"% \usepackage{booktabs}"]
    lines += [
        f"% {clean_text(note)}"
        for note in (*standing_notes(rankings), *footnotes(rankings), *notes)
    ]
    for ranking in rankings:
        lines += ["", *_table(ranking)]
    return "\n".join(lines) + "\n"


def _table(ranking: Ranking) -> list[str]:
    title, *facts = map(escape_latex, full_title(ranking))
    sources = source_numbers(ranking)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{title}: {'; '.join(facts)}.}}" if facts else rf"  \caption{{{title}.}}",
        r"  \begin{tabular}{llrrrrrlll}",
        r"    \toprule",
        f"    {' & '.join(_COLUMNS)} \\\\",
        r"    \midrule",
    ]
    tier = None
    remarks = []
    for rank, place in zip(rank_texts(ranking), ranking.places, strict=True):
        own = place.row.get("tier") if place.standing and ranking.sort == "recall_1" else None
        if own is not None:
            if tier is not None and own > tier:
                lines.append(r"    \midrule")
            tier = own
        lines.append(f"    {' & '.join(_cells(rank, place.row, sources))} \\\\")
        remarks += [f"{name_of(place.row)}: {text}" for text in oddities(place.row)]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if ranking.more:
        remarks.append(f"{ranking.more:,} more not shown")
    lines += [
        rf"  \par\footnotesize \textsuperscript{{{number}}} {escape_latex(source)}"
        for source, number in sources.items()
    ]
    lines += [rf"  \par\footnotesize {escape_latex(remark)}" for remark in remarks]
    return [*lines, r"\end{table}"]


def _cells(rank: str, row: Row, sources: Mapping[str, int]) -> list[str]:
    number = sources.get(clean_text(row.get("source") or ""))
    return [
        escape_latex(rank),
        escape_latex(name_of(row)) + (rf"\textsuperscript{{{number}}}" if number else ""),
        *(_recall(row, n) for n in RECALL_VALUES),
        str(row["dimension"] or "--"),
        escape_latex(row["distance"] or "–"),
        escape_latex(row["image_size"] or "–"),
        escape_latex(row["status"]),
    ]


def _recall(row: Row, n: int) -> str:
    interval = interval_text(row, n)
    recall = escape_latex(recall_text(row, n))
    return f"{recall} {{\\scriptsize ({escape_latex(interval)})}}" if interval else recall
