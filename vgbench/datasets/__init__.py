"""Datasets: names, registry, manifest, import, verification, and the `Dataset` of the rest.

    from vgbench.datasets import load_dataset
    dataset = load_dataset("demo-city")
    dataset.database_paths, dataset.query_positions, dataset.ground_truth

Names are imported when they are first used; nothing here imports torch or pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgbench.datasets.catalogue import Description, describe, installed, list_datasets
    from vgbench.datasets.dataset import Dataset
    from vgbench.datasets.downloading import download_dataset, download_datasets
    from vgbench.datasets.importing import import_dataset
    from vgbench.datasets.loading import load_dataset
    from vgbench.datasets.obtaining import Downloaded
    from vgbench.datasets.overrides import override_conditions
    from vgbench.datasets.registry import DatasetSpec, load_registry
    from vgbench.datasets.removing import dataset_path, remove_dataset
    from vgbench.datasets.verification import verify_dataset
    from vgbench.datasets.verification_report import VerificationReport

_HOMES = {
    "Dataset": "dataset",
    "DatasetSpec": "registry",
    "Description": "catalogue",
    "VerificationReport": "verification_report",
    "Downloaded": "obtaining",
    "dataset_path": "removing",
    "describe": "catalogue",
    "download_dataset": "downloading",
    "download_datasets": "downloading",
    "import_dataset": "importing",
    "installed": "catalogue",
    "list_datasets": "catalogue",
    "load_dataset": "loading",
    "load_registry": "registry",
    "override_conditions": "overrides",
    "remove_dataset": "removing",
    "verify_dataset": "verification",
}

__all__ = [
    "Dataset",
    "DatasetSpec",
    "Description",
    "Downloaded",
    "VerificationReport",
    "dataset_path",
    "describe",
    "download_dataset",
    "download_datasets",
    "import_dataset",
    "installed",
    "list_datasets",
    "load_dataset",
    "load_registry",
    "override_conditions",
    "remove_dataset",
    "verify_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vgbench.datasets' has no attribute {name!r}")
    value = getattr(import_module(f"vgbench.datasets.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
