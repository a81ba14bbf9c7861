"""What the bytes of a JPEG or PNG file tell undecoded: its size, and whether it is whole."""

from __future__ import annotations

import struct

MAX_PIXELS = 89_478_485
"""Images with more pixels are refused; from here on Pillow warns of a decompression bomb too."""

MAX_BYTES = 256 * 2**20
"""Image files of more bytes are refused."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB\x60\x82"
# Frame headers: SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC), which share the range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TAIL = 512
"""Some cameras and tools pad or append a little after the end-of-image marker."""


class BrokenImageError(ValueError):
    """Bytes that are no readable image; the message says why, in a few words."""


def image_size(data: bytes) -> tuple[int, int]:
    """Give (height, width) in pixels, as stored: EXIF orientation is not applied.

    Only what looks odd is decoded to find out whether it is whole; the rest costs microseconds.

    Raises
    ------
    BrokenImageError
        When the bytes are neither JPEG nor PNG, are cut short, or hold too many pixels.
    """
    size = None
    if data.startswith(b"\xff\xd8"):
        size = _jpeg(data)
    elif data.startswith(_PNG):
        size = _png(data)
    elif not data:
        raise BrokenImageError("is empty")
    else:
        raise BrokenImageError("is neither JPEG nor PNG")
    if size is None:
        return decode(data)
    _check_pixels(*size)
    return size


def decode(data: bytes) -> tuple[int, int]:
    """Decode an image completely and give its (height, width).

    Raises
    ------
    BrokenImageError
        When it does not decode, is neither JPEG nor PNG, or holds too many pixels.
    """
    import io
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                width, height = image.size
                _check_pixels(height, width)
                image.load()
    except BrokenImageError:
        raise
    except Image.DecompressionBombError as error:
        raise BrokenImageError("holds too many pixels") from error
    except UnidentifiedImageError as error:
        raise BrokenImageError("is neither JPEG nor PNG") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise BrokenImageError(f"does not decode: {error}") from error
    return height, width


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header; None where anything is out of the ordinary."""
    if data.rfind(b"\xff\xd9", len(data) - _TAIL if len(data) > _TAIL else 0) < 0:
        return None
    at, end = 2, len(data)
    while at + 9 < end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # padding between segments
            at += 1
            continue
        if marker in _FRAMES:
            height = data[at + 5] << 8 | data[at + 6]
            width = data[at + 7] << 8 | data[at + 8]
            return (height, width) if height and width else None
        if marker == 0xDA or marker == 0xD9:
            return None
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    return None


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or not data.endswith(_PNG_END):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (height, width) if height and width else None


def _check_pixels(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise BrokenImageError(
            f"holds {height:,} × {width:,} pixels, more than the {MAX_PIXELS:,} allowed"
        )
