"""HDR frames (HLG of phones, PQ of cameras) for ordinary screens; shown as they are they would look dull and grey.

FFmpeg can do it too, but takes two seconds and threads, which a worker may not start.
"""

import math
from collections.abc import Callable
from functools import cache

from PIL import ImageFilter

Colour = tuple[float, float, float]

_WHITE_NITS = 203.0  # white paper, in both (ITU-R BT.2408)
_HLG_PEAK_NITS = 1000.0
_PQ_PEAK_NITS = 10_000.0
_GRID = 25
_KNEE = 0.6  # of white: up to here nothing is changed, brighter parts are pressed together


@cache
def hlg_to_srgb() -> ImageFilter.Color3DLUT:
    """Filter for RGB of BT.2020 with the transfer function of ARIB STD-B67."""
    return ImageFilter.Color3DLUT.generate(_GRID, _through(_hlg_light))


@cache
def pq_to_srgb() -> ImageFilter.Color3DLUT:
    """Filter for RGB of BT.2020 with the transfer function of SMPTE ST 2084."""
    return ImageFilter.Color3DLUT.generate(_GRID, _through(_pq_light))


def _through(light: Callable[[float, float, float], Colour]) -> Callable[[float, float, float], Colour]:
    def convert(red: float, green: float, blue: float) -> Colour:
        red, green, blue = (_srgb(_pressed(value)) for value in _bt709(light(red, green, blue)))
        return red, green, blue

    return convert


def _hlg_light(*signal: float) -> Colour:
    """In parts of white, as a screen of 1000 nits shows it (BT.2100, with its gamma of 1.2)."""
    red, green, blue = (
        value * value / 3 if value <= 0.5 else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        for value in signal
    )
    luminance = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    gain = _HLG_PEAK_NITS / _WHITE_NITS * luminance**0.2
    return red * gain, green * gain, blue * gain


def _pq_light(*signal: float) -> Colour:
    red, green, blue = (_pq(value) * _PQ_PEAK_NITS / _WHITE_NITS for value in signal)
    return red, green, blue


def _pq(value: float) -> float:
    power = value ** (32 / 2523)
    return float((max(0.0, power - 107 / 128) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305))


def _bt709(colour: Colour) -> Colour:
    red, green, blue = colour
    return (
        max(0.0, 1.6605 * red - 0.5876 * green - 0.0728 * blue),
        max(0.0, -0.1246 * red + 1.1329 * green - 0.0083 * blue),
        max(0.0, -0.0182 * red - 0.1006 * green + 1.1187 * blue),
    )


def _pressed(value: float) -> float:
    """Highlights roll off towards white instead of being cut. Each colour for itself: so they also lose colour."""
    room = 1 - _KNEE
    return value if value <= _KNEE else _KNEE + room * (1 - math.exp((_KNEE - value) / room))


def _srgb(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else float(1.055 * value ** (1 / 2.4)) - 0.055
