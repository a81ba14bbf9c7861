"""`vgbench train`: a recipe, images, and a folder that ends with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from vgbench.cli import options


def train(
    recipe: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="RECIPE",
            help="A recipe of the study (vgbench train --list), or a TOML file that inherits from "
            "one.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME",
            help="What to train on: demo-city, whose train split is drawn when first used; gsv-xs "
            "where it is installed; or a folder of images with place ids in their names, the last "
            "field but one between '@'.",
        ),
    ] = "demo-city",
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "-o",
            "--output",
            metavar="FOLDER",
            help="The run's folder; runs/RECIPE when not given. A run that was stopped there goes "
            "on.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--validation",
            metavar="NAME",
            help="What to measure recall on after each epoch; the data's own val split when it has "
            "one, sf-xs/val for gsv-xs; 'none' keeps the last epoch.",
            show_default=False,
        ),
    ] = None,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe, for example optimizer.lr=1e-3; --show prints the keys. "
            "May be repeated.",
        ),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            help="Augment whole cities beforehand, as the study did: every second one, or those "
            "that --set 'augmentation.cities=[\"london\"]' names.",
        ),
    ] = False,
    max_steps: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--max-steps", metavar="N", min=1, help="Stop after N steps, to try it out."),
    ] = None,
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--seed", metavar="N", min=0, help="In place of the recipe's, which is 0."),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.")
    ] = "auto",
    devices: Annotated[
        int,
        typer.Option(
            "--devices",
            metavar="N",
            min=1,
            help="How many GPUs train together, or, with --device cpu, processes.",
        ),
    ] = 1,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the recipes and exit.")
    ] = False,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the recipe with everything that it inherits and exit."),
    ] = False,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> None:
    """Train a network by a recipe of the study, or one of your own.

    Needs the extra: pip install 'vgbench\\[train]'

    A run that was interrupted goes on after its last whole epoch when the same
    command is given again, and ends with the same weights.

    [bold]Examples[/bold]

      vgbench train --list

      vgbench train study -o runs/study

      vgbench train study --data gsv-xs --set optimizer.lr=1e-3

      vgbench train flip --offline --max-steps 20

      vgbench evaluate runs/study/model.safetensors
    """
    from vgbench.cli.printing import print_json
    from vgbench.errors import UsageError
    from vgbench.training.recipes import load_recipe

    if list_recipes:
        _list(as_json)
        return
    if recipe is None:
        raise UsageError("Name a recipe: vgbench train study. To see all: vgbench train --list")
    stated = [*(overrides or []), *(["augmentation.offline=true"] if offline else [])]
    loaded = load_recipe(recipe, stated)
    if show:
        if as_json:
            print_json({"recipe": loaded.name, "values": loaded.values()})
        else:
            typer.echo(loaded.to_toml(), nl=False)
        return
    from vgbench.training.extra import require_extra

    require_extra()
    from vgbench.training.running import leads
    from vgbench.training.running import train as train_network

    run = train_network(
        loaded,
        data,
        output or Path("runs") / loaded.name,
        validation=validation,
        max_steps=max_steps,
        seed=seed,
        data_root=data_root,
        device=device,
        devices=devices,
    )
    if not leads(devices):
        return
    if as_json:
        print_json(run.to_json())
        return
    typer.echo(_table(run.curve, run.best_epoch))
    kept = "" if run.best_epoch is None else f" of epoch {run.best_epoch + 1}"
    typer.echo(f"\nWeights{kept}: {run.model}")
    typer.echo(f"Evaluate them: vgbench evaluate {run.model}")


def _list(as_json: bool) -> None:
    from vgbench.cli.printing import print_json
    from vgbench.models.architectures import parse_architecture
    from vgbench.training.recipes import load_recipe, recipe_names

    recipes = [load_recipe(name) for name in recipe_names()]
    if as_json:
        print_json(
            [
                {"recipe": one.name, "title": one.title, "table": one.table, "values": one.values()}
                for one in recipes
            ]
        )
        return
    typer.echo(f"{'recipe':17} {'table':>5}  pool {'loss':16} {'optimizer':12} scheduler, augment.")
    for one in recipes:
        rate = f"{one.optimizer.name} {one.optimizer.number('lr'):g}"
        rest = [p.name for p in (one.scheduler, one.augmentation) if p.name != "none"]
        pooling = parse_architecture(one.architecture).pooling
        line = f"{one.name:17} {one.table or '':>5}  {pooling:4} {one.loss.name:16} {rate:12} "
        typer.echo((line + " ".join(rest)).rstrip())


def _table(curve: list[dict[str, float]], best: int | None) -> str:
    """The curve in columns, the best epoch marked; epochs are counted from 1 for people."""
    recalls = [n for n in (1, 5, 10, 20) if any(f"recall_{n}" in entry for entry in curve)]
    head = f"{'epoch':>5} {'loss':>10}" + "".join(f"{f'R@{n}':>7}" for n in recalls)
    lines = [head + f"{'seconds':>10}"]
    for entry in curve:
        line = f"{int(entry['epoch']) + 1:>5} {entry['loss']:>10.4f}"
        for n in recalls:
            value = entry.get(f"recall_{n}")
            line += f"{'':>7}" if value is None else f"{value:>7.1f}"
        mark = "  best" if recalls and entry["epoch"] == best else ""
        lines.append(f"{line}{entry['seconds']:>10.1f}{mark}")
    return "\n".join(lines)
