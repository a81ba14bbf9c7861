"""What may stand in a training recipe: every key, its type, its range, and the kinds of parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = bool | int | float | str | tuple[Any, ...]
"""What a key holds; lists of a TOML file become tuples."""


@dataclass(frozen=True)
class Key:
    """One key of a recipe: what it must be, in words, and how to tell.

    `read` gives the value in its final type, or raises ValueError.
    """

    wanted: str
    read: Callable[[Any], Value]


def whole(least: int, most: int = 1_000_000) -> Key:
    """A whole number within limits."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return Key(f"a whole number, at least {least}", read)


def number(least: float, most: float = math.inf, above: bool = False) -> Key:
    """A finite number within limits; `above` leaves the lower limit itself out."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        if not math.isfinite(value) or not least <= value <= most or (above and value == least):
            raise ValueError
        return float(value)

    upper = f", at most {most:g}" if math.isfinite(most) else ""
    return Key(f"a number {'above' if above else 'of at least'} {least:g}{upper}", read)


def one_of(choices: Sequence[str]) -> Key:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Key(f"one of {', '.join(choices)}", read)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _architecture(value: Any) -> str:
    from vgbench.errors import ModelError
    from vgbench.models.architectures import parse_architecture

    try:
        return str(parse_architecture(_text(value)))
    except ModelError as error:
        raise ValueError from error


def _size(value: Any) -> tuple[int, ...]:
    side = whole(32, 4096)
    if not isinstance(value, (list, tuple)) or len(value) not in (0, 2):
        raise ValueError
    return tuple(int(side.read(one)) for one in value)  # type: ignore[arg-type]


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError
    return tuple(_text(one) for one in value)


PRECISIONS = ("auto", "float32", "bfloat16", "float16")
CHANNELS_LAST = "channels-last"
LAYOUTS = ("auto", CHANNELS_LAST, "contiguous")

PLAIN: Mapping[str, Key] = {
    "title": Key("text", _text),
    "table": whole(0, 99),
    "epochs": whole(1, 10_000),
    "seed": whole(0, 2**31 - 1),
    "precision": one_of(PRECISIONS),
    "layout": one_of(LAYOUTS),
    "early_stop": whole(0),
    "rand_augment": whole(0, 20),
    "network.architecture": Key(
        "an architecture such as resnet18(layer2)+gem+fc512", _architecture
    ),
    "network.weights": one_of(("imagenet", "random")),
    "data.places_per_batch": whole(2),
    "data.images_per_place": whole(2, 1000),
    "data.image_size": Key("[] or [height, width], each 32 to 4096", _size),
    "data.drawn_places": whole(2, 100_000),
}
"""Every key but those of the parts in `KINDS`; `table` is the study's, 0 where it has none."""

_POSITIVE, _NOT_NEGATIVE = number(0, above=True), number(0)

# lr and weight decay have no defaults of ours: every recipe inherits those of the base.
_STEP: Mapping[str, tuple[Key, Value]] = {
    "lr": (_POSITIVE, 1e-3),
    "weight_decay": (_NOT_NEGATIVE, 1e-3),
}
_CHANCE: Mapping[str, tuple[Key, Value]] = {
    "p": (number(0, 1), 0.5),
    "offline": (Key("true or false", _yes_or_no), False),
    "cities": (Key("a list of names of cities", _words), ()),
}

KINDS: Mapping[str, Mapping[str, Mapping[str, tuple[Key, Value]]]] = {
    "loss": {
        "contrastive": {"pos_margin": (_NOT_NEGATIVE, 0.0), "neg_margin": (_NOT_NEGATIVE, 1.0)},
        "triplet": {"margin": (_POSITIVE, 1.0)},
        "multi-similarity": {
            "alpha": (_POSITIVE, 2.0),
            "beta": (_POSITIVE, 40.0),
            "base": (number(-1), 0.5),
        },
        "circle": {"m": (number(-1, 1), 0.25), "gamma": (_POSITIVE, 64.0)},
    },
    "miner": {
        "none": {},
        "multi-similarity": {"epsilon": (_NOT_NEGATIVE, 0.1)},
        "batch-hard": {},
        "triplet": {
            "margin": (_NOT_NEGATIVE, 0.2),
            "type_of_triplets": (one_of(("all", "hard", "semihard", "easy")), "all"),
        },
    },
    "optimizer": {
        "sgd": {**_STEP, "momentum": (number(0, 1), 0.0)},
        "asgd": _STEP,
        "adam": _STEP,
        "adamw": _STEP,
    },
    "scheduler": {
        "none": {},
        "cosine": {"t_max": (whole(1, 10_000), 10), "eta_min": (_NOT_NEGATIVE, 1e-6)},
        "plateau": {"factor": (number(0, 1, above=True), 0.1), "patience": (whole(0), 5)},
    },
    "augmentation": {
        "none": {},
        "flip": _CHANCE,
        "nightlight": _CHANCE,
        "jitter": _CHANCE,
        "jitter-saturating": _CHANCE,
    },
}
"""Part → its kinds → what each can be told, with the default.

Defaults are those of the study, or of torch and pytorch-metric-learning where it names none.
"""
