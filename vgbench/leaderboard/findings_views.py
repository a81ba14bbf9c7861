"""How findings look: on a terminal and in a pipe, and as Markdown for a pull request."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from vgbench.leaderboard.findings import FAILED, PASSED, SIGNS, Check, Report, Verified
from vgbench.leaderboard.text import clean_text, escape_markdown, fill_lines

_WIDTH = 79
_LONGEST_CELL = 120
_LONGEST_MESSAGE = 600
_LONGEST_COMMENT = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""


def text(report: Report) -> str:
    """The report in lines of at most 79 columns: what holds in one, the rest one by one."""
    lines: list[str] = []
    for entry in report.entries:
        lines += [*entry_lines(entry), ""]
    if report.problems is not None:
        lines += [f"{SIGNS[FAILED]} {line}" for line in _wrapped(report.problems)]
        lines += [f"· {line}" for line in _wrapped(report.notes or ())]
        lines += [""] if report.problems or report.notes else []
    return "\n".join([*lines, summary(report)]) + "\n"


def summary(report: Report) -> str:
    """One sentence on the whole."""
    if not report.entries and report.problems is None:
        return "There are no entries to verify."
    failed = [entry for entry in report.entries if not entry.ok]
    wrong = len(report.problems or ())
    entries = f"{len(report.entries):,} {'entry' if len(report.entries) == 1 else 'entries'}"
    said = f"{SIGNS[PASSED] if report.ok else SIGNS[FAILED]} {entries} verified"
    if failed:
        said += f", {len(failed):,} with something wrong"
    elif not wrong:
        said += ", nothing wrong"
    if report.problems is None:
        return f"{said}."
    if report.ok:
        return f"{said}; the change may be made."
    problems = f": {wrong} problem{'s' if wrong > 1 else ''}" if wrong else ""
    return f"{said}; the change may not be made{problems}."


def markdown(report: Report) -> str:
    """The report as a comment on a pull request; every text in it is a stranger's, and inert."""
    lines = [f"### {_inert(summary(report))}", ""]
    if report.problems is not None:
        lines += [f"- {SIGNS[FAILED]} {_inert(line)}" for line in report.problems]
        lines += [f"- {_inert(line)}" for line in report.notes or ()]
        lines += [""] if report.problems or report.notes else []
    rows = [row for entry in report.entries for row in _table_rows(entry)]
    if rows:
        lines += ["| entry | dataset | R@1 | R@5 | R@10 | R@20 | status |"]
        lines += ["|---|---|--:|--:|--:|--:|---|", *rows, ""]
    for entry in report.entries:
        lines += [f"**{_inert(entry.submission)}**", ""]
        passed, others = _parted(entry)
        lines += [f"- {SIGNS[PASSED]} {', '.join(passed)}"] if passed else []
        lines += [
            f"- {check.sign} **{check.name}**: {_inert(check.message, _LONGEST_MESSAGE)}"
            for check in others
        ]
        lines += [""]
    kept = ""
    for line in lines:
        if len(kept) + len(line) > _LONGEST_COMMENT:
            return f"{kept}\n… and more: see the job's log.\n"
        kept += line + "\n"
    return kept


def entry_lines(entry: Verified) -> Iterator[str]:
    """One entry's checks, in lines of at most 79 columns."""
    label = clean_text(entry.submission)
    yield f"{SIGNS[PASSED] if entry.ok else SIGNS[FAILED]} {label} · {entry.status or 'unreadable'}"
    passed, others = _parted(entry)
    words = [*(f"{name}," for name in passed[:-1]), *passed[-1:]]
    for index, line in enumerate(fill_lines(words, _WIDTH - 4)):
        yield f"  {SIGNS[PASSED] if not index else ' '} {line}"
    for check in others:
        first, *more = f"{check.name}: {check.message}".split("\n")
        filled = textwrap.wrap(clean_text(first), _WIDTH - 4, break_on_hyphens=False) or [""]
        yield f"  {check.sign} {filled[0]}"
        yield from (f"    {line}" for line in filled[1:])
        yield from (f"    {clean_text(line)}" for line in more)


def _parted(entry: Verified) -> tuple[list[str], list[Check]]:
    """Names of what passed, and the checks that want words; of several results all must pass."""
    others = [check for check in entry.checks if check.outcome != PASSED]
    wanting = {check.name for check in others}
    names = dict.fromkeys(check.name for check in entry.checks if check.name not in wanting)
    said = [check for check in entry.checks if check.outcome == PASSED and check.message]
    return list(names), [*(check for check in said if check.name in names), *others]


def _table_rows(entry: Verified) -> Iterator[str]:
    for result in entry.results:
        cells = [
            _inert(entry.name or entry.submission),
            _inert(f"{result['dataset']}/{result['split']}"),
        ]
        for n in ("1", "5", "10", "20"):
            recall, interval = result["recall"].get(n), result["interval"].get(n)
            cell = "–" if recall is None else f"{recall:.1f}"
            cells.append(f"{cell} ({interval[0]:.1f}–{interval[1]:.1f})" if interval else cell)
        yield f"| {' | '.join([*cells, _inert(entry.status or '–')])} |"


def _inert(text: str, longest: int = _LONGEST_CELL) -> str:
    """Text that neither mentions anybody, links anywhere nor changes its surroundings."""
    cleaned = clean_text(text)
    if len(cleaned) > longest:
        cleaned = cleaned[: longest - 1] + "…"
    # GitHub makes links of what looks like one even in escaped text: a space of no width stops it.
    return re.sub(r"(@|://|www\.)", "\\1\u200b", escape_markdown(cleaned))


def _wrapped(texts: tuple[str, ...]) -> Iterator[str]:
    for one in texts:
        yield "\n  ".join(textwrap.wrap(clean_text(one), _WIDTH - 2, break_on_hyphens=False))
