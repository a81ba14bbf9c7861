"""How datasets and what verification found of them are told, in lines of at most 79 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vgbench.datasets.catalogue import SplitDescription
    from vgbench.datasets.verification_report import SplitReport, VerificationReport

_FACTS = {
    "database": "database images",
    "queries": "queries",
    "train": "training images",
    "utm_zone": "UTM zone",
    "box": "bounding box",
    "queries_with_positive": "with a positive",
    "ground_truth": "ground truth",
    "content": "content",
}


def print_report(report: VerificationReport) -> None:
    how = "every image read and decoded" if report.deep else "sizes and times of change compared"
    say(f"{report.dataset}: {report.folder} ({how})")
    for split in report.splits:
        _print_split_report(split)
    if report.edition.ruled_out or report.edition.name:
        say(f"Edition: {report.edition}")
        for name, why in report.edition.ruled_out.items():
            say(f"not {name}: {why}", "  ")
    archive = report.archive
    if archive.sha256:
        say(f"Archive {pin_text(archive.state)}:")
        typer.echo(f"  {archive.sha256}")
    if archive.problem:
        say(f"✗ {archive.problem}", "  ")
    said = {
        "verified": "Verified.",
        "unknown": "Intact; not verified, as too little of it is registered.",
        "damaged": f"Damaged. To get again what is needed: vgbench datasets repair "
        f"{report.dataset}",
        "contradicts": "It is not what it should be.",
    }
    say(said[report.status])


def _print_split_report(split: SplitReport) -> None:
    from vgbench.errors import first_ten

    mark = {"verified": "✓", "unknown": "?"}.get(split.status, "✗")
    typer.echo(f"{mark} {split.split}: {split.images:,} images, {split.status}")
    for fact in split.facts:
        what, found = _FACTS[fact.what], _found(fact.what, fact.found)
        if found is not None:
            typer.echo(f"  {what:<18} {found:<42} {pin_text(fact.state)}")
    for label in ("missing", "extra", "changed", "undecodable", "mismatches"):
        problems = getattr(split, label)
        if problems:
            typer.echo(f"  {label}: {len(problems):,}")
            typer.echo(first_ten([f"  {line}" for line in problems], "of them"))
    if split.duplicates:
        typer.echo(f"  {len(split.duplicates):,} groups of identical images (no failure)")
        typer.echo(first_ten([f"  {' = '.join(group)}" for group in split.duplicates], "groups"))


def say(text: str, indent: str = "") -> None:
    """Print a paragraph in lines of at most 79 columns; paths and links stay whole."""
    import textwrap

    typer.echo(
        textwrap.fill(
            text, 79, initial_indent=indent, subsequent_indent=f"{indent}  ",
            break_long_words=False, break_on_hyphens=False,
        )
    )  # fmt: skip


def counts_text(split: SplitDescription) -> str:
    parts = [
        f"{count:,} {label}"
        for count, label in (
            (split.database, "database images"),
            (split.queries, "queries"),
            (split.train, "training images"),
        )
        if count is not None
    ]
    return ", ".join(parts) or "counts unknown"


def pin_text(state: str) -> str:
    return {
        "agrees": "as pinned",
        "differs": "NOT as pinned",
        "unknown": "(not pinned)",
    }[state]


def _found(what: str, value: Any) -> str | None:
    if value is None:
        return None
    if what == "box":
        west, east, south, north = value
        return f"E {west:,.0f}–{east:,.0f}, N {south:,.0f}–{north:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)[:32] + "…" * (len(value) > 32)
