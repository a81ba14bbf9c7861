"""A Markdown page of a study's results, with its figures: every number computed, none typed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

from vgbench.durable import atomic_write
from vgbench.leaderboard.text import clean_text, escape_markdown
from vgbench.retrieval.statistics import holm, smallest_difference
from vgbench.study.figures import curve_figure, size_figure, study_figures, write_figures
from vgbench.study.markdown import set_markdown
from vgbench.study.printed import (
    QUERIES,
    STEPS,
    TABLES,
    odd_one_out,
    printed_curves,
    printed_results,
    printed_row,
)
from vgbench.study.questions import OWN_SIZE
from vgbench.study.results import FILE, Evaluation, Study, Trained, write_study
from vgbench.study.significance import (
    LEVEL,
    PrintedStep,
    measured_steps,
    paired,
    printed_steps,
    verdicts,
)
from vgbench.study.tables import NONE, interval_text, rows_of

TITLES = {"sf-xs": "SF-XS", "tokyo-xs": "Tokyo-XS"}
USUAL_SPLIT = "demo-city/test"
"""Evaluated on where no other test set is installed and none is named."""
NATIVE = f"{OWN_SIZE[0]}x{OWN_SIZE[1]}"


def write_page(study: Study, path: Path) -> list[Path]:
    """Write a page, and beside it a folder of its name with figures and the results.

    The same results give the same bytes.

    Parameters
    ----------
    path
        Of the page, such as docs/study.md; the folder is then docs/study.

    Returns
    -------
    list of Path
        The files written, the page last.
    """
    folder = path.with_suffix("")
    figures = page_figures(study)
    written = write_figures(figures, folder)
    write_study(study, folder / FILE)
    with atomic_write(path) as file:
        file.write(page_text(study, path, list(figures)).encode())
    return [*written, folder / FILE, path]


def page_figures(study: Study) -> dict[str, str]:
    """Every figure of the page, file name → SVG."""
    figures = study_figures(study)
    if sizes := _own_pooling(study):
        groups = {
            name: [one for one in sizes if one.distance == distance]
            for distance, name in (("l2", "L2"), ("cosine", "cosine"))
        }
        note = f"R@1 in percent on {sizes[0].where}, 95 % intervals; trained at {NATIVE}"
        figures["image-size.svg"] = size_figure(
            "The included model: R@1 against image size", note, groups
        )
    if study.reference_curve:
        figures["reference-curve.svg"] = curve_figure(
            "The included model: recall by epoch", "percent, on demo-city/val, L2",
            study.reference_curve,
        )  # fmt: skip
    return figures


def page_text(study: Study, path: Path, figures: Sequence[str] = ()) -> str:
    """The page in Markdown."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("vgbench.study").joinpath("page.md.j2").read_text(encoding="utf-8")
    # Markdown, not HTML: what comes from outside is escaped by _code and escape_markdown.
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    printed = {d: {n: [_printed(s) for s in printed_steps(d, n)] for n in (1, 5)} for d in QUERIES}
    text = environment.from_string(source).render(
        titles=TITLES,
        queries=QUERIES,
        steps_total=len(STEPS),
        counts={dataset: verdicts(printed_steps(dataset)) for dataset in QUERIES},
        printed=printed,
        smallest={d: f"{smallest_difference(q):.1f}" for d, q in QUERIES.items()},
        printed_values=sum(len(row.recalls) for row in printed_results()),
        impossible=_impossible(),
        misfits=_misfits(),
        measured={escape_markdown(where): _measured(study, where, figures)
                  for where in study.splits()},
        validation=escape_markdown(_common([r.validation or NONE for r in study.runs.values()])),
        same_data=study.data == "gsv-xs",
        on_data=_on_data(study),
        what_this_is=_what_this_is(study),
        command=_command(study, path),
        failures={escape_markdown(name): escape_markdown(reason)
                  for name, reason in study.failures.items()},
        folder=path.with_suffix("").name,
        page_folder=path.parent.name or ".",
        page_name=path.name,
        own_size=NATIVE,
        best=_printed_cell("cosine-annealing", "sf-xs"),
        **_reference(study),
    )  # fmt: skip
    return set_markdown(text)


def _measured(study: Study, where: str, figures: Sequence[str]) -> dict[str, Any]:
    runs = [run for run in study.runs.values() if run.on(where)]
    first = runs[0].on(where)
    assert first is not None
    steps = measured_steps(study, where)
    starts = {e.architecture: e for e in study.untrained if (e.where, e.distance) == (where, "l2")}
    tables = []
    for number, what in TABLES.items():
        rows = [_row(study, name, where) for name in rows_of(number) if study.run_of(name)]
        figure = f"table-{number}.svg" if f"table-{number}.svg" in figures else None
        if rows:
            tables.append({"number": number, "what": what, "rows": rows, "figure": figure})
    return {
        "database": first.database,
        "queries": first.queries,
        "image_size": first.image_size,
        "tables": tables,
        "starts": [
            {"architecture": a, "recall_1": interval_text(e, 1), "recall_5": interval_text(e, 5)}
            for a, e in starts.items()
        ],
        "significant": sum(step.significant for step in steps),
        "steps": [
            {
                "before": step.before,
                "after": step.after,
                "recall_before": f"{step.recall_before:.1f}",
                "recall_after": f"{step.recall_after:.1f}",
                "only_before": step.only_before,
                "only_after": step.only_after,
                "p": p_text(step.p),
                "adjusted": p_text(step.adjusted),
                "significant": step.significant,
            }
            for step in steps
        ],
        "above": _above_start(study, runs, where),
        "distances": _distances(runs, where),
    }


def _above_start(study: Study, runs: Sequence[Trained], where: str) -> dict[bool, list[str]] | None:
    """Which runs are significantly better than what they started from, and which are not."""
    pairs = [(run.recipe, study.before_training(run.recipe, where), run.on(where)) for run in runs]
    tests = [(name, paired(a, b)) for name, a, b in pairs if a and b]
    found: dict[bool, list[str]] = {True: [], False: []}
    adjusted = holm([p for _, (_, _, p) in tests])
    for (name, (only_before, only_after, _)), p in zip(tests, adjusted, strict=True):
        found[bool(p < LEVEL and only_after > only_before)].append(escape_markdown(name))
    return found if tests else None


def _row(study: Study, name: str, where: str) -> dict[str, Any]:
    run = study.run_of(name)
    assert run is not None
    same = study.same_as.get(name)
    l2 = run.on(where)
    return {
        "recipe": name,
        "note": f" (= {same})" if same else "",
        "recall_1": interval_text(l2, 1),
        "recall_5": interval_text(l2, 5),
        "cosine": interval_text(run.on(where, "cosine"), 1),
        "epoch": f"{run.best_epoch} of 0–{int(run.curve[-1]['epoch'])}" if run.curve else NONE,
        "sf": _printed_cell(name, "sf-xs"),
        "tokyo": _printed_cell(name, "tokyo-xs"),
    }


def _printed_cell(recipe: str, dataset: str) -> str:
    row = printed_row(recipe, dataset)
    return " / ".join(row.recalls[n] for n in (1, 5)) if row else NONE


def _distances(runs: Sequence[Trained], where: str) -> list[dict[str, Any]]:
    pairs = [(run, run.on(where), run.on(where, "cosine")) for run in runs]
    rows: list[dict[str, Any]] = []
    p_values = []
    for run, l2, cosine in pairs:
        if l2 is None or cosine is None:
            continue
        only_l2, only_cosine, p = paired(l2, cosine)
        p_values.append(p)
        rows.append(
            {
                "recipe": escape_markdown(run.recipe),
                "loss": run.values["loss.name"],
                "l2": interval_text(l2, 1),
                "cosine": interval_text(cosine, 1),
                "only_l2": only_l2,
                "only_cosine": only_cosine,
            }
        )
    for row, p in zip(rows, holm(p_values), strict=True):
        row["adjusted"] = p_text(float(p)) + (" **significant**" if p < LEVEL else "")
    return rows


def _reference(study: Study) -> dict[str, Any]:
    """What the page says of the included model; empty lists when it was not asked."""
    own = {e.distance: e for e in _own_pooling(study) if e.image_size == NATIVE}
    first = own.get("l2")
    others = [e for e in study.reference if first and e.image_size == NATIVE and e is not first]
    pairs = [paired(first, one) for one in others if first]
    adjusted = [NONE, *(p_text(float(p)) for p in holm([p for _, _, p in pairs]))]
    poolings = [
        {
            "pooling": "average" if "avg" in one.architecture.partition(" ")[0] else "GeM",
            "distance": {"l2": "L2"}.get(one.distance, one.distance),
            "recall_1": interval_text(one, 1),
            "recall_5": interval_text(one, 5),
            "only_first": pair[0],
            "only_this": pair[1],
            "adjusted": p,
        }
        for one, pair, p in zip(
            [first, *others] if first else [], [(NONE, NONE, 0.0), *pairs], adjusted, strict=False
        )
    ]
    by_size: dict[str, dict[str, Evaluation]] = {}
    for one in _own_pooling(study):
        by_size.setdefault(one.image_size, {})[one.distance] = one
    curve = study.reference_curve
    columns = [key for key in (curve[0] if curve else {}) if key not in ("epoch", "seconds")]
    return {
        "reference": bool(poolings),
        "reference_weights": first.weights[:12] if first else "",
        "reference_where": first.where if first else "",
        "reference_queries": first.queries if first else 0,
        "own": {distance: interval_text(one, 1) for distance, one in own.items()},
        "poolings": poolings,
        "sizes": [
            {"size": size}
            | {f"{d}_{n}": interval_text(found.get(d), n) for d in ("l2", "cosine") for n in (1, 5)}
            for size, found in by_size.items()
        ],
        "curve": [
            {"epoch": int(e["epoch"]), "cells": [_curve_cell(k, e) for k in columns]} for e in curve
        ],
        "curve_columns": [key.replace("recall_", "R@") for key in columns],
    }


def _own_pooling(study: Study) -> list[Evaluation]:
    return [e for e in study.reference if "trained with" not in e.architecture]


def _printed(step: PrintedStep) -> dict[str, Any]:
    share = ""
    if step.discordant_most is not None:
        percent = 100 * step.discordant_most / QUERIES[step.dataset]
        share = f"if at most {step.discordant_most} queries ({percent:.1f} %) tell them apart"
    return {
        "before": step.before,
        "after": step.after,
        "printed_before": step.printed_before,
        "printed_after": step.printed_after,
        "difference": f"{step.difference:+d}".replace("-", "−") if step.difference else "0",
        "alone": _range(step.p_least, step.p_most),
        "adjusted": _range(step.adjusted_least, step.adjusted_most),
        "answer": {"no": "no", "yes": "**yes**", "possible": share}[step.verdict],
    }


def _impossible() -> list[dict[str, Any]]:
    rows = []
    for row in printed_results():
        queries = QUERIES[row.dataset]
        for n, percent in row.impossible():
            below = int(float(percent) * queries / 100)
            rows.append(
                {
                    "recipe": row.recipe, "dataset": row.dataset, "n": n, "percent": percent,
                    "queries": queries,
                    "below": f"{below}: {100 * below / queries:.2f}",
                    "above": f"{below + 1}: {100 * (below + 1) / queries:.2f}",
                }
            )  # fmt: skip
    return rows


def _misfits() -> list[tuple[str, int, float, float, float]]:
    found = []
    for name, curve in printed_curves().items():
        for epoch in odd_one_out(curve):
            before, at, after = (curve[epoch + k]["recall_1"] for k in (-1, 0, 1))
            found.append((name, epoch, at, before, after))
    return found


def _on_data(study: Study) -> str:
    names = _common([run.training_data for run in study.runs.values()])
    return f" on {escape_markdown(names)}" if study.runs else ""


def _what_this_is(study: Study) -> str:
    """In words: data, what the networks started from, size of images, epochs, batches, seconds."""
    runs = list(study.runs.values())
    if not runs:
        return "nothing was trained yet; the command above does it."

    def value(key: str) -> str:
        found = dict.fromkeys(str(run.values[key]) for run in runs)
        return " or ".join(sorted(found))

    sizes = [run.values["data.image_size"] for run in runs]
    size = _common([f"{s[0]}x{s[1]}" if s else "their own size" for s in sizes])
    # By epoch: a run's own seconds hold its pauses and its preparation too.
    seconds = median(sum(entry["seconds"] for entry in run.curve) for run in runs)
    return (
        f"{len(runs)} recipes, each trained once, with seed {value('seed')}, on "
        f"{escape_markdown(_common([run.training_data for run in runs]))}, "
        f"images resized to {size}; initial weights: "
        f"{escape_markdown(_common([run.initial_weights for run in runs]))}; "
        f"{value('epochs')} epochs of batches of {value('data.places_per_batch')} places, "
        f"{seconds / 60:.1f} minutes of epochs a recipe (median). Intervals and tests are "
        "about the queries: how much another seed would change is not in them."
    )


def _command(study: Study, path: Path) -> str:
    """The command that measured, an option and its value on one line."""
    known = {*study.runs, *study.same_as, *study.failures}
    parts = ["vgbench study"]
    if known != {name for table in TABLES for name in rows_of(table)}:
        parts += sorted(known)
    options = [
        *([("--data", study.data)] if study.data != "demo-city" else []),
        *([("--validation", study.validation)] if study.validation else []),
        *(("--set", override) for override in study.overrides),
        *(("--on", where) for where in study.splits() if study.splits() != [USUAL_SPLIT]),
        ("--page", os.fspath(Path(path.parent.name, path.name))),
    ]
    parts += [f"{name} {shlex.quote(clean_text(value))}" for name, value in options]
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > 88:
            lines.append("")
        lines[-1] = f"{lines[-1]} {part}".lstrip()
    return " \\\n        ".join(lines)


def _common(values: Sequence[str]) -> str:
    """What all have, or the different ones."""
    return ", ".join(dict.fromkeys(values)) or NONE


def _curve_cell(key: str, entry: dict[str, float]) -> str:
    if key not in entry:
        return NONE
    return f"{entry[key]:.2f}" if key == "loss" else f"{entry[key]:.1f}"


def _range(low: float, high: float) -> str:
    return " – ".join(dict.fromkeys([p_text(low), p_text(high)]))


def p_text(p: float) -> str:
    """A p-value in two significant digits, small ones by their power of ten.

    >>> p_text(0.0312), p_text(1.0), p_text(4.7e-10)
    ('0.031', '1', '5e-10')
    """
    if p >= 0.9995:
        return "1"
    return f"{p:.0e}".replace("e-0", "e-") if p < 1e-3 else f"{p:.2g}"
