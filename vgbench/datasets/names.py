"""What an image's file name says: UTM position, place, panorama, note.

A name is fields between `@`: easting, northing, zone number, zone letter, latitude, longitude,
panorama, tile, heading, pitch, roll, height, timestamp, note, extension. Only the first two are
needed. Fields are counted in the *file name*: an `@` in the name of a parent folder is no field.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vgbench.errors import ImageError, first_ten

EXAMPLE = "@0543037.38@4180974.80@10@S@037.77510@-122.51130@pano@@134@@@@201311@@.jpg"
HOW_TO_NAME = (
    "An image is named @<UTM easting>@<UTM northing>@…@.jpg, both in metres; only these two fields "
    f"are needed, as in @0543037.38@4180974.80@.jpg or {EXAMPLE}"
)

PANO_ID = 7
"""Index of the panorama's name after splitting on `@`; field 0, before the first `@`, is empty."""


def file_name(path: str) -> str:
    """Give what follows the last slash.

    >>> file_name("a@b/@1@2@.jpg")
    '@1@2@.jpg'
    """
    return path.rpartition("/")[2]


def position(name: str) -> tuple[float, float]:
    """Read easting and northing, in metres, from a file name or a POSIX path that ends with one.

    >>> position("database/@0543037.38@4180974.80@10@S@@@@@@@@@@@.jpg")
    (543037.38, 4180974.8)

    Raises
    ------
    ImageError
        When the name does not hold two finite numbers; says how to name an image.
    """
    east, north = positions([name])[0].tolist()
    return east, north


def positions(names: Iterable[str]) -> NDArray[np.float64]:
    """Read the positions of many names: easting and northing in metres, float64 (n, 2).

    Raises
    ------
    ImageError
        When names hold no position: lists the first ten of them, and says how to name an image.
    """
    names = names if isinstance(names, (list, tuple)) else list(names)
    try:
        # maxsplit bounds the work for each of what may be millions of names.
        fields = [name.rpartition("/")[2].split("@", 3) for name in names]
        flat = np.fromiter(
            (float(field) for parts in fields for field in (parts[1], parts[2])),
            np.float64,
            2 * len(names),
        )
        if np.isfinite(flat).all():
            return flat.reshape(-1, 2)
    except (ValueError, IndexError):
        pass
    bad = [name for name in names if not _has_position(name)]
    one = len(bad) == 1
    raise ImageError(
        f"{len(bad):,} image name{'' if one else 's'} without a UTM position:\n"
        f"{first_ten(bad, 'images')}\n{HOW_TO_NAME}"
    )


def field(name: str, index: int) -> str:
    """Give the field `index` of a name split on `@`; negative indices count from the end.

    >>> field("x@y/@381523.71@3946790.15@54@S@@@00685.jpg@@@@@@@@.jpg", PANO_ID)
    '00685.jpg'

    Raises
    ------
    ImageError
        When the name has no such field.
    """
    fields = file_name(name).split("@")
    try:
        return fields[index]
    except IndexError:
        raise ImageError(
            f"The image name {name} has {len(fields)} fields between '@', none at {index}."
        ) from None


def place_id(name: str) -> str:
    """Give the last field but one, where GSV-XS has the id of the place.

    >>> place_id("london/@700000.00@5700000.00@30@U@@@@@@@@@@london_12@.jpg")
    'london_12'
    """
    return field(name, -2)


def _has_position(name: str) -> bool:
    parts = file_name(name).split("@", 3)
    try:
        return bool(np.isfinite([float(parts[1]), float(parts[2])]).all())
    except (ValueError, IndexError):
        return False
