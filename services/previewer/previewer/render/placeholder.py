"""ThumbHash: a picture in about 25 bytes, which a client paints while the thumb is on its way.

The format (evanw.github.io/thumbhash) is the low end of a cosine transform: brightness in up to seven waves a side,
two colour differences in three, alpha in five. Written here because the package of that name fails on transparency.
"""

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

from PIL import Image

# Seven waves need no more pixels than this; the format would allow 100.
_MAX_EDGE = 32


@dataclass(frozen=True, kw_only=True)
class _Waves:
    """One channel: its average, and its waves as parts of `scale`, each from 0 to 1."""

    average: float
    parts: Sequence[float]
    scale: float


def thumbhash(image: Image.Image) -> str:
    """The ThumbHash of an RGB or RGBA picture as base64. Transparent parts stay transparent."""
    small = image.convert("RGBA")
    small.thumbnail((_MAX_EDGE, _MAX_EDGE), Image.Resampling.BOX)
    width, height = small.size
    red, green, blue, alpha = ([value / 255 for value in band.tobytes()] for band in small.split())
    has_alpha = min(alpha) < 1
    if has_alpha:
        red, green, blue = (_over_its_average(band, alpha) for band in (red, green, blue))

    longest = 5 if has_alpha else 7
    across = max(1, _round(longest * width / max(width, height)))
    down = max(1, _round(longest * height / max(width, height)))
    colours = list(zip(red, green, blue, strict=True))
    light = _waves([(r + g + b) / 3 for r, g, b in colours], width, max(3, across), max(3, down))
    yellow = _waves([(r + g) / 2 - b for r, g, b in colours], width, 3, 3)
    warm = _waves([r - g for r, g, _ in colours], width, 3, 3)
    layers = [light, yellow, warm]

    landscape = width > height
    head = _round(63 * light.average) | _round(31.5 + 31.5 * yellow.average) << 6
    head |= _round(31.5 + 31.5 * warm.average) << 12 | _round(31 * light.scale) << 18 | has_alpha << 23
    shape = (down if landscape else across) | _round(63 * yellow.scale) << 3
    shape |= _round(63 * warm.scale) << 9 | landscape << 15
    data = head.to_bytes(3, "little") + shape.to_bytes(2, "little")
    if has_alpha:
        holes = _waves(alpha, width, 5, 5)
        data += bytes([_round(15 * holes.average) | _round(15 * holes.scale) << 4])
        layers.append(holes)
    return b64encode(data + _nibbles(part for layer in layers for part in layer.parts)).decode("ascii")


def _over_its_average(band: Sequence[float], alpha: Sequence[float]) -> list[float]:
    """The band laid over its own average, so that what lies behind holes does not show as an edge."""
    weight = sum(alpha)
    average = sum(map(mul, band, alpha)) / weight if weight else 0.0
    return [average + (value - average) * a for value, a in zip(band, alpha, strict=True)]


def _waves(channel: Sequence[float], width: int, across: int, down: int) -> _Waves:
    """The cosine transform of a channel, the lower left triangle of `across` by `down` waves."""
    height = len(channel) // width
    rows = [channel[start : start + width] for start in range(0, len(channel), width)]
    columns = [[sum(map(mul, row, _cosine(width, x))) for row in rows] for x in range(across)]
    coefficients = [
        sum(map(mul, columns[x], _cosine(height, y))) / (width * height)
        for y in range(down)
        for x in range(across)
        if x * down < across * (down - y)
    ]
    average, *waves = coefficients
    scale = max(map(abs, waves))
    return _Waves(average=average, scale=scale, parts=[0.5 + 0.5 * wave / scale if scale else 0.0 for wave in waves])


def _cosine(length: int, frequency: int) -> list[float]:
    return [math.cos(math.pi / length * frequency * (at + 0.5)) for at in range(length)]


def _nibbles(parts: Iterable[float]) -> bytes:
    values = [_round(15 * part) for part in parts]
    values += [0] * (len(values) % 2)
    return bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


def _round(value: float) -> int:
    return math.floor(value + 0.5)  # as the format's reference does; Python would round halves to even
