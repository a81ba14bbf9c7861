"""Datasets of the user's own: taken in, and described in the user's registry with their pins."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vgbench.datasets.expectations import slug
from vgbench.datasets.importing import import_dataset
from vgbench.datasets.loading import is_installed
from vgbench.datasets.manifest_file import MANIFEST, read_description
from vgbench.datasets.private import forget, load_private, remember
from vgbench.datasets.registry import load_registry
from vgbench.errors import DatasetError, UsageError
from vgbench.places import data_root as place_of_data

_DESCRIPTION = "Added by vgbench datasets add."


def add_dataset(
    name: str,
    source: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    link: bool = False,
    condition: str | None = None,
) -> Path:
    """Take in a dataset of the user's own and pin it in `registry.toml` of the data root.

    The entry is written when all images are there and checked, and only then does the folder take
    its name: whatever fails leaves neither. A run that is killed is finished by the same command.

    Parameters
    ----------
    name
        Small letters, digits and single hyphens; not the name of a dataset of vgbench's registry.
    source
        A folder, an archive, or an http(s) address of an archive.
    link
        Leave the images of a folder where they are.
    condition
        How a query's condition is read from its name: "note" or "pano_id_mod_3".

    Raises
    ------
    UsageError
        When the name cannot be taken, or the address is no archive's.
    DatasetError
        When it is there already, or the source holds no dataset.
    DownloadError
        When the archive does not come; what came is kept for the next try.
    VgbenchError
        When the data root cannot be written, or the disk is full.
    """
    root = place_of_data(data_root)
    if name != slug(name) or name in load_registry():
        why = "is registered by vgbench" if name in load_registry() else "cannot be a name"
        raise UsageError(f"{name!r} {why}: choose another, of small letters, digits and hyphens.")
    known = load_private(root).get(name)
    # An entry of ours without its images is that of a run which was ended between the two.
    if is_installed(name, root) or (known and known.description != _DESCRIPTION):
        raise _is_there(name)
    address = str(source) if str(source).lower().startswith(("http://", "https://")) else ""
    if address.endswith("/"):
        raise UsageError(f"{address} is a folder's address: give that of the archive itself.")

    entered = False

    def register(folder: Path) -> None:
        nonlocal entered
        lines = [f"[{name}]", f"title = {_text(name)}", f"description = {_text(_DESCRIPTION)}"]
        lines += ['terms = "Private."', *([f"condition = {_text(condition)}"] if condition else [])]
        lines += [*pins(name, folder), *(_source(name, address) if address else [])]
        remember(root, name, "\n".join(lines))
        entered = True

    try:
        if address:
            from vgbench.datasets.downloading import download_dataset

            folder = download_dataset(name, from_url=address, data_root=root, ready=register)
        else:
            folder = import_dataset(name, source, root, link=link, ready=register)
    except BaseException:
        if entered and not is_installed(name, root):
            forget(root, name)
        raise
    if not entered:  # another process brought one of this name meanwhile
        raise _is_there(name)
    return folder


def pins(name: str, folder: Path) -> list[str]:
    """Give the registry's lines for the splits of an installed dataset, from its manifest."""
    lines = []
    for split, told in read_description(folder / MANIFEST)["splits"].items():
        lines.append(f"\n[{name}.splits.{split}]")
        lines += [f"{role} = {facts['images']}" for role, facts in told["roles"].items()]
        lines += [f'{kind} = "{told[kind]}"' for kind in ("ground_truth", "content")]
    return lines


def _source(name: str, address: str) -> list[str]:
    from vgbench.datasets.sources import archive_name

    file = archive_name(name, None, address)
    return [
        f"\n[[{name}.sources]]",
        'kind = "url"',
        f"url = {_text(address)}",
        f"file = {_text(file)}",
    ]


def _is_there(name: str) -> DatasetError:
    return DatasetError(f"{name} is there already: vgbench datasets remove {name}")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
