"""The ground truth of a split alone: names and positions, by which predictions are verified.

`ground_truth/<dataset>-<split>.parquet` beside this module has one row for each image in row order:
`path`, `easting`, `northing`, `condition`. No image is needed to recompute recalls from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets.arrow import number_array, numbers, path_array, text_array, texts
from vgbench.datasets.dataset import Dataset
from vgbench.datasets.manifest import ground_truth_fingerprint
from vgbench.datasets.names import positions
from vgbench.datasets.pathlist import PathList
from vgbench.datasets.registry import load_registry
from vgbench.durable import atomic_write
from vgbench.errors import DatasetError, DatasetNotFound

FOLDER = Path(__file__).with_name("ground_truth")
SCHEMA_VERSION = 1
_KEY = b"vgbench.ground_truth"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Names and positions of one split; attributes are those of `Dataset`, without any image."""

    id: str
    split: str
    database_paths: Sequence[str]
    query_paths: Sequence[str]
    database_positions: NDArray[np.float64]
    query_positions: NDArray[np.float64]
    query_conditions: list[str | None] | None
    ground_truth: str
    pinned: bool

    def __len__(self) -> int:
        return len(self.database_paths) + len(self.query_paths)


def load_ground_truth(
    name: str, split: str = "test", folder: str | os.PathLike[str] | None = None
) -> GroundTruth:
    """Open the ground truth of a split that is kept in `folder`, by default in vgbench itself.

    >>> found = load_ground_truth("demo-city", "val")
    >>> len(found.database_paths), len(found.query_paths), found.pinned
    (180, 72, True)

    Raises
    ------
    DatasetNotFound
        When none is kept of this split; says of which there is one.
    DatasetError
        When the file is damaged, or contradicts itself or the registry.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = Path(folder) if folder is not None else FOLDER
    kept = {path.stem: path for path in sorted(where.glob("*.parquet"))}
    path = kept.get(f"{name}-{split}")
    if path is None:
        raise DatasetNotFound(
            f"No ground truth of {name}/{split} is kept, only of {', '.join(kept) or 'none'}."
        )
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        stated = json.loads(file.schema_arrow.metadata[_KEY])
        batch = pa.RecordBatch.from_arrays(
            [column.combine_chunks() for column in file.read().columns], schema=file.schema_arrow
        )
        bounds, data = texts(batch.column("path"))
        paths = PathList(bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64), data)
        places = np.stack(
            [numbers(batch, "easting", np.float64), numbers(batch, "northing", np.float64)], axis=1
        )
        labels = batch.column("condition").to_pylist()
        count, schema = stated["database"], stated["schema"]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is damaged or is no ground truth: {error}.") from error
    if schema != SCHEMA_VERSION:
        raise DatasetError(f"{path} has schema {schema}; this vgbench reads {SCHEMA_VERSION}.")
    found = ground_truth_fingerprint(paths)
    spec = load_registry().get(name)
    known = spec.splits.get(split) if spec else None
    pin = known.ground_truth if known else None
    for other, whose in ((stated.get("ground_truth"), "is stated"), (pin, "is pinned")):
        if other is not None and other != found:
            raise DatasetError(f"{path}: its names give {found[:16]}…; {other[:16]}… {whose}.")
    if not np.array_equal(places, positions(paths)):
        raise DatasetError(f"{path}: its positions are not those that its names state.")
    conditions = labels[count:]
    return GroundTruth(
        id=name,
        split=split,
        database_paths=paths[:count],
        query_paths=paths[count:],
        database_positions=places[:count],
        query_positions=places[count:],
        query_conditions=conditions if any(conditions) else None,
        ground_truth=found,
        pinned=pin == found,
    )


def write_ground_truth(dataset: Dataset | GroundTruth, folder: str | os.PathLike[str]) -> Path:
    """Write `<dataset>-<split>.parquet` into a folder, durably; gives its path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(folder) / f"{dataset.id}-{dataset.split}.parquet"
    count = len(dataset.database_paths)
    stated = {
        "schema": SCHEMA_VERSION,
        "dataset": dataset.id,
        "split": dataset.split,
        "database": count,
        "queries": len(dataset.query_paths),
        "ground_truth": dataset.ground_truth,
    }
    schema = pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("easting", pa.float64(), nullable=False),
            pa.field("northing", pa.float64(), nullable=False),
            pa.field("condition", pa.string()),
        ],
        metadata={_KEY: json.dumps(stated).encode()},
    )
    places = np.concatenate([dataset.database_positions, dataset.query_positions])
    labels = dataset.query_conditions or [None] * len(dataset.query_paths)
    batch = pa.RecordBatch.from_arrays(
        [
            path_array(PathList.of([*dataset.database_paths, *dataset.query_paths])),
            number_array(pa.float64(), places[:, 0]),
            number_array(pa.float64(), places[:, 1]),
            text_array([*[None] * count, *labels]),
        ],
        schema=schema,
    )
    with (
        atomic_write(path) as file,
        pq.ParquetWriter(
            pa.PythonFile(file, mode="w"),
            schema,
            compression="zstd",
            use_dictionary=["condition"],
            column_encoding={
                "path": "DELTA_BYTE_ARRAY",
                "easting": "PLAIN",
                "northing": "PLAIN",
            },
            write_page_checksum=True,
        ) as writer,
    ):
        writer.write_batch(batch)
    return path
