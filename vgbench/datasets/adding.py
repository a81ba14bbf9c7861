"""Datasets of the user's own: taken in, and described in the user's registry with their pins."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vgbench.datasets.expectations import slug
from vgbench.datasets.importing import import_dataset
from vgbench.datasets.loading import is_installed
from vgbench.datasets.manifest_file import MANIFEST, read_description
from vgbench.datasets.private import load_private, remember
from vgbench.datasets.registry import load_registry
from vgbench.errors import DatasetError, UsageError
from vgbench.places import data_root as place_of_data


def add_dataset(
    name: str,
    source: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    link: bool = False,
    condition: str | None = None,
) -> Path:
    """Take in a dataset of the user's own and pin it in `registry.toml` of the data root.

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
        When the name cannot be taken.
    DatasetError
        When it is there already, or the source holds no dataset.
    """
    root = place_of_data(data_root)
    if name != slug(name) or name in load_registry():
        why = "is registered by vgbench" if name in load_registry() else "cannot be a name"
        raise UsageError(f"{name!r} {why}: choose another, of small letters, digits and hyphens.")
    if is_installed(name, root) or name in load_private(root):
        raise DatasetError(f"{name} is there already: vgbench datasets remove {name}")
    address = str(source)
    if address.lower().startswith(("http://", "https://")):
        from vgbench.datasets.downloading import download_dataset

        folder = download_dataset(name, from_url=address, data_root=root)
    else:
        address = ""
        folder = import_dataset(name, source, root, link=link)
    lines = [
        f"[{name}]",
        f"title = {_text(name)}",
        'description = "Added by vgbench datasets add."',
        'terms = "Private."',
        *([f"condition = {_text(condition)}"] if condition else []),
        *pins(name, folder),
    ]
    if address:
        file = Path(address.partition("?")[0]).name or f"{name}.zip"
        lines += [f"\n[[{name}.sources]]", 'kind = "url"']
        lines += [f"file = {_text(file)}"]
        lines += [f"url = {_text(address)}"]
    remember(root, name, "\n".join(lines))
    return folder


def pins(name: str, folder: Path) -> list[str]:
    """Give the registry's lines for the splits of an installed dataset, from its manifest."""
    lines = []
    for split, told in read_description(folder / MANIFEST)["splits"].items():
        lines.append(f"\n[{name}.splits.{split}]")
        lines += [f"{role} = {facts['images']}" for role, facts in told["roles"].items()]
        lines += [f'{kind} = "{told[kind]}"' for kind in ("ground_truth", "content")]
    return lines


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
