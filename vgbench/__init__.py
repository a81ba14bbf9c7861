"""vgbench: a benchmark and leaderboard toolkit for visual geo-localization.

    import vgbench
    dataset = vgbench.load_dataset("demo-city")
    result = vgbench.evaluate("reference", dataset)
    result.recalls, result.intervals
    vgbench.submit(result, name="my-method")
    vgbench.compare("my-method", "another").verdict
    vgbench.load_leaderboard()

Names are imported when they are first used, so `import vgbench` costs next to nothing and neither
torch nor pandas is loaded before it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench._version import __version__
    from vgbench.datasets import Dataset, load_dataset
    from vgbench.descriptors import extract, read_descriptors
    from vgbench.entering import submit
    from vgbench.errors import VgbenchError
    from vgbench.evaluation import Result, evaluate, score
    from vgbench.leaderboard import compare, load_leaderboard
    from vgbench.models import load_model
    from vgbench.retrieval import search

_HOMES = {
    "Dataset": "vgbench.datasets",
    "Result": "vgbench.evaluation",
    "VgbenchError": "vgbench.errors",
    "__version__": "vgbench._version",
    "compare": "vgbench.leaderboard",
    "evaluate": "vgbench.evaluation",
    "extract": "vgbench.descriptors",
    "load_dataset": "vgbench.datasets",
    "load_leaderboard": "vgbench.leaderboard",
    "load_model": "vgbench.models",
    "read_descriptors": "vgbench.descriptors",
    "score": "vgbench.evaluation",
    "search": "vgbench.retrieval",
    "submit": "vgbench.entering",
}

__all__ = [
    "Dataset",
    "Result",
    "VgbenchError",
    "__version__",
    "compare",
    "evaluate",
    "extract",
    "load_dataset",
    "load_leaderboard",
    "load_model",
    "read_descriptors",
    "score",
    "search",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vgbench' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
