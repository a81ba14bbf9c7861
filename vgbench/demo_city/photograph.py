"""Takes one photograph: from where, which way and when, to the bytes of a JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .camera import Camera
from .city import district
from .raster import rasterise
from .scene import texture_of, view
from .seeds import rng_of
from .shading import shade
from .weather import weather

WIDTH, HEIGHT = 256, 192
OVERSAMPLING = (3, 2)
"""Frames are rendered 3/2 times larger than the photograph, then reduced."""


@dataclass(frozen=True)
class Capture:
    """One photograph to be taken; its bytes depend on nothing but these fields."""

    path: str
    plan: tuple[int, int, int]  # the district: seed, columns, rows
    x: float
    y: float
    z: float
    heading: float
    pitch: float
    roll: float
    fov: float
    condition: str
    seed: int
    occluded: bool


def photograph(capture: Capture) -> bytes:
    """Return the capture as a JPEG file."""
    image = picture(capture)
    buffer = io.BytesIO()
    quality = weather(capture.condition, capture.seed).quality
    image.save(buffer, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    return buffer.getvalue()


def picture(capture: Capture) -> Image.Image:
    """Return the capture as an image, before JPEG compression."""
    up, down = OVERSAMPLING
    camera = Camera(
        capture.x, capture.y, capture.z, capture.heading, capture.pitch, capture.roll, capture.fov,
        WIDTH * up // down, HEIGHT * up // down,
    )  # fmt: skip
    light = weather(capture.condition, capture.seed)
    parts = view(camera, capture.plan, capture.seed, capture.occluded, light.crowd)
    frame = rasterise(camera, parts, texture_of)
    photo = shade(camera, parts, frame, light, district(*capture.plan))
    image = Image.fromarray(photo).resize((WIDTH, HEIGHT), Image.Resampling.HAMMING)
    return _with_noise(image, light.noise, capture.seed)


def _with_noise(image: Image.Image, strength: int, seed: int) -> Image.Image:
    """Add the sensor's noise, about ``strength`` / 2 grey levels, partly common to the channels."""
    rng = rng_of("noise", seed)
    # A sum of uniform integers: close to normal, and the same everywhere.
    grain = rng.integers(-64, 65, (3, HEIGHT, WIDTH), dtype=np.int16)
    grain = grain + rng.integers(-64, 65, (3, HEIGHT, WIDTH), dtype=np.int16)
    common = rng.integers(-96, 97, (HEIGHT, WIDTH), dtype=np.int16)
    pixels = np.asarray(image).astype(np.int16)
    for k in range(3):
        pixels[..., k] += (grain[k] + common) * np.int16(strength) >> 7
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
