"""A dataset split as everything else sees it: paths, positions, sizes and two fingerprints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.conditions import DERIVED, conditions
from vgbench.datasets.manifest import Images, SplitManifest
from vgbench.datasets.overrides import read_override
from vgbench.datasets.registry import DatasetSpec
from vgbench.datasets.scanning import Examined, examine_files
from vgbench.errors import DatasetChanged, first_ten


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a dataset: N database images and Q queries.

    Paths are canonical: POSIX, relative to the split, beginning with "database/" or "queries/"
    whatever the folders are called. Rows are in code-point order of these paths, database first;
    every array of descriptors follows that order.

    Attributes
    ----------
    id
        The dataset's name; of an unregistered folder, its name made a slug.
    split
        "test", "val", …
    folder
        Where the split is. Use `image_path` for the file of an image.
    database_paths, query_paths
        Canonical paths, N and Q of them.
    database_positions, query_positions
        Easting and northing in metres (UTM), float64 (N, 2) and (Q, 2).
    query_conditions
        "day", "night", … or None for each query; None where nothing is known of any.
    database_sizes, query_sizes
        Height and width in pixels as stored, int32 (N, 2) and (Q, 2).
    ground_truth
        Hex SHA-256 over the canonical paths in row order, each followed by a line feed: it fixes
        positions, row order and positives.
    content
        Hex SHA-256 over the images' own SHA-256 digests in row order.
    registered
        Whether it is a dataset that the registry knows.
    pinned
        Whether the registry pins this very ground truth.
    conditions_from
        Where the conditions are from: "stated" in names, "derived" from them by a rule,
        "overridden" by the user's file; None without conditions.
    folder_given
        Whether it was opened by the path of its folder.
    """

    id: str
    split: str
    folder: Path
    database_paths: Sequence[str]
    query_paths: Sequence[str]
    database_positions: NDArray[np.float64]
    query_positions: NDArray[np.float64]
    query_conditions: list[str | None] | None
    database_sizes: NDArray[np.int32]
    query_sizes: NDArray[np.int32]
    ground_truth: str
    content: str
    registered: bool = False
    pinned: bool = False
    conditions_from: str | None = None
    folder_given: bool = False
    role_folders: Mapping[str, Path] = field(default_factory=dict)
    images: Mapping[str, Images] = field(default_factory=dict, repr=False)
    advice: str = "Load it again: images that changed are then read anew."

    def __repr__(self) -> str:
        counts = f"{len(self.database_paths):,} database images, {len(self.query_paths):,} queries"
        return f"<Dataset {self.id}/{self.split}: {counts}, in {self.folder}>"

    @classmethod
    def download(
        cls,
        name: str,
        split: str | None = None,
        data_root: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Dataset:
        """Open a split of a registered dataset, downloading it first if it is not installed.

        `options` are those of `vgbench.datasets.download_dataset`.
        """
        from vgbench.datasets.downloading import download_dataset
        from vgbench.datasets.loading import load_dataset

        known, _, asked = name.partition("/")
        download_dataset(known, data_root=data_root, **options)
        return load_dataset(known, split or asked or None, data_root)

    def __len__(self) -> int:
        return len(self.database_paths) + len(self.query_paths)

    @property
    def paths(self) -> list[str]:
        """All canonical paths in row order."""
        return [*self.database_paths, *self.query_paths]

    @property
    def all_paths(self) -> list[Path]:
        """The files of all images in row order."""
        return [self.image_path(path) for path in self.paths]

    def image_path(self, canonical: str) -> Path:
        """Give the file of a canonical path."""
        role, _, rest = canonical.partition("/")
        return self.role_folders.get(role, self.folder / role) / rest

    def check_unchanged(self) -> None:
        """Hold sizes and times of change of all images against the manifest.

        An image with another time is read: a copy with the same bytes is no change.

        Raises
        ------
        DatasetChanged
            When images are missing or differ; lists the first ten, and says what to do.
        """
        differences = [
            str(difference)
            for role, images in self.images.items()
            for difference in differing(
                self.role_folders.get(role, self.folder / role), role, images
            )
        ]
        if differences:
            raise DatasetChanged(
                f"{len(differences):,} of {len(self):,} images of {self.id}/{self.split} differ "
                f"from its manifest:\n{first_ten(differences, 'images')}\n{self.advice}"
            )


@dataclass(frozen=True)
class Difference:
    """An image that is not what the manifest says."""

    path: str
    reason: str
    missing: bool = False

    def __str__(self) -> str:
        """Name the image and the reason, as errors list them."""
        return f"{self.path}: {self.reason}"


def differing(
    folder: Path,
    role: str,
    images: Images,
    everything: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> list[Difference]:
    """Compare the files of one role with the manifest.

    Files are stated; those with the right size but another time of change are read, and so are all
    with `everything`.

    Returns
    -------
    list of Difference
        In the order of the manifest.
    """
    base = os.fspath(folder)
    relative = list(images.paths.without_prefix(len(role) + 1))
    found: dict[int, Difference] = {}
    to_read: list[int] = []
    columns = zip(relative, images.bytes.tolist(), images.mtimes.tolist(), strict=True)
    for row, (path, size, mtime_ns) in enumerate(columns):
        try:
            facts = os.stat(f"{base}/{path}")  # noqa: PTH116  # thousands of Path objects are slow
        except OSError as error:
            gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
            reason = "is missing" if gone else f"cannot be read ({error.strerror})"
            found[row] = Difference(f"{role}/{path}", reason, missing=gone)
            continue
        if facts.st_size != size:
            reason = f"has {facts.st_size:,} bytes, had {size:,}"
            found[row] = Difference(f"{role}/{path}", reason)
        elif everything or facts.st_mtime_ns != mtime_ns:
            to_read.append(row)
    results = examine_files(base, [relative[row] for row in to_read], advance)
    for row, result in zip(to_read, results, strict=True):
        if not isinstance(result, Examined):
            found[row] = Difference(f"{role}/{result.path}", result.reason)
        elif result.sha256 != images.digests[row].tobytes():
            found[row] = Difference(f"{role}/{relative[row]}", "has other content of equal size")
    return [found[row] for row in sorted(found)]


def make_dataset(
    name: str,
    root: Path,
    split: SplitManifest,
    spec: DatasetSpec | None,
    *,
    split_name: str | None = None,
    advice: str | None = None,
    override: Path | None = None,
) -> Dataset:
    """Make the value that users get from one split of a manifest.

    Parameters
    ----------
    root
        The dataset's folder, which the manifest's folders are relative to.
    spec
        What the registry knows of it, if it is registered.
    split_name
        What the split is called, where that is not the manifest's name for it.
    advice
        What to do when images have changed.
    override
        A file of conditions that the user states, if it exists.
    """
    database, queries = split.images["database"], split.images["queries"]
    name_of_split = split_name or split.name
    labels = queries.conditions
    if labels is None and spec is not None:
        labels = conditions(spec.condition, queries.paths)
    origin = None
    if labels is not None:
        origin = "derived" if spec is not None and spec.condition in DERIVED else "stated"
    if override is not None and override.is_file():
        labels, origin = read_override(override, queries.paths, labels), "overridden"
    known = spec.splits.get(name_of_split) if spec else None
    official = spec is not None and not spec.private
    folders = {role: root / folder for role, folder in split.folders.items()}
    extra: dict[str, Any] = {} if advice is None else {"advice": advice}
    return Dataset(
        id=name,
        split=name_of_split,
        folder=folders["database"].parent,
        database_paths=database.paths,
        query_paths=queries.paths,
        database_positions=database.positions,
        query_positions=queries.positions,
        query_conditions=labels,
        database_sizes=database.sizes,
        query_sizes=queries.sizes,
        ground_truth=split.ground_truth,
        content=split.content,
        registered=official,
        pinned=official and known is not None and known.ground_truth == split.ground_truth,
        conditions_from=origin,
        role_folders=folders,
        images=split.images,
        **extra,
    )
