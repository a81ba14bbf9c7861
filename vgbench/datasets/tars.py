"""The members of a tar archive, as they come, and whether it ends where it should."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any

from vgbench.datasets.parts import Joined
from vgbench.errors import ArchiveError

_LONGEST_NAMING = 1 << 20  # bytes of names and other facts that go before a member
_NAMING = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_BLOCK = 1 << 20


class LongHeaderError(tarfile.TarError):
    """A header that nobody's tool would write."""


class CutShortError(tarfile.TarError):
    """The archive is over before its end: at a member's border, or in a header."""


class _Header(tarfile.TarInfo):
    """A member's header; long names, which are read at once, are held to a length.

    tarfile takes a missing or broken header for the end of the archive. Only blocks of zeros are.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in _NAMING and self.size > _LONGEST_NAMING:
            raise LongHeaderError(f"a header has {self.size:,} bytes")
        found: tarfile.TarInfo | None = super()._proc_member(archive)  # type: ignore[misc]
        return found

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Any:
        """Read the next header."""
        first = archive.offset == 0
        try:
            return super().fromtarfile(archive)
        except _errors("EmptyHeaderError", "TruncatedHeaderError") as error:
            if first:
                raise
            raise CutShortError("it is cut short behind a member") from error
        except _errors("InvalidHeaderError") as error:
            if first:
                raise
            raise CutShortError("there is something behind its end, or a header is damaged") from (
                error
            )


def _errors(*names: str) -> tuple[type[Exception], ...]:
    """Give tarfile's own errors, which it uses to tell how a header is wrong."""
    return tuple(getattr(tarfile, name) for name in names)


def open_tar(file: Any) -> tarfile.TarFile:
    """Open a tar archive in whatever compression tarfile reads; raises `tarfile.ReadError`."""
    return tarfile.open(fileobj=file, mode="r:*", tarinfo=_Header)


def tar_members(archive: tarfile.TarFile, padding: int) -> Iterator[tarfile.TarInfo]:
    """Give the members as they come; only plain files and folders.

    Parameters
    ----------
    padding
        Bytes of zeros that may follow the last member.

    Raises
    ------
    ArchiveError
        When a member is of another kind, or there is something behind the end.
    CutShortError, LongHeaderError, tarfile.TarError
        When the archive is damaged.
    """
    for info in archive:
        if not (info.isreg() or info.isdir()) or info.issparse():
            raise ArchiveError(f"{info.name!r} is a link, a device or a sparse file")
        yield info
        archive.members = []  # type: ignore[attr-defined]  # else it keeps all of them
    rest = 0  # beyond the last member, padding and the checksum, told when the end is reached
    while archive.fileobj is not None and (part := archive.fileobj.read(_BLOCK)):
        rest += len(part)
        if part.strip(b"\0"):
            raise ArchiveError("there is something behind its end, or a header is damaged")
        if rest > padding:
            raise ArchiveError("there is more behind its end than padding")


def read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """Read the member that came last.

    Raises
    ------
    ArchiveError
        When the archive ends before the member does.
    """
    member = archive.extractfile(info)
    data = b"" if member is None else member.read()
    if len(data) != info.size:
        raise ArchiveError(f"{info.name!r} is cut short")
    return data


def is_tar(file: Joined) -> bool:
    """Whether a file begins as a tar archive does, packed or not."""
    file.seek(0)
    try:
        with open_tar(file):
            return True
    except LongHeaderError:
        return True
    except (OSError, EOFError, tarfile.TarError):
        return False
