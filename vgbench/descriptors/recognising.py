"""Which installed split descriptors belong to, told by the number of their rows."""

from __future__ import annotations

import os

from vgbench.datasets import Dataset, list_datasets, load_dataset, load_registry
from vgbench.descriptors.files import DescriptorInput
from vgbench.descriptors.validation import Candidate, match_dataset
from vgbench.errors import DescriptorError


def recognise_dataset(
    given: DescriptorInput, name: str | None, data_root: str | os.PathLike[str] | None = None
) -> Dataset:
    """The split that descriptors belong to: the one named, else the only one that fits their rows.

    Raises
    ------
    DescriptorError
        When no installed split has so many images, or several have; says what each needs.
    """
    if name is not None:
        return load_dataset(name, data_root=data_root)
    candidates, elsewhere = _candidates(data_root)
    try:
        found, split = match_dataset(given.rows, candidates, given.dimension)
    except DescriptorError as error:
        rows = given.rows if isinstance(given.rows, int) else sum(given.rows)
        fitting = [f"{id_}/{split}" for id_, split, n, q in elsewhere if n + q == rows]
        if not fitting:
            raise
        raise DescriptorError(
            f"{error}\nThey would fit {' or '.join(fitting)}, which is not installed: "
            f"vgbench datasets info {fitting[0].partition('/')[0]} says how to get it."
        ) from None
    return load_dataset(found, split, data_root=data_root)


def _candidates(
    data_root: str | os.PathLike[str] | None,
) -> tuple[list[Candidate], list[Candidate]]:
    """Splits that descriptors can be held against here, and registered ones that are elsewhere."""
    here: list[Candidate] = []
    elsewhere: list[Candidate] = []
    registry = load_registry()
    for dataset in list_datasets(data_root):
        packaged = dataset.id in registry and registry[dataset.id].packaged
        for split in dataset.splits:
            if split.database and split.queries:
                there = split.installed or (packaged and not dataset.installed)
                (here if there else elsewhere).append(
                    (dataset.id, split.name, split.database, split.queries)
                )
    return here, elsewhere
