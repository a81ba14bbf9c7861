"""`manifest.parquet`: a manifest on disk, with an explicit schema and a version of it.

Each role of each split is its own row group or several, so that one split opens without the rest.
The fingerprints are in the file's metadata. Neither reading nor writing imports pandas.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vgbench.datasets.arrow import number_array, numbers, path_array, text_array, texts
from vgbench.datasets.layout import ROLES
from vgbench.datasets.manifest import Images, Manifest, SplitManifest
from vgbench.datasets.pathlist import PathList
from vgbench.durable import atomic_write
from vgbench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SCHEMA_VERSION = 1
MANIFEST = "manifest.parquet"
_KEY, _CHECKSUM = b"vgbench.manifest", b"vgbench.manifest.crc32"
_ROW_GROUP = 1 << 18
_DIGEST = 32
_READ = [
    "path",
    "easting",
    "northing",
    "condition",
    "width",
    "height",
    "bytes",
    "sha256",
    "mtime_ns",
]
"""Columns to read: split and role are known from the row group."""


class UnreadableManifestError(DatasetError):
    """A manifest file that is missing, damaged, or written by a newer vgbench."""


def write_manifest(manifest: Manifest, path: str | os.PathLike[str]) -> None:
    """Write a manifest durably; the file appears whole or not at all.

    Raises
    ------
    VgbenchError
        When the folder cannot be written or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vgbench._version import __version__

    description = {
        "schema": SCHEMA_VERSION,
        "written_by": f"vgbench {__version__}",
        "splits": {
            name: {
                "roles": {
                    role: {"images": len(images), "folder": split.folders[role]} | _facts(images)
                    for role, images in split.images.items()
                },
                "ground_truth": split.ground_truth,
                "content": split.content,
            }
            for name, split in manifest.splits.items()
        },
    }
    text = json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode()
    checksum = str(zlib.crc32(text)).encode()
    schema = _schema().with_metadata({_KEY: text, _CHECKSUM: checksum})
    with (
        atomic_write(path) as file,
        pq.ParquetWriter(
            pa.PythonFile(file, mode="w"),
            schema,
            compression="zstd",
            use_dictionary=["split", "role", "condition"],
            column_encoding={
                "path": "DELTA_BYTE_ARRAY",
                "sha256": "PLAIN",
                "easting": "PLAIN",
                "northing": "PLAIN",
                "width": "PLAIN",
                "height": "PLAIN",
                "bytes": "PLAIN",
                "mtime_ns": "DELTA_BINARY_PACKED",
            },
            write_page_checksum=True,
            write_statistics=False,
        ) as writer,
    ):
        for name, split in manifest.splits.items():
            for role, images in split.images.items():
                for first in range(0, len(images), _ROW_GROUP):
                    rows = slice(first, first + _ROW_GROUP)
                    writer.write_batch(_batch(pa, schema, name, role, images, rows))


def read_manifest(path: str | os.PathLike[str], *splits: str) -> Manifest:
    """Read a manifest, or only some of its splits.

    Raises
    ------
    UnreadableManifestError
        When it is missing, damaged (which checksums tell), or of a newer schema.
    """
    with _explained(path):
        file = _open(path)
        described = _describe(file, path)["splits"]
        found: dict[str, SplitManifest] = {}
        group = 0
        for name, split in described.items():
            images: dict[str, Images] = {}
            for role in (role for role in ROLES if role in split["roles"]):
                count = split["roles"][role]["images"]
                groups = range(group, group + -(-count // _ROW_GROUP))
                group = groups.stop
                if not splits or name in splits:
                    images[role] = _images(file, groups, name, count)
            if images:
                found[name] = SplitManifest(
                    name=name,
                    folders={role: split["roles"][role]["folder"] for role in images},
                    images=images,
                    ground_truth=split["ground_truth"],
                    content=split["content"],
                )
        return Manifest(found)


def read_description(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read only what the file says of itself: splits, numbers of images, fingerprints.

    Returns
    -------
    dict
        `{"schema", "written_by", "splits": {name: {"roles": {role: {"images", "folder", "bytes",
        "size"}}, "ground_truth", "content"}}}`; `size` is [height, width] where all images have the
        same, else None. Manifests of the first vgbench lack `bytes` and `size`.

    Raises
    ------
    UnreadableManifestError
        As `read_manifest`.
    """
    with _explained(path):
        return _describe(_open(path), path)


def _facts(images: Images) -> dict[str, Any]:
    """What `list` shows without reading columns: bytes of all images, and their one size if any."""
    alike = len(images) > 0 and bool((images.sizes == images.sizes[0]).all())
    size = images.sizes[0].tolist() if alike else None
    return {"bytes": int(images.bytes.sum()), "size": size}


class _explained:  # noqa: N801
    """Turn whatever a damaged file makes the reader raise into an error that names the file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, DatasetError) or not isinstance(error, Exception):
            return
        if isinstance(error, FileNotFoundError):
            raise UnreadableManifestError(
                f"There is no manifest at {os.fspath(self.path)}."
            ) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnreadableManifestError(
            f"The manifest {os.fspath(self.path)} is damaged or is no manifest: {reason}"
        ) from error


def _open(path: str | os.PathLike[str]) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(Path(path), page_checksum_verification=True, memory_map=False)


def _describe(file: pq.ParquetFile, path: str | os.PathLike[str]) -> dict[str, Any]:
    metadata = file.metadata.metadata or {}
    text = metadata.get(_KEY)
    if text is None:
        raise UnreadableManifestError(f"{os.fspath(path)} is not a manifest of vgbench.")
    if str(zlib.crc32(text)).encode() != metadata.get(_CHECKSUM):
        raise UnreadableManifestError(
            f"The manifest {os.fspath(path)} is damaged: a checksum differs."
        )
    described: dict[str, Any] = json.loads(text)
    if described["schema"] != SCHEMA_VERSION:
        raise UnreadableManifestError(
            f"The manifest {os.fspath(path)} has schema version {described['schema']}, written by "
            f"{described.get('written_by', 'an unknown program')}; this vgbench reads version "
            f"{SCHEMA_VERSION}. Update vgbench, or import the dataset again with this one."
        )
    return described


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("role", pa.string(), nullable=False),
            pa.field("easting", pa.float64(), nullable=False),
            pa.field("northing", pa.float64(), nullable=False),
            pa.field("condition", pa.string()),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("bytes", pa.int64(), nullable=False),
            pa.field("sha256", pa.binary(_DIGEST), nullable=False),
            pa.field("mtime_ns", pa.int64(), nullable=False),
        ]
    )


def _batch(
    pa: Any, schema: pa.Schema, split: str, role: str, images: Images, rows: slice
) -> pa.RecordBatch:
    count = len(range(*rows.indices(len(images))))
    return pa.RecordBatch.from_arrays(
        [
            path_array(images.paths[rows], f"{split}/"),
            text_array([split] * count),
            text_array([role] * count),
            number_array(pa.float64(), images.positions[rows, 0]),
            number_array(pa.float64(), images.positions[rows, 1]),
            text_array(images.conditions[rows] if images.conditions else [None] * count),
            number_array(pa.int32(), images.sizes[rows, 1]),
            number_array(pa.int32(), images.sizes[rows, 0]),
            number_array(pa.int64(), images.bytes[rows]),
            number_array(pa.binary(_DIGEST), images.digests[rows]),
            number_array(pa.int64(), images.mtimes[rows]),
        ],
        schema=schema,
    )


def _images(file: pq.ParquetFile, groups: range, split: str, count: int) -> Images:
    """Fill columns row group by row group, so that little is in memory twice."""
    positions = np.empty((count, 2), np.float64)
    sizes = np.empty((count, 2), np.int32)
    lengths = np.empty(count, np.int64)
    mtimes = np.empty(count, np.int64)
    digests = np.empty((count, _DIGEST), np.uint8)
    starts = np.empty(count, np.int64)
    ends = np.empty(count, np.int64)
    data = np.empty(0, np.uint8)
    labels: list[str | None] = []
    first = total = 0
    for group in groups:
        table = file.read_row_group(group, columns=_READ, use_threads=count > _ROW_GROUP)
        for batch in table.to_batches():
            last = first + batch.num_rows
            if last > count:
                break
            rows = slice(first, last)
            positions[rows, 0] = numbers(batch, "easting", np.float64)
            positions[rows, 1] = numbers(batch, "northing", np.float64)
            sizes[rows, 0] = numbers(batch, "height", np.int32)
            sizes[rows, 1] = numbers(batch, "width", np.int32)
            lengths[rows] = numbers(batch, "bytes", np.int64)
            mtimes[rows] = numbers(batch, "mtime_ns", np.int64)
            digests[rows] = numbers(batch, "sha256", np.uint8, _DIGEST)
            bounds, block = texts(batch.column("path"))
            starts[rows] = bounds[:-1] + total
            ends[rows] = bounds[1:] + total
            # realloc of much memory moves pages, not bytes: paths are never there twice.
            data.resize(total + len(block), refcheck=False)
            data[total:] = block
            total = len(data)
            column = batch.column("condition")
            if labels or column.null_count < len(column):
                labels += [None] * (first - len(labels)) + column.to_pylist()
            first = last
        del table
    if first != count or file.metadata.num_row_groups < groups.stop:
        raise ValueError(f"{split} has other rows than the {count:,} it states")
    return Images(
        paths=PathList(starts, ends, data).without_prefix(len(split.encode()) + 1),
        positions=positions,
        conditions=labels or None,
        sizes=sizes,
        bytes=lengths,
        mtimes=mtimes,
        digests=digests,
    )
