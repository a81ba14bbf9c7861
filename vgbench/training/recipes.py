"""Training recipes: TOML files that inherit from one another and state only what differs.

Parts that come in several kinds (`loss`, `miner`, `optimizer`, `scheduler`, `augmentation`) have a
`name`. Choosing another name keeps the settings that both kinds know (an optimizer's `lr`), drops
the others, and takes the new kind's defaults for the rest. No torch is needed to read a recipe.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

from vgbench.errors import UsageError
from vgbench.training.recipe_keys import KINDS, PLAIN, Value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INHERITS = "inherits"


@dataclass(frozen=True)
class Part:
    """A loss, optimizer, scheduler or augmentation: its kind, and what it is told."""

    name: str
    settings: Mapping[str, Value]

    def number(self, key: str) -> float:
        """A setting that is a number."""
        return float(cast(float, self.settings[key]))


@dataclass(frozen=True)
class Recipe:
    """How to train a network, complete: nothing is left to a default elsewhere.

    Attributes
    ----------
    name
        What it is called: a recipe of the package, or a file's stem.
    title, table
        What the study calls this row, and in which of its tables it is; 0 for none.
    epochs, seed, rand_augment
        Epochs at most; the seed of everything drawn; RandAugment's operations on each image.
    early_stop
        Epochs without a better R@1 after which training stops; 0 for never.
    precision
        "auto", "float32", "bfloat16" or "float16".
    layout
        Of images and weights in memory: "auto", "channels-last" or "contiguous".
    architecture, weights
        The network, and what it starts from: "imagenet" or "random".
    places_per_batch, images_per_place
        A batch holds their product of images.
    image_size
        (height, width) in pixels that images are resized to, in training and in validation; empty
        for as they are.
    drawn_places
        Places that demo-city's train split is drawn with.
    loss, miner, optimizer, scheduler, augmentation
        Parts, whose kinds and settings `vgbench.training.recipe_keys.KINDS` lists.
    """

    name: str
    title: str
    table: int
    epochs: int
    seed: int
    precision: str
    layout: str
    early_stop: int
    rand_augment: int
    architecture: str
    weights: str
    places_per_batch: int
    images_per_place: int
    image_size: tuple[int, ...]
    drawn_places: int
    loss: Part
    miner: Part
    optimizer: Part
    scheduler: Part
    augmentation: Part

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) that images are resized to, in training and validation; None for none."""
        return (self.image_size[0], self.image_size[1]) if self.image_size else None

    def values(self) -> dict[str, Value]:
        """Every key and value, as `--set` spells them."""
        found: dict[str, Value] = {key: getattr(self, key.rpartition(".")[2]) for key in PLAIN}
        for part in KINDS:
            chosen: Part = getattr(self, part)
            found[f"{part}.name"] = chosen.name
            found |= {f"{part}.{key}": value for key, value in chosen.settings.items()}
        return found

    def json_values(self) -> dict[str, Any]:
        """The same as a JSON file gives them back, as run.json keeps them: lists for tuples."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.values().items()}

    def to_toml(self) -> str:
        """The whole recipe as a file that inherits from nothing and reads back the same."""
        values = self.values()
        lines = [f"{key} = {_as_toml(v)}" for key, v in values.items() if "." not in key]
        for section in dict.fromkeys(key.partition(".")[0] for key in values if "." in key):
            lines += ["", f"[{section}]"]
            lines += [
                f"{key.partition('.')[2]} = {_as_toml(value)}"
                for key, value in values.items()
                if key.startswith(f"{section}.")
            ]
        return "\n".join(lines) + "\n"


def recipe_names() -> list[str]:
    """Names of the recipes that come with vgbench: the study's rows in its order, then the rest.

    >>> recipe_names()[:3], "study" in recipe_names()
    (['base', 'base-gem', 'contrastive'], True)
    """
    return [name for name in _ORDER if _packaged(name).is_file()]


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, with everything that it inherits, and change what `overrides` say.

    Parameters
    ----------
    name_or_path
        One of `recipe_names`, or the path of a TOML file.
    overrides
        ``key=value`` each, such as ``optimizer.lr=1e-3`` or ``loss.name=triplet``; values are read
        as TOML, and words need no quotes.

    Raises
    ------
    UsageError
        When there is no such recipe, a file is no TOML, or keys and values are wrong: all of them
        are named at once, unknown keys with the nearest known ones.

    Examples
    --------
    >>> load_recipe("study").optimizer
    Part(name='adamw', settings={'lr': 0.0025, 'weight_decay': 0.001})
    >>> load_recipe("study", ["loss.name=triplet", "epochs=3"]).loss
    Part(name='triplet', settings={'margin': 1.0})
    """
    errors: list[str] = []
    values: dict[str, Any] = {}
    for where, stated in [*_chain(str(name_or_path)), ("--set", _overrides(overrides, errors))]:
        _apply(stated, values, where, errors)
    errors += [f"{key} is not given." for key in PLAIN if key not in values and key != "table"]
    errors += [f"{part}.name is not given." for part in KINDS if f"{part}.name" not in values]
    if errors:
        raise UsageError(
            f"The recipe {name_or_path} cannot be used:\n"
            + "\n".join(f"  {error}" for error in errors)
        )
    plain = {key.rpartition(".")[2]: values[key] for key in PLAIN if key in values}
    parts = {
        part: Part(
            values[f"{part}.name"],
            {key: values[f"{part}.{key}"] for key in KINDS[part][values[f"{part}.name"]]},
        )
        for part in KINDS
    }
    return Recipe(name=Path(name_or_path).stem, **{"table": 0, **plain, **parts})


_ORDER = (
    "base", "base-gem", "contrastive", "triplet", "multi-similarity", "circle", "sgd", "asgd",
    "adam", "adamw-1", "adamw-2", "cosine-annealing", "reduce-on-plateau", "flip", "nightlight",
    "jitter", "study", "reference",
)  # fmt: skip


def _packaged(name: str) -> Path:
    return Path(str(resources.files("vgbench.training").joinpath("recipes", f"{name}.toml")))


def _chain(name: str) -> list[tuple[str, dict[str, Any]]]:
    """What a recipe and its ancestors state, the oldest first, flattened to dotted keys."""
    chain: list[tuple[str, dict[str, Any]]] = []
    seen: list[Path] = []
    asked, beside = name, Path()
    while True:
        path = _find(asked, beside)
        if path in seen:
            raise UsageError(f"{path} inherits from itself, by way of {seen[-1]}.")
        seen.append(path)
        try:
            stated = dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is no TOML: {error}") from error
        parent = stated.pop(INHERITS, None)
        chain.insert(0, (path.name, stated))
        if parent is None:
            return chain
        if not isinstance(parent, str):
            raise UsageError(f"{path}: {INHERITS} is the name of one recipe, not {parent!r}.")
        asked, beside = parent, path.parent


def _find(name: str, beside: Path) -> Path:
    if name in _ORDER:
        return _packaged(name)
    path = beside / Path(name).expanduser()
    if path.suffix == ".toml" and path.is_file():
        return path.resolve()
    near = difflib.get_close_matches(name, _ORDER, n=1)
    raise UsageError(
        f"There is no recipe {name}."
        + (f" Did you mean {near[0]}?" if near else "")
        + f" Give a .toml file, or one of:\n  {', '.join(recipe_names())}"
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _overrides(overrides: Sequence[str], errors: list[str]) -> dict[str, Any]:
    stated = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            errors.append(f"--set {override}: expected key=value, for example optimizer.lr=1e-3.")
            continue
        try:
            stated[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            stated[key.strip()] = text.strip()  # a word without quotes
    return stated


def _apply(
    stated: Mapping[str, Any], values: dict[str, Any], where: str, errors: list[str]
) -> None:
    """Check what one file or the command line states, and lay it over what is known so far."""
    # Names first: they decide which settings there are.
    for part, kinds in KINDS.items():
        name = stated.get(f"{part}.name")
        if name is None:
            continue
        if name not in kinds:
            errors.append(f"{where}: {part}.name must be one of {', '.join(kinds)}, not {name!r}.")
            continue
        kept = {key: values.get(f"{part}.{key}", default) for key, (_, default) in
                kinds[name].items()}  # fmt: skip
        for key in [key for key in values if key.startswith(f"{part}.")]:
            del values[key]
        values |= {f"{part}.name": name} | {f"{part}.{key}": v for key, v in kept.items()}
    known = dict(PLAIN)
    for part, kinds in KINDS.items():
        settings = kinds.get(values.get(f"{part}.name", ""), {})
        known |= {f"{part}.{key}": one for key, (one, _) in settings.items()}
    for key, value in stated.items():
        if key.partition(".")[2] == "name" and key.partition(".")[0] in KINDS:
            continue
        if key not in known:
            errors.append(f"{where}: {_unknown(key, known, values)}")
            continue
        try:
            values[key] = known[key].read(value)
        except ValueError:
            shown = list(value) if isinstance(value, tuple) else value
            errors.append(f"{where}: {key} must be {known[key].wanted}, not {shown!r}.")


def _unknown(key: str, known: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    part = key.partition(".")[0]
    names = [*known, *(f"{p}.name" for p in KINDS)]
    near = difflib.get_close_matches(key, names, n=3)
    if part in KINDS and key.partition(".")[2]:
        own = [name.partition(".")[2] for name in names if name.startswith(f"{part}.")]
        near = near or [f"{part}.{name}" for name in own]
        if f"{part}.name" in values:
            kind = values[f"{part}.name"]
            return f"the {part} {kind} has no {key}. Nearest: {', '.join(near)}."
    else:
        # `lr` alone is what people type first.
        near = [name for name in names if name.rpartition(".")[2] == key] or near
    hint = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(sorted(names))}."
    return f"there is no key {key}. {hint}"


def _as_toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(_as_toml(one) for one in value)}]"
    return repr(value)
