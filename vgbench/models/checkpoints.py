"""Reading a checkpoint file that a stranger may have made: tensors come out, no code runs.

Two formats are read: safetensors, and what `torch.save` wrote, through
``torch.load(weights_only=True)``. When that refuses a file nothing else is tried. What a file is,
is told from its first bytes, not from its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import pickle
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgbench.errors import ModelError, first_ten

WRAPPERS = ("state_dict", "model_state_dict")
"""Keys under which checkpoints keep the weights: Lightning; CosPlace and its relatives."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""

BACKBONES, HEADS = ("model.", "backbone."), ("pooling.", "fc.", "aggregation.")
"""What the names of vgbench's networks begin with."""

_SNIPPET = """\
If you trust its origin, convert it once, where it was made, to a file that holds weights only:
    import torch
    {load}
    torch.save({state}, "weights.pth")
and give the new file to vgbench."""


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors of one file.

    Attributes
    ----------
    tensors
        Parameters and buffers by name, on the CPU, without a prefix that wrappers or training put
        before all of them.
    metadata
        The text pairs in a safetensors header; empty for other files.
    digest
        SHA-256 of the file, in hexadecimal.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    digest: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the weights in a file.

    Parameters
    ----------
    path
        A safetensors file, or a state dictionary written by `torch.save`, plain or under
        ``state_dict`` (Lightning) or ``model_state_dict``.

    Raises
    ------
    ModelError
        When the file is missing, empty, damaged, not weights, or holds anything but plain data.
    """
    start, size = _first_bytes(path)
    metadata: dict[str, str] = {}
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path, size)
        content = _load_pickle(path)
    elif _looks_like_safetensors(start):
        content, metadata = _load_safetensors(path, size)
    elif start.startswith(b"\x80"):  # a bare pickle: what torch.save wrote before version 1.6
        content = _load_pickle(path)
    else:
        raise ModelError(_not_weights(path, start))
    return Checkpoint(_state_dictionary(content, path), metadata, sha256(path))


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file in hexadecimal, reading a megabyte at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _first_bytes(path: Path) -> tuple[bytes, int]:
    if path.is_dir():
        inside = sorted(
            item.name
            for item in path.iterdir()
            if item.suffix.lower() in (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
        )
        found = f" It holds:\n{first_ten(inside, 'files')}" if inside else ""
        raise ModelError(f"{path} is a folder; give the file with the weights.{found}")
    try:
        with path.open("rb") as file:
            start = file.read(1024)
            size = file.seek(0, 2)
    except FileNotFoundError:
        raise ModelError(
            f"There is no file {path}. Give the path of a checkpoint, or `reference` for the "
            "model that comes with vgbench."
        ) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if size == 0:
        raise ModelError(f"{path} is empty (0 bytes): download or save it again.")
    return start, size


def _looks_like_safetensors(start: bytes) -> bool:
    return len(start) > 8 and start[8:9] == b"{"


def _load_safetensors(path: Path, size: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, 1 << 27))
    if len(header) == length:
        with contextlib.suppress(
            ValueError, AttributeError, LookupError, TypeError, RecursionError
        ):
            entries = json.loads(header)
            ends = [value["data_offsets"][1] for key, value in entries.items() if key[:2] != "__"]
            expected = 8 + length + max(ends, default=0)
            if size < expected:
                raise ModelError(
                    f"{path} is truncated: {size:,} bytes, but its header announces "
                    f"{expected:,}. Download or copy it again."
                )
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file: {error}.") from error


def _check_archive(path: Path, size: int) -> None:
    """Refuse a zip that holds code, is not from `torch.save`, or would unpack to far more."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{path} is truncated or damaged: it begins like a PyTorch file but its end is "
            "missing. Download or copy it again."
        ) from error
    inner = {member.filename.partition("/")[2] for member in members}
    if any(name.startswith("code/") for name in inner) or "constants.pkl" in inner:
        raise ModelError(_runs_code(path, "a TorchScript program", "torch.jit.load({path!r})"))
    if any(name.startswith(("models/", "data/weights/")) for name in inner):
        raise ModelError(
            _runs_code(path, "an exported program (.pt2)", "torch.export.load({path!r}).module()")
        )
    if "data.pkl" not in inner:
        raise ModelError(f"{path} is a zip archive, but not one that torch.save wrote.")
    # torch.save stores without compression, so an honest file unpacks to its own size.
    if sum(member.file_size for member in members) > 2 * size + (1 << 20):
        raise ModelError(f"{path} would unpack to far more than its size; it is not read.")


def _load_pickle(path: Path) -> Any:
    try:
        with _numpy_scalars_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" not in str(error):
            raise ModelError(_damaged(path, error)) from error
        match = re.search(r"GLOBAL (\S+)|class (\S+)", str(error))
        name = next((group for group in match.groups() if group), None) if match else None
        what = f"it holds {name!r}" if name else "it holds more than tensors and plain values"
        raise ModelError(
            f"{path} is not loaded: {what}, and opening such a pickle can run any code.\n"
            + _SNIPPET.format(
                load=f'checkpoint = torch.load("{path.name}", weights_only=False)',
                state='checkpoint["state_dict"]',
            )
            + '\nHere checkpoint["state_dict"] stands for the weights: of a whole pickled module '
            "it is\ncheckpoint.state_dict(). (There is no option yet that trusts code in a file.)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(_damaged(path, error)) from error
    # From a mangled pickle, too:
    except (AttributeError, AssertionError, OverflowError, struct.error) as error:
        raise ModelError(_damaged(path, error)) from error


@contextlib.contextmanager
def _numpy_scalars_allowed() -> Iterator[None]:
    """Let numpy numbers through: CosPlace's ``last_checkpoint.pth`` keeps its best recall as one.

    They are built from a type and a few bytes and cannot run code.
    """
    if not hasattr(torch.serialization, "safe_globals"):  # before torch 2.5
        yield
        return
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [scalar, np.dtype]
    allowed += [type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8")]
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6):
        # The same function as numpy 1 and numpy 2 write its name.
        allowed += [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    with torch.serialization.safe_globals(allowed):
        yield


def _state_dictionary(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(2):  # a wrapper within a wrapper occurs; more does not
        if isinstance(content, Mapping):
            wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
            content = content[wrapper] if wrapper else content
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{path} holds a {type(content).__name__}, not a dictionary of named weights. "
            "Save model.state_dict() instead."
        )
    others = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if others or not content or not all(isinstance(key, str) for key in content):
        listing = [f"{key!r}: {type(content[key]).__name__}" for key in others]
        raise ModelError(
            f"{path} is not a state dictionary: it should hold named tensors only, at the top or "
            f"under {' or '.join(map(repr, WRAPPERS))}."
            + (f" Other entries:\n{first_ten(listing, 'entries')}" if listing else "")
            + ("\nIt holds nothing." if not content else "")
        )
    tensors: dict[str, Tensor] = dict(content)
    while prefix := _common_prefix(tensors):
        tensors = {key[len(prefix) :]: value for key, value in tensors.items()}
    return tensors


def _common_prefix(tensors: Mapping[str, Tensor]) -> str | None:
    """What stands before every name and is not part of it, such as a training module's attribute.

    ``network.fc.weight`` is in a checkpoint of a Lightning module that keeps the network as
    ``self.network``. Words that all names share are taken for such only when backbone and head are
    both recognised behind them.
    """
    columns = zip(*(key.split(".")[:-1] for key in tensors), strict=False)
    words = [column[0] for column in itertools.takewhile(lambda one: len({*one}) == 1, columns)]
    for count in range(1, len(words) + 1):
        prefix = "".join(f"{word}." for word in words[:count])
        inner = [key[len(prefix) :] for key in tensors]
        if all(any(key.startswith(part) for key in inner) for part in (BACKBONES, HEADS)):
            return prefix
    return f"{words[0]}." if words and f"{words[0]}." in PREFIXES else None


def _not_weights(path: Path, start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return (
            f"{path} is a web page, not weights: the download link led to a page about the file "
            "(for example a sign-in or a virus-scan notice). Open the link in a browser, download "
            "the file itself and try again."
        )
    if text.startswith(b"version https://git-lfs"):
        return f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` in its folder."
    return (
        f"{path} is neither safetensors nor a PyTorch file (it begins with {start[:8]!r}). "
        "vgbench reads .safetensors, and state dictionaries written by torch.save."
    )


def _runs_code(path: Path, what: str, load: str) -> str:
    return (
        f"{path} is {what}: running it would run code of whoever made it, and vgbench has no "
        "option yet to trust that (--trust-code is planned).\n"
        + _SNIPPET.format(load="model = " + load.format(path=path.name), state="model.state_dict()")
        + "\nIf the architecture is not one of vgbench's, save its descriptors as .npy and use "
        "`vgbench submit`."
    )


def _damaged(path: Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
    return (
        f"{path} is truncated or damaged ({reason[0][:200]}). Download or save it again, and "
        "compare its size with the original."
    )
