"""Archives with the exact layout, names and counts of SF-XS and Tokyo-XS, and small drawn images.

The names are made as those of the real sets are, at random places inside their boxes; no image of
theirs is in them.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SF_XS = (27_191, 1_000)
TOKYO_XS = (12_771, 315)
_PLACES, _PER_PLACE = 35, 9


def pictures(count: int, size: int) -> list[bytes]:
    """Draw JPEG files of about `size` bytes each; no two are equal."""
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(count):
        small = random.integers(0, 255, (12, 12, 3), np.uint8)
        image = Image.fromarray(small).resize((224, 224), Image.Resampling.BILINEAR)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=60)
        data = file.getvalue()
        # What makes up the size is a comment of noise, which no archive shrinks, as photographs.
        rest = max(0, size - len(data))
        comments = b""
        while rest > 4:
            length = min(rest, 60_000)
            comments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + random.bytes(length - 4)
            rest -= length
        drawn.append(data[:2] + comments + data[2:])
    return drawn


def sf_xs_names(queries: str = "queries") -> Iterator[str]:
    """Members of sf_xs.zip: its test split."""
    random = np.random.default_rng(1)
    database, count = SF_XS
    for index in range(database):
        east, north = _place(random, 543_040, 555_150, 4_172_760, 4_184_550)
        pano = f"{index:06}" + "".join(random.choice(list("aZ0-_k"), 16))
        heading, stamp = 30 * int(random.integers(0, 13)), int(random.integers(2007, 2022))
        yield (
            f"sf_xs/test/database/@{east}@{north}@10@S@037.77510@-122.51130@{pano}@@{heading}@@@@"
            f"{stamp}11@@.jpg"
        )
    for index in range(count):
        east, north = _place(random, 543_040, 555_150, 4_172_760, 4_184_550)
        yield (
            f"sf_xs/test/{queries}/@{east}@{north}@10@S@037.76031@-122.50882@{51321055860 + index}"
            "@@@@@@20210718@@.jpg"
        )


def tokyo_xs_names() -> Iterator[str]:
    """Members of tokyo_xs.zip: 35 places, nine queries each, three by day, at sunset, at night."""
    random = np.random.default_rng(2)
    places = [_place(random, 381_530, 382_860, 3_946_170, 3_947_270) for _ in range(_PLACES)]
    for index in range(TOKYO_XS[0]):
        if index < 12 * _PLACES:  # each place is in the database, with its twelve tiles
            east, north = places[index // 12]
        else:
            east, north = _place(random, 381_420, 382_920, 3_946_125, 3_947_490)
        yield (
            f"tokyo_xs/test/database/@{east}@{north}@54@S@035.65478@0139.69001@{index:06}pano@"
            f"{index % 12:02}@@@@@@@.jpg"
        )
    for place, (east, north) in enumerate(places):
        for turn in range(_PER_PLACE):
            number = 1 + 33 * place + turn  # nine in a row, from 1 in steps that three divides
            yield (
                f"tokyo_xs/test/queries/@{east}@{north}@54@S@035.65786@0139.69112@{number:05}.jpg"
                "@@@@@@@@.jpg"
            )


def write_zip(path: Path, names: Iterator[str], size: int, entropy: int = 8) -> Path:
    """Write an archive as the field's are made: deflated, with its folders."""
    drawn = pictures(64, size - entropy - 2)
    folders: dict[str, None] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for index, name in enumerate(names):
            above = name
            while above := above.rpartition("/")[0]:
                folders.setdefault(f"{above}/")
            # Bytes behind the image's end make each file another.
            data = drawn[index % 64] + index.to_bytes(entropy, "little") + b"\xff\xd9"
            archive.writestr(name, data)
        for folder in sorted(folders):
            archive.writestr(folder, b"")
    return path


def _place(random: np.random.Generator, *box: float) -> tuple[str, str]:
    west, east, south, north = box
    return f"{random.uniform(west, east):010.2f}", f"{random.uniform(south, north):010.2f}"


if __name__ == "__main__":
    import sys

    kind, target, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    names = sf_xs_names() if kind == "sf-xs" else tokyo_xs_names()
    print(os.path.getsize(write_zip(target, names, size)))  # noqa: PTH202
