from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vgbench.datasets import manifest_file
from vgbench.datasets.layout import find_layout
from vgbench.datasets.manifest import Manifest, build_manifest
from vgbench.datasets.manifest_file import (
    UnreadableManifestError,
    read_description,
    read_manifest,
    write_manifest,
)

PARTS = {"train/a": 2, "val/database": 3, "val/queries": 2, "test/database": 7, "test/queries": 4}


@pytest.fixture
def manifest(make_folder: Callable[..., Path]) -> Manifest:
    folder = make_folder(parts=PARTS, notes=["day", "", "nächt"])
    return build_manifest(find_layout(folder), folder, "note")


def same(a: Manifest, b: Manifest) -> None:
    assert list(a.splits) == list(b.splits)
    for one, other in zip(a.splits.values(), b.splits.values(), strict=True):
        assert (one.ground_truth, one.content) == (other.ground_truth, other.content)
        assert one.folders == other.folders and list(one.images) == list(other.images)
        for role, images in one.images.items():
            again = other.images[role]
            assert list(images.paths) == list(again.paths)
            assert images.conditions == again.conditions
            for column in ("positions", "sizes", "bytes", "mtimes", "digests"):
                left, right = getattr(images, column), getattr(again, column)
                assert left.dtype == right.dtype and np.array_equal(left, right), column


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_what_is_written_is_read_whatever_the_row_groups(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(manifest_file, "_ROW_GROUP", rows)
    write_manifest(manifest, tmp_path / "m.parquet")
    same(read_manifest(tmp_path / "m.parquet"), manifest)
    only = read_manifest(tmp_path / "m.parquet", "val")
    same(only, Manifest({"val": manifest.splits["val"]}))


def test_other_programs_read_the_columns_they_expect(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    table = pq.ParquetFile(tmp_path / "m.parquet").read()
    assert table.schema.names == [
        "path", "split", "role", "easting", "northing", "condition", "width", "height", "bytes",
        "sha256", "mtime_ns",
    ]  # fmt: skip
    assert table.num_rows == sum(PARTS.values())
    rows = {row["path"]: row for row in table.to_pylist()}
    assert set(table.column("split").to_pylist()) == {"train", "val", "test"}
    split = manifest.splits["test"]
    for index, path in enumerate(split.images["queries"].paths):
        row = rows[f"test/{path}"]
        assert (row["split"], row["role"], row["width"], row["height"]) == (
            "test",
            "queries",
            32,
            24,
        )
        assert row["sha256"] == split.images["queries"].digests[index].tobytes()
    assert rows[f"test/{split.images['queries'].paths[2]}"]["condition"] == "nächt"


def test_the_description_tells_counts_and_fingerprints(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    described = read_description(tmp_path / "m.parquet")
    assert described["schema"] == manifest_file.SCHEMA_VERSION
    assert described["splits"]["test"]["roles"]["database"]["images"] == 7
    assert described["splits"]["val"]["content"] == manifest.splits["val"].content


def test_neither_reading_nor_writing_imports_pandas(manifest: Manifest, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "m.parquet")
    code = (
        "import sys\n"
        "from vgbench.datasets.manifest_file import read_manifest, write_manifest\n"
        f"m = read_manifest({str(tmp_path / 'm.parquet')!r})\n"
        "assert len(m.splits['test'].images['queries'].conditions) == 4\n"
        f"write_manifest(m, {str(tmp_path / 'again.parquet')!r})\n"
        "print([name for name in ('pandas', 'torch', 'PIL', 'scipy') if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
    same(read_manifest(tmp_path / "again.parquet"), manifest)


def with_metadata(path: Path, change: Callable[[dict[str, object]], None], checksum: bool) -> None:
    """Rewrite a manifest's description, with a checksum that fits or without touching it."""
    table = pq.ParquetFile(path).read()
    metadata = dict(table.schema.metadata)
    described = json.loads(metadata[b"vgbench.manifest"])
    change(described)
    text = json.dumps(described).encode()
    metadata[b"vgbench.manifest"] = text
    if checksum:
        metadata[b"vgbench.manifest.crc32"] = str(zlib.crc32(text)).encode()
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_a_newer_schema_is_refused_by_its_version(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(manifest, path)
    with_metadata(path, lambda d: d.update(schema=7, written_by="vgbench 9.1"), checksum=True)
    for read in (read_manifest, read_description):
        with pytest.raises(
            UnreadableManifestError, match=r"schema version 7.*vgbench 9\.1.*Update"
        ):
            read(path)


def test_a_changed_description_does_not_pass(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(manifest, path)
    with_metadata(path, lambda d: d["splits"]["test"].update(ground_truth="0" * 64), checksum=False)  # type: ignore[index]
    with pytest.raises(UnreadableManifestError, match="checksum"):
        read_manifest(path)


def test_rows_that_do_not_fit_the_description_are_damage(
    manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(manifest, path)
    table = pq.ParquetFile(path).read()
    pq.write_table(table.slice(0, 3), path)
    with pytest.raises(UnreadableManifestError, match="damaged"):
        read_manifest(path)


def test_damage_anywhere_is_an_error_that_names_the_file_or_changes_nothing(
    manifest: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(manifest, path)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:
            found = read_manifest(path)
        except UnreadableManifestError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # statistics and padding may be hit, rows may not
            same(found, manifest)
    assert refused > len(whole) / 61 / 2


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 50])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(content)
    with pytest.raises(UnreadableManifestError, match="damaged or is no manifest"):
        read_manifest(path)
    with pytest.raises(UnreadableManifestError, match="There is no manifest"):
        read_manifest(tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(UnreadableManifestError, match="is not a manifest of vgbench"):
        read_manifest(path)
