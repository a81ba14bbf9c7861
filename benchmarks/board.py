"""Make the entries on demo-city test that the repository's board ships with.

    python benchmarks/board.py [--root FOLDER] [ENTRY …]

The included model as it is, by cosine and with average pooling, the same network untrained, and the
classical baselines: what an entry on demo-city can be compared with. Run it after the included
weights or the dataset changed, then `vgbench leaderboard build` and `vgbench leaderboard site`.
An entry whose predictions and card are the same is kept as it is; one that differs is replaced,
unless somebody else made it. Everything is evaluated before anything is written.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vgbench
from vgbench.entering import already_entered
from vgbench.errors import SubmissionError
from vgbench.evaluation import Result
from vgbench.leaderboard import read_submission
from vgbench.models import untrained_model
from vgbench.models.classical import CLASSICAL

DATASET = "demo-city/test"
STUDY = "resnet18(layer2)+gem+fc512"
MADE_HERE = "Made by benchmarks/board.py."
"""How the notes of such an entry begin: only these are replaced."""


@dataclass(frozen=True)
class Planned:
    """An entry to make: its folder's name, the model, how it is evaluated, and its card."""

    slug: str
    model: Callable[[], Any]
    card: dict[str, Any]
    options: dict[str, Any]


def plan() -> list[Planned]:
    """Every entry, in the order in which they are made."""
    reference = {
        "authors": "the study's recipe, trained by vgbench",
        "licence": "MIT",
        "training_data": "demo-city train",
        "backbone": "resnet18(layer2)",
    }
    network = "ResNet-18 to layer2, GeM, linear 512, circle loss"
    entries = [
        Planned(
            "study-reference",
            lambda: "reference",
            reference | _card(network, "The included model, compared as the study did."),
            {},
        ),
        Planned(
            "study-reference-cosine",
            lambda: "reference",
            reference | _card(network, "The same weights: circle loss trains cosine similarity."),
            {"distance": "cosine"},
        ),
        Planned(
            "study-reference-avg-pooling",
            lambda: vgbench.load_model("reference", pooling="avg"),
            reference
            | _card(
                "The same weights with average pooling",
                "Trained with GeM; the study evaluated its weights like this by mistake.",
            ),
            {},
        ),
        Planned(
            "untrained",
            lambda: untrained_model(STUDY, seed=0),
            {"training_data": "none", "backbone": "resnet18(layer2)"}
            | _card("The study's network with random weights", "Seed 0: what training adds to."),
            {},
        ),
    ]
    for name, model in CLASSICAL.items():
        card = {"training_data": "none", "licence": "MIT"} | _card(model.title, "Learns nothing.")
        entries.append(Planned(name, lambda model=model: model, card, {}))
    return entries


def make(root: Path, data_root: Path | None = None, only: list[str] | None = None) -> None:
    """Make the entries on the board in `root`, all or those in `only`.

    Raises
    ------
    SubmissionError
        When somebody else's entry has one of the names; nothing is written then.
    """
    planned = [entry for entry in plan() if not only or entry.slug in only]
    for entry in planned:
        _check_ours(root, entry.slug)
    dataset = vgbench.load_dataset(DATASET, data_root=data_root)
    results = [
        (entry, vgbench.evaluate(entry.model(), dataset, **entry.options)) for entry in planned
    ]
    print(f"{'entry':<29}{'R@1':>6}  {'95 %':<11}  {'status':<11}  {'seconds':>7}")
    for entry, result in results:
        done = _enter(root, entry, result)
        low, high = result.intervals[1]
        print(
            f"{entry.slug:<29}{result.recalls[1]:6.1f}  {f'{low:.1f}–{high:.1f}':<11}  "
            f"{result.status:<11}  {result.seconds['extraction']:7.1f}  {done}"
        )


def _card(method: str, notes: str) -> dict[str, Any]:
    return {"method": method, "notes": f"{MADE_HERE} {notes}"}


def _check_ours(root: Path, slug: str) -> None:
    folder = root / "submissions" / slug
    if not folder.exists():
        return
    notes = read_submission(folder).document.card.notes or ""
    if not notes.startswith(MADE_HERE):
        raise SubmissionError(
            f"{folder} was not made by this script (its notes do not begin with {MADE_HERE!r}): "
            "it is not replaced. Give one of the two another name."
        )


def _enter(root: Path, entry: Planned, result: Result) -> str:
    """Enter a result under its planned slug, and say what was done."""
    folder = root / "submissions" / entry.slug
    there = folder.exists()
    if there and _is_same(root, entry, result):
        return "kept"
    if there:
        shutil.rmtree(folder)
    entered = vgbench.submit(result, name=entry.slug, root=root, **entry.card)
    if entered.slug != entry.slug:
        shutil.rmtree(entered.folder)
        raise SubmissionError(
            f"The board has a revision of {entry.slug}: the entry would become {entered.slug}. "
            "Remove the revision first."
        )
    return "replaced" if there else "new"


def _is_same(root: Path, entry: Planned, result: Result) -> bool:
    found = already_entered([result], root)
    if found is None or found.slug != entry.slug or found.status != result.status:
        return False
    card = read_submission(found.folder).document.card
    return all(getattr(card, name) == value for name, value in entry.card.items())


def main() -> None:
    """Read the command line and make the entries."""
    names = [entry.slug for entry in plan()]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help=", ".join(names))
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).resolve().parents[1],
        metavar="FOLDER",
        help="the board's folder; this repository when left out",
    )
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where datasets are")
    options = parser.parse_args()
    unknown = sorted(set(options.entries) - set(names))
    if unknown:
        parser.error(f"no such entry: {', '.join(unknown)} (there are {', '.join(names)})")
    try:
        make(options.root, options.data_root, options.entries)
    except vgbench.VgbenchError as error:
        raise SystemExit(f"Error: {error}") from None


if __name__ == "__main__":
    main()
