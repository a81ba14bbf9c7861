"""The light of one capture: sun, sky, street lamps and lit windows, and how the camera is set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .seeds import between, chance, pick, rng_of, sin_cos

Light = tuple[float, float, float]


@dataclass(frozen=True)
class Weather:
    """Light and camera settings; colours are linear RGB, distances metres."""

    condition: str
    sun: Light  # direction to the sun
    sunlight: Light
    skylight: Light
    zenith: Light
    horizon: Light
    clouds: float  # share of the sky, 0 to 1
    cloud_colour: Light
    haze: float  # share of light lost to haze per metre, near the camera
    lit: float  # share of windows with a light on
    lamps: float  # strength of street lamps
    lamp_colour: Light
    wet: bool
    exposure: float
    balance: Light
    contrast: float
    noise: int
    vignette: float
    quality: int
    crowd: float
    seed: int


def _scaled(colour: Light, by: float) -> Light:
    return colour[0] * by, colour[1] * by, colour[2] * by


def weather(condition: str, seed: int) -> Weather:
    """Return the light of a capture by ``day``, at ``dusk`` or at ``night``."""
    rng = rng_of("weather", condition, seed)
    azimuth = between(rng, 0, 360)
    elevation = between(rng, 22, 62) if condition == "day" else between(rng, 4, 14)
    (sa, ca), (se, ce) = sin_cos(azimuth), sin_cos(elevation)
    warm = between(rng, 0.0, 1.0)
    sunny = condition == "day" and chance(rng, 0.6)
    grey = between(rng, 0.75, 1.1)
    sunlight, skylight = (0.0, 0.0, 0.0), (0.62 * grey, 0.64 * grey, 0.68 * grey)
    zenith, horizon, cloud = (0.52, 0.56, 0.62), (0.74, 0.76, 0.78), (0.80, 0.81, 0.83)
    clouds, lit, lamps, noise = between(rng, 0.7, 1.0), 0.02, 0.0, int(rng.integers(2, 7))
    if sunny:
        sunlight = _scaled((1.0, 0.93 - 0.1 * warm, 0.80 - 0.22 * warm), between(rng, 0.9, 1.5))
        skylight = _scaled((0.36, 0.42, 0.52), between(rng, 0.8, 1.2))
        zenith, horizon, cloud = (0.16, 0.30, 0.62), (0.56, 0.68, 0.82), (0.94, 0.94, 0.95)
        clouds = between(rng, 0.0, 0.6)
    elif condition == "dusk":
        skylight = _scaled((0.15 + 0.05 * warm, 0.15, 0.22 - 0.05 * warm), between(rng, 0.7, 1.3))
        zenith = _scaled((0.10, 0.13, 0.28), between(rng, 0.6, 1.1))
        horizon = (0.30 + 0.42 * warm, 0.26 + 0.12 * warm, 0.32 - 0.10 * warm)
        cloud = (0.30 + 0.20 * warm, 0.24, 0.30)
        clouds, lit, lamps, noise = (
            between(rng, 0.1, 0.9),
            between(rng, 0.15, 0.4),
            0.5,
            int(rng.integers(5, 13)),
        )
    elif condition == "night":
        skylight = _scaled((0.020, 0.022, 0.034), between(rng, 0.6, 1.6))
        zenith = _scaled((0.008, 0.010, 0.022), between(rng, 0.6, 1.8))
        horizon, cloud = (
            _scaled((0.050, 0.038, 0.032), between(rng, 0.5, 1.6)),
            (0.035, 0.030, 0.032),
        )
        clouds, lit, lamps = (
            between(rng, 0.0, 0.8),
            between(rng, 0.18, 0.45),
            between(rng, 0.55, 1.1),
        )
        noise = int(rng.integers(7, 18))
    return Weather(
        condition=condition,
        sun=(sa * ce, ca * ce, se),
        sunlight=sunlight,
        skylight=skylight,
        zenith=zenith,
        horizon=horizon,
        clouds=clouds,
        cloud_colour=cloud,
        haze=pick(rng, (0.0006, 0.0012, 0.002, 0.005)),
        lit=lit,
        lamps=lamps,
        lamp_colour=pick(rng, ((1.0, 0.62, 0.26), (1.0, 0.78, 0.50), (0.92, 0.95, 1.0))),
        wet=chance(rng, 0.2),
        exposure=between(rng, 0.78, 1.3),
        balance=(between(rng, 0.93, 1.08), between(rng, 0.98, 1.02), between(rng, 0.92, 1.09)),
        contrast=between(rng, 0.88, 1.15),
        noise=noise,
        vignette=between(rng, 0.05, 0.35),
        quality=int(rng.integers(46, 64)),
        crowd=between(rng, 0.1, 1.0),
        seed=seed,
    )


def lit_windows(light: Weather) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return (256, 3): the glow of each numbered window at this moment, most of them dark."""
    rng = rng_of("windows", light.seed)
    tones = np.array(((1.0, 0.70, 0.36), (1.0, 0.80, 0.52), (0.95, 0.92, 0.85), (0.55, 0.68, 1.0)))
    draws = rng.random((256, 2))
    glow = tones[rng.integers(0, len(tones), 256)] * (0.15 + 0.45 * draws[:, :1])
    return np.where(draws[:, 1:] < light.lit, glow, 0).astype(np.float32)
