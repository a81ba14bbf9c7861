"""The user's own datasets: `registry.toml` in the data root, in the format of vgbench's own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from vgbench.datasets.registry import SCHEMA, DatasetSpec, load_registry, parse_registry
from vgbench.durable import atomic_write, explained
from vgbench.errors import DatasetError, UsageError

FILE = "registry.toml"
_HEAD = "# Datasets of your own, as vgbench datasets add keeps them; edit it as you like.\n"


def load_private(root: Path) -> Mapping[str, DatasetSpec]:
    """Read the user's registry; empty where there is none.

    Raises
    ------
    DatasetError
        When it cannot be read, or names a dataset that vgbench registers itself.
    """
    path = root / FILE
    try:
        facts = path.stat()
    except OSError:
        return {}
    return _parse(path, facts.st_mtime_ns, facts.st_size)


def find_spec(name: str, root: Path) -> DatasetSpec | None:
    """Give what is registered under a name, by vgbench or by the user."""
    return load_registry().get(name) or load_private(root).get(name)


def remember(root: Path, name: str, block: str) -> None:
    """Put a dataset's block into the user's registry, in the place of one of that name.

    Raises
    ------
    UsageError
        When the name is vgbench's own.
    DatasetError
        When the block is no valid one; the file stays as it was.
    """
    if name in load_registry():
        raise UsageError(f"{name} is a dataset that vgbench registers itself: choose another name.")
    with _editing(root) as path:
        text = path.read_text("utf-8") if path.exists() else f"{_HEAD}\nschema = {SCHEMA}\n"
        text = f"{_without(text, name).rstrip()}\n\n{block.strip()}\n"
        if name not in parse_registry(text, str(path)):
            raise DatasetError(f"The block for {name} does not begin with [{name}].")
        _write(path, text)


def forget(root: Path, name: str) -> bool:
    """Take a dataset's block out of the user's registry; tells whether there was one."""
    with _editing(root) as path:
        if not path.exists() or name not in load_private(root):
            return False
        text = _without(path.read_text("utf-8"), name)
        if set(parse_registry(text, str(path))) != set(load_private(root)) - {name}:
            raise DatasetError(f"Take [{name}] out of {path} by hand: its place is unclear.")
        _write(path, text)
    return True


@lru_cache(maxsize=8)
def _parse(path: Path, mtime_ns: int, size: int) -> Mapping[str, DatasetSpec]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    specs = parse_registry(text, str(path))
    taken = [name for name in specs if name in load_registry()]
    if taken:
        raise DatasetError(
            f"{path} has [{taken[0]}], which vgbench registers itself: rename the block, and the "
            "folder beside the file."
        )
    return {name: replace(spec, private=True, packaged=False) for name, spec in specs.items()}


@contextlib.contextmanager
def _editing(root: Path) -> Iterator[Path]:
    from filelock import FileLock

    with explained(root / FILE):
        (root / ".locks").mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".locks" / "registry+toml.lock"):
            yield root / FILE


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def _without(text: str, name: str) -> str:
    """Leave out the tables of one dataset, and keep all else as the user wrote it."""
    own = re.compile(rf"\s*\[\[?\s*(['\"]?){re.escape(name)}\1\s*[.\]]")
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        if re.match(r"\s*\[\[?\s*['\"\w]", line):
            inside = bool(own.match(line))
        if not inside:
            kept.append(line)
    return "".join(kept)
