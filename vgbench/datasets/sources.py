"""Where a dataset's archive can be had, in the order in which it is tried."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import requests

from vgbench.datasets.asking import Source
from vgbench.datasets.drive import DriveFile, drive_id
from vgbench.datasets.patience import Policy, get
from vgbench.datasets.registry import DatasetSpec, load_registry
from vgbench.errors import DatasetNotFound, UsageError

MIRROR = "VGBENCH_MIRROR"
"""Environment variable: an address below which the archives are, by their file names."""


@dataclass(frozen=True)
class WebFile:
    """A file at an http(s) address."""

    url: str
    if_range: bool = True

    @property
    def label(self) -> str:
        """The address without passwords and keys."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def open(
        self, session: requests.Session, headers: Mapping[str, str], policy: Policy
    ) -> requests.Response:
        """Ask for the file."""
        return get(session, self.url, headers, policy)


@dataclass(frozen=True)
class Place:
    """A source, why it is tried ("" for the registry's), and the digests it must have."""

    source: Source
    chosen_by: str = ""
    expected: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Name the source as messages do."""
        return self.source.label + (f" ({self.chosen_by})" if self.chosen_by else "")


def places_of(name: str, spec: DatasetSpec | None, from_url: str | None = None) -> list[Place]:
    """List where to get a dataset, best first: the user's address, the mirror, the registry's.

    Parameters
    ----------
    name, spec
        The dataset, and what the registry knows of it.
    from_url
        The user's choice; with a "/" at its end, a folder that has the archive by its file name.

    Raises
    ------
    UsageError
        When an address is no http(s) link.
    DatasetNotFound
        When there is no source at all.
    """
    file = archive_name(name, spec, from_url)
    known = known_digests(spec)
    places = []
    for address, chosen_by, folder in (
        (from_url, "--from", bool(from_url and from_url.endswith("/"))),
        (os.environ.get(MIRROR) if spec else None, f"${MIRROR}", True),
    ):
        if not address:
            continue
        if not address.lower().startswith(("http://", "https://")):
            raise UsageError(f"{chosen_by} is {address!r}; an http(s) address is needed.")
        url = urljoin(f"{address.rstrip('/')}/", quote(file)) if folder else address
        places.append(Place(_source(url), chosen_by, known))
    for source_spec in spec.sources if spec else ():
        digests = frozenset({source_spec.sha256}) if source_spec.sha256 else frozenset()
        if source_spec.kind == "drive" and source_spec.id:
            places.append(Place(DriveFile(source_spec.id), expected=digests))
        elif source_spec.url:
            places.append(Place(_source(source_spec.url), expected=digests))
    if not places:
        if spec:
            raise DatasetNotFound(
                f"No address is registered for {name}. If you have one: vgbench datasets download "
                f"{name} --from URL"
            )
        choices = [other.id for other in load_registry().values() if other.sources]
        raise DatasetNotFound(
            f"There is no dataset {name!r} to download. There are {', '.join(choices)}; any other "
            f"needs its address: vgbench datasets download {name} --from URL"
        )
    return places


def known_digests(spec: DatasetSpec | None) -> frozenset[str]:
    """Give the digests that an archive of this dataset may have; empty: any.

    It may have any, too, while an edition's digest is unknown and no source has one.
    """
    if spec is None:
        return frozenset()
    of_sources = {source.sha256 for source in spec.sources if source.sha256}
    of_editions = [edition.archive_sha256 for edition in spec.editions]
    if not of_sources and not all(of_editions):
        return frozenset()
    return frozenset(of_sources.union(digest for digest in of_editions if digest))


def archive_name(name: str, spec: DatasetSpec | None, from_url: str | None = None) -> str:
    """Name the archive's file: the registry's name, else the address's last part.

    >>> archive_name("my-set", None, "https://example.org/a/My%20set.tar.gz?key=1")
    'My set.tar.gz'
    """
    if spec and spec.sources:
        return PurePosixPath(spec.sources[0].file).name
    last = PurePosixPath(unquote(urlsplit(from_url or "").path)).name
    usable = last and not last.startswith(".") and len(last) < 100 and last.isprintable()
    return last if usable and not set(last) & set('\\/:*?"<>|') else f"{name}.archive"


def _source(url: str) -> Source:
    file = drive_id(url)
    return DriveFile(file) if file else WebFile(url)
