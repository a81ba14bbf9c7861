"""Lettering for shop signs: a 5 × 7 alphabet, and made-up names to write with it."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from .seeds import chance, pick

_ROWS = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E",
    "E": "1F10101E10101F", "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111",
    "I": "0E04040404040E", "J": "0702020202120C", "K": "11121418141211", "L": "1010101010101F",
    "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E", "P": "1E11111E101010",
    "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "11111115151B11", "X": "11110A040A1111",
    "Y": "11110A04040404", "Z": "1F01020408101F", "0": "0E11131519110E", "1": "040C040404040E",
    "2": "0E11010204081F", "3": "0E11010601110E", "4": "02060A121F0202", "5": "1F101E0101110E",
    "6": "0E10101E11110E", "7": "1F010204080808", "8": "0E11110E11110E", "9": "0E11110F01010E",
    "&": "0C120C0A15120D", "+": "0004041F040400", " ": "00000000000000",
}  # fmt: skip

_TRADES = (
    "CAFE", "BAR", "PANE", "FORNO", "MODA", "LIBRI", "FIORI", "OTTICA", "SALON", "PIZZA", "VINO",
    "FOTO",
    "HOTEL", "BANCA", "TABAC", "GELATO", "SCARPE", "MUSICA", "KIOSK", "BISTRO", "CASA", "PHARMA",
    "BIO",
    "ATELIER", "TOYS", "BIKES", "TEA", "SUSHI", "GRILL", "LUCE", "CARTA", "DELI", "PUB", "ARTE",
    "HAIR",
)  # fmt: skip
_SYLLABLES = (
    "LA", "RO", "MI", "NA", "TO", "VE", "DI", "SOL", "MAR", "BEL", "KA", "LU", "PRI", "ZE", "GO",
    "FEN",
    "OR", "TA", "RI", "CO", "NE", "SA", "QUI", "BO", "UL", "WY", "HEX", "JO",
)  # fmt: skip


@cache
def _glyph(letter: str) -> npt.NDArray[np.uint8]:
    code = _ROWS[letter]
    rows = [int(code[i : i + 2], 16) for i in range(0, 14, 2)]
    bits = [[255 * (row >> (4 - column) & 1) for column in range(5)] + [0] for row in rows]
    return np.array(bits, np.uint8)


def shop_name(rng: np.random.Generator) -> str:
    """Return a shop's name: its trade, and often its owner or number."""
    trade = pick(rng, _TRADES)
    style = int(rng.integers(4))
    owner = pick(rng, _SYLLABLES) + pick(rng, _SYLLABLES)
    if style == 0:
        return trade
    if style == 1:
        return f"{trade} {owner}"
    if style == 2:
        return owner + (pick(rng, _SYLLABLES) if chance(rng, 0.5) else "")
    return f"{trade} {int(rng.integers(2, 99))}"


def lettering(text: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return coverage ``(height, width)`` of ``text``, as large as fits, centred."""
    strip = np.concatenate([_glyph(letter) for letter in text], axis=1)[:, :-1]
    scale = min(width * 0.9 / strip.shape[1], height * 0.8 / 7)
    size = (max(1, int(strip.shape[1] * scale)), max(1, int(7 * scale)))
    image = Image.fromarray(strip).resize(size, Image.Resampling.BILINEAR)
    out = np.zeros((height, width), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    out[top : top + size[1], left : left + size[0]] = np.asarray(image)
    return out
