"""`vgbench study`: every experiment of the study, trained, evaluated and set beside its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from vgbench.cli import options

if TYPE_CHECKING:
    from vgbench.study.results import Study

MEASURING = {
    "recipes": "naming recipes",
    "data": "--data",
    "output": "-o",
    "overrides": "--set",
    "on": "--on",
    "validation": "--validation",
    "device": "--device",
    "data_root": "--data-root",
}


def study(
    context: typer.Context,
    recipes: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="RECIPE",
            help="Only these (vgbench train --list); otherwise every row of the study's tables.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME",
            help="What to train on, as for vgbench train: demo-city, gsv-xs, or a folder.",
        ),
    ] = "demo-city",
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="The study's folder: a run in RECIPE/ for each, results.json, and figures/.",
        ),
    ] = Path("runs/study"),
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change every recipe, for example epochs=3 or 'data.image_size=[120,160]'. May "
            "be repeated.",
        ),
    ] = None,
    on: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--on",
            metavar="NAME",
            help="Evaluate on this dataset, NAME, NAME/SPLIT or a folder; several may be given. "
            "Otherwise on every registered test set that is installed, and on demo-city.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--validation",
            metavar="NAME",
            help="What to choose the epoch by, as for vgbench train.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--page",
            metavar="FILE.md",
            help="Also write a page of it, with figures and results.json in a folder beside; asks "
            "the included model too what the study did not: another pooling, distance and size.",
            show_default=False,
        ),
    ] = None,
    results: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--results",
            metavar="FILE.json",
            help="Show this results.json of a study, and write the page from it alone: nothing is "
            "trained or evaluated.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")
    ] = "auto",
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Run the study: train what is missing, evaluate it, and show it beside what was printed.

    Needs the extra: pip install 'vgbench\\[train]'

    Runs that are finished are kept, and one that was stopped goes on, when the
    same command is given again. A run that fails does not stop the others; it
    is reported at the end, and the exit code is then 1.

    [bold]Examples[/bold]

      vgbench study

      vgbench study base base-gem --set epochs=2 -o runs/poolings

      vgbench study --data gsv-xs --on sf-xs --on tokyo-xs

      vgbench study --results docs/study/results.json --page docs/study.md
    """
    from vgbench.cli.printing import print_json
    from vgbench.errors import UsageError, VgbenchError, first_ten
    from vgbench.progress import note
    from vgbench.study.results import read_study
    from vgbench.study.tables import tables_text

    if page is not None and page.suffix != ".md":
        raise UsageError(f"--page names the Markdown file to write: {page}.md")
    asked: list[str] = []
    if results is not None:
        for name, option in MEASURING.items():
            source = context.get_parameter_source(name)
            if source is not None and source.name != "DEFAULT":
                raise UsageError(
                    f"--results shows what was measured, and {option} would change that: leave "
                    "one of them out."
                )
        found = read_study(results)
    else:
        found, asked = _run(
            recipes or [], data, output, overrides or [], on or [], validation, device, data_root,
            ask=page is not None,
        )  # fmt: skip
    if page is not None:
        from vgbench.study.page import write_page

        note(f"Wrote {', '.join(str(path) for path in write_page(found, page))}")
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(tables_text(found, asked if recipes else ()))
    failed = {name: reason for name, reason in found.failures.items() if name in asked}
    if failed:
        lines = [f"{name}: {reason}" for name, reason in failed.items()]
        message = f"{len(failed)} of {len(asked)} recipes failed:\n{first_ten(lines, 'recipes')}"
        if as_json:  # the one document is printed already
            typer.echo(message, err=True)
            raise typer.Exit(1)
        raise VgbenchError(message)


def _run(
    recipes: list[str],
    data: str,
    output: Path,
    overrides: list[str],
    on: list[str],
    validation: str | None,
    device: str,
    data_root: Path | None,
    ask: bool,
) -> tuple[Study, list[str]]:
    """Run the study and write its figures; also give the names of the recipes asked for."""
    from vgbench.cli.evaluate import default_test_sets
    from vgbench.progress import note
    from vgbench.study.figures import study_figures, write_figures
    from vgbench.study.plan import make_plan
    from vgbench.study.running import run_study
    from vgbench.training.extra import require_extra

    plan = make_plan(recipes, overrides)
    require_extra()
    found = run_study(
        plan,
        data,
        output,
        test_sets=on or default_test_sets(data_root),
        validation=validation,
        overrides=overrides,
        data_root=data_root,
        device=device,
    )
    if ask:
        from vgbench.study.questions import ask as ask_reference

        found = ask_reference(output, data_root=data_root, device=device)
    written = write_figures(study_figures(found), output / "figures")
    if written:
        note(f"Figures: {', '.join(path.name for path in written)} in {output / 'figures'}")
    return found, [*plan.recipes, *plan.same_as, *plan.unusable]
