"""What an archive that nobody vouches for may hold: its members' names and sizes, one by one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from vgbench.datasets.headers import MAX_BYTES
from vgbench.datasets.layout import is_hidden, is_image
from vgbench.errors import ArchiveError

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f]|//|/\.?$|^$|(^|/)\.(/|$)")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes
    ----------
    members
        Files and folders.
    bytes
        Unpacked size of all files together; `image_bytes` of each image. Files that are left out
        count too: to pass over them in a packed tar is to unpack them.
    ratio
        Unpacked bytes per byte of archive: photographs hardly compress, bombs do. Archives that
        unpack to less than `small` bytes are not held to it.
    """

    members: int = 900_000
    bytes: int = 2**40
    image_bytes: int = MAX_BYTES
    ratio: float = 20.0
    small: int = 64 * 2**20


class Guard:
    """Refuses members whose names or sizes are not safe, one after the other.

    Parameters
    ----------
    size
        Bytes of the archive.
    """

    def __init__(self, size: int, limits: Limits) -> None:
        self.size, self.limits = size, limits
        self.members = self.bytes = 0
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.spelling: dict[str, str] = {}
        self.hidden: dict[str, bool] = {}

    def check(self, name: str, is_folder: bool, length: int) -> str | None:
        """Give the path to write a member to, or None where it is left out.

        Raises
        ------
        ArchiveError
            When it must not be unpacked; says why, without the archive's name.
        """
        self.members += 1
        if self.members > self.limits.members:
            raise ArchiveError(f"it has more than {self.limits.members:,} members")
        path = name[2:] if name.startswith("./") else name
        path = path.rstrip("/") if is_folder else path
        if is_folder and path in ("", "."):
            return None
        drive = ":" in path and path.partition("/")[0][1:2] == ":"
        if path.startswith("/") or drive or "\\" in path or (".." in path and _climbs(path)):
            raise ArchiveError(f"{name!r} would be written outside the dataset's folder")
        if _UNUSABLE.search(path) or not (path.isascii() or _is_printable(path)):
            raise ArchiveError(f"{name!r} is not a usable name")
        self._remember(path, name, is_folder)
        if is_folder:
            return None
        folder, _, file = path.rpartition("/")
        hidden = self.hidden.get(folder)
        if hidden is None:
            hidden = self.hidden[folder] = any(is_hidden(part) for part in folder.split("/"))
        wanted = not hidden and not is_hidden(file) and is_image(file)
        if wanted and length > self.limits.image_bytes:
            raise ArchiveError(
                f"{name!r} has {length:,} bytes, more than the {self.limits.image_bytes:,} allowed "
                "for an image"
            )
        self._weigh(name, length)
        return path if wanted else None

    def _remember(self, path: str, member: str, is_folder: bool) -> None:
        """Refuse a name twice, also where only case or accents' encoding make the difference."""
        above = path
        while above := above.rpartition("/")[0]:
            plain = self._spelled(above, member)
            if plain in self.files:
                raise ArchiveError(f"{above!r} is a file and a folder")
            if plain in self.folders:
                break  # and so are all those above it
            self.folders.add(plain)
        plain = self._spelled(path, member)
        if plain in self.files or (plain in self.folders and not is_folder):
            raise ArchiveError(f"{member!r} is there twice")
        (self.folders if is_folder else self.files).add(plain)

    def _spelled(self, path: str, member: str) -> str:
        plain = path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
        if plain in self.files or plain in self.folders:
            other = self.spelling.get(plain, plain)
            if other != path:
                raise ArchiveError(
                    f"{path!r} and {other!r} (at {member!r}) differ only in spelling: one would "
                    "overwrite the other on many systems"
                )
        elif plain != path:  # many names are plain already: not kept twice
            self.spelling[plain] = path
        return plain

    def _weigh(self, member: str, length: int) -> None:
        if length < 0:
            raise ArchiveError(f"{member!r} has a length below zero")
        self.bytes += length
        if self.bytes > self.limits.bytes:
            raise ArchiveError(f"it unpacks to more than {self.limits.bytes:,} bytes")
        if self.bytes > max(self.limits.small, self.limits.ratio * self.size):
            raise ArchiveError(
                f"it unpacks to more than {self.limits.ratio:g} times its own size, as a "
                "decompression bomb does"
            )


def _climbs(path: str) -> bool:
    return ".." in path.split("/")


def _is_printable(path: str) -> bool:
    return not any(unicodedata.category(character) == "Cc" for character in path)
