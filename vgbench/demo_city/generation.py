"""Makes the dataset: renders splits on several processes, packs the archive, draws a sheet."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

from .captures import captures
from .photograph import HEIGHT, WIDTH, Capture, photograph

SPLITS = ("test", "val", "train")
GENERATOR = 1
"""Raised whenever a change alters any image."""

ARCHIVE_ROOT = "demo-city"
_CHUNK = 24


def generate(
    out: str | os.PathLike[str],
    splits: Sequence[str] = ("test", "val"),
    places: int = 1500,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Render splits into ``<out>/<split>/…`` and return how many images were written.

    Parameters
    ----------
    out : path
        The dataset's folder. Images already there are rendered again.
    splits : sequence of str
        Any of ``test``, ``val``, ``train``.
    places : int
        Number of train places, eight images each.
    workers : int, optional
        Processes to render on; all processors by default. The images do not depend on it.
    progress : callable, optional
        Called as ``progress(done, total)``.
    """
    folder = Path(out)
    todo = [capture for split in splits for capture in captures(split, places)]
    for parent in sorted({str(Path(c.path).parent) for c in todo}):
        (folder / parent).mkdir(parents=True, exist_ok=True)
    chunks = [(folder, todo[k : k + _CHUNK]) for k in range(0, len(todo), _CHUNK)]
    workers = workers or os.cpu_count() or 1
    done = 0
    for count in _spread(chunks, workers):
        done += count
        if progress is not None:
            progress(done, len(todo))
    return done


def _spread(chunks: list[tuple[Path, list[Capture]]], workers: int) -> Iterator[int]:
    if workers == 1 or len(chunks) < 2:
        yield from map(_render, chunks)
        return
    # Workers take runs of streets of their own, so that few façades are painted twice.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=context) as pool:
        share = -(-len(chunks) // workers)
        order = [k for start in range(share) for k in range(start, len(chunks), share)]
        yield from pool.map(_render, [chunks[k] for k in order])


def _render(chunk: tuple[Path, list[Capture]]) -> int:
    folder, todo = chunk
    for capture in todo:
        (folder / capture.path).write_bytes(photograph(capture))
    return len(todo)


def write_archive(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> int:
    """Pack the test and val splits below ``folder`` into a zip file and return its size in bytes.

    Members are stored as they are, sorted, with one fixed date: equal images give an equal archive.
    A ``.json`` file beside it records what the images were made with.
    """
    root = Path(folder)
    members = sorted(p for split in ("test", "val") for p in (root / split).rglob("*.jpg"))
    temporary = Path(f"{os.fspath(path)}.part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            name = f"{ARCHIVE_ROOT}/{member.relative_to(root).as_posix()}"
            entry = zipfile.ZipInfo(name, date_time=(2025, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, member.read_bytes())
    temporary.replace(path)
    record = {
        "generator": GENERATOR,
        "images": len(members),
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        "made_with": versions(),
    }
    Path(path).with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    return Path(path).stat().st_size


def versions() -> dict[str, str]:
    """Return the versions of everything that the images' bytes depend on besides this package."""
    jpeg = features.version("libjpeg_turbo") or features.version("jpg") or "unknown"
    return {"numpy": np.__version__, "pillow": PIL.__version__, "libjpeg": jpeg}


def contact_sheet(
    folder: str | os.PathLike[str], path: str | os.PathLike[str], columns: int = 6, rows: int = 6
) -> None:
    """Draw images of ``folder`` (a split) as a sheet: database rows above, query rows below."""
    root = Path(folder)
    kinds = [sorted((root / kind).glob("*.jpg")) for kind in ("database", "queries")]
    chosen: list[Path] = []
    if all(kinds):
        upper = columns * (rows // 2)
        for files, count in zip(kinds, (upper, columns * rows - upper), strict=True):
            chosen += islice(files[:: max(len(files) // count, 1)], count)
    else:
        files = sorted(root.rglob("*.jpg"))
        chosen += islice(files[:: max(len(files) // (columns * rows), 1)], columns * rows)
    gap = 4
    sheet = Image.new(
        "RGB", (columns * (WIDTH + gap) + gap, rows * (HEIGHT + gap) + gap), (255, 255, 255)
    )
    for k, file in enumerate(chosen):
        with Image.open(file) as image:
            sheet.paste(
                image, (gap + k % columns * (WIDTH + gap), gap + k // columns * (HEIGHT + gap))
            )
    sheet.save(path, quality=86)
