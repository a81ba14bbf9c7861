"""How results look on a terminal and in a pipe: plain columns that fit 80 characters."""

from __future__ import annotations

import json
from typing import Any

import typer

from vgbench.evaluation import Result
from vgbench.leaderboard.text import fill_lines
from vgbench.retrieval.statistics import percent_interval


def print_json(document: Any) -> None:
    """Print exactly one JSON document on stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_result(result: Result) -> None:
    """Print recalls with their intervals, by condition where it is known, and what they cost."""
    dataset = result.dataset
    typer.echo(
        f"{dataset.id}/{dataset.split}: {len(dataset.database_paths):,} database images, "
        f"{result.queries:,} queries"
        + (f" ({result.queries_without_positives} without a positive)"
           if result.queries_without_positives else "")
    )  # fmt: skip
    typer.echo(" " * 10 + "".join(f"{f'R@{n}':<18}" for n in result.ns).rstrip())
    _print_row("all", result.hits, result.queries)
    for condition, part in (result.conditions or {}).items():
        _print_row(condition, part["hits"], part["queries"])
    for line in fill_lines(_cost(result), 79, ", "):
        typer.echo(f" {line}")
    for warning in result.warnings:
        typer.echo(f"  Note: {warning}", err=True)


def _print_row(label: str, hits: dict[int, int], queries: int) -> None:
    cells = []
    for count in hits.values():
        low, high = percent_interval(count, queries)
        upper = f"{high:.1f}".replace("100.0", "100")  # else four of them need more than 80 columns
        cells.append(f" {100 * count / queries:5.1f} {f'[{low:.1f}–{upper}]':<11}")
    typer.echo(f" {label[:7]:<7}" + "".join(cells).rstrip())


def _cost(result: Result) -> list[str]:
    parts = [f"{result.dimension:,}-D", result.distance]
    if result.image_size:
        parts.append(f"images {result.image_size}")
    if "extraction" in result.seconds:
        seconds = result.seconds["extraction"]
        parts.append(f"extracted in {seconds:.1f} s ({len(result.dataset) / seconds:.1f} images/s)")
    parts.append(f"searched in {result.seconds['search']:.2f} s")
    return parts
