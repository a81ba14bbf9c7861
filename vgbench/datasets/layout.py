"""Where the database, query and training images of a dataset's folder are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vgbench.errors import DatasetError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
ROLES = ("database", "queries", "train")
SPLITS = ("train", "val", "test")

Layout = Mapping[str, Mapping[str, Path]]
"""Split → role → the folder with its images."""

_DATABASE = ("database", "databases", "gallery", "galleries")
_QUERIES = ("queries", "query", "queries_v1")
_DEPTH = 3


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; hidden files are not."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def is_hidden(name: str) -> bool:
    """Whether a file or folder is passed over: hidden, or left by an archiver or a file browser."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def find_layout(folder: str | os.PathLike[str]) -> dict[str, dict[str, Path]]:
    """Find the splits of a folder and the folders of their roles.

    Understood are `database/` and `queries/` in the folder itself, in `test/`, `val/` or `train/`,
    a `train/` that simply holds images, and each of these in a folder of its own (as the field's
    archives have it: `sf_xs/test/database`) or in `images/`. `gallery/` is a database too, and
    `queries_v1/` are queries.

    Returns
    -------
    dict
        Split → role ("database" and "queries", or "train") → folder. A folder that has `database/`
        and `queries/` itself is a split of its own name if that is train, val or test; else "test".

    Raises
    ------
    DatasetError
        When the folder is missing, has a database without queries or the reverse, several folders
        that could be one role, or nothing that looks like a dataset; says what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"{folder} {what}.")
    found = _search(folder, _DEPTH)
    if found:
        return found
    raise DatasetError(
        f"No dataset in {folder}: expected database/ and queries/ in it, or in test/, val/ or "
        f"train/. Found {_listed(folder)}."
    )


def _search(folder: Path, depth: int) -> dict[str, dict[str, Path]]:
    own = _roles(folder)
    if own:
        name = folder.name.lower()
        return {name if name in SPLITS else "test": own}
    children = {child.name.lower(): child for child in _folders(folder)}
    splits: dict[str, dict[str, Path]] = {}
    for split in SPLITS:
        if split not in children:
            continue
        roles = _roles(children[split])
        if roles:
            splits[split] = roles
        elif split == "train":
            splits[split] = {"train": children[split]}
        else:
            raise DatasetError(
                f"{children[split]} has neither database/ nor queries/. "
                f"Found {_listed(children[split])}."
            )
    if splits or depth == 0:
        return splits
    if "images" in children:
        return _search(children["images"], depth - 1)
    return _search(next(iter(children.values())), depth - 1) if len(children) == 1 else {}


def _roles(folder: Path) -> dict[str, Path]:
    """Give the folders for database and queries in `folder`; nothing when it has neither."""
    children = _folders(folder)
    database = [child for child in children if child.name.lower() in _DATABASE]
    queries = [child for child in children if child.name.lower() in _QUERIES]
    if len(queries) > 1:  # SF-XL names its query sets queries_v1, …; the plain name wins
        queries = [child for child in queries if child.name.lower() == "queries"] or queries
    others = [child for child in children if child.name.lower().startswith("queries")]
    if not database and not queries:
        return {}
    for role, matching in (("database", database), ("queries", queries)):
        if len(matching) > 1:
            names = ", ".join(f"{child.name}/" for child in matching)
            raise DatasetError(
                f"{folder} has several folders that could be its {role}: {names}. Keep one there."
            )
        if not matching:
            hint = ""
            if role == "queries" and others:
                names = ", ".join(f"{child.name}/" for child in others)
                hint = f" Rename one of {names} to queries/."
            raise DatasetError(
                f"{folder} has no {role}/ folder: no {role}. Found {_listed(folder)}.{hint}"
            )
    return {"database": database[0], "queries": queries[0]}


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(
            child for child in folder.iterdir() if child.is_dir() and not is_hidden(child.name)
        )
    except OSError as error:
        raise DatasetError(f"Cannot read the folder {folder}: {error.strerror}.") from error


def _listed(folder: Path) -> str:
    names = sorted(
        f"{child.name}/" if child.is_dir() else child.name
        for child in folder.iterdir()
        if not is_hidden(child.name)
    )
    if not names:
        return "nothing: it is empty"
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
