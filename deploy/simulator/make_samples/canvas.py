"""A canvas that is drawn on at three times its size, so that edges are smooth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, ...]
Point = tuple[float, float]

_TIMES = 3


class Canvas:
    """Shapes in the pixels of the finished picture."""

    def __init__(self, width: int, height: int, background: Colour) -> None:
        self.width, self.height = width, height
        self._image = Image.new(
            "RGB" if len(background) == 3 else "RGBA", (width * _TIMES, height * _TIMES), background
        )
        self._draw = ImageDraw.Draw(self._image)

    def gradient(self, top: float, bottom: float, first: Colour, last: Colour) -> None:
        """A band over the whole width whose colour goes from `first` to `last`."""
        start, end = int(top * _TIMES), int(bottom * _TIMES)
        for y in range(start, end):
            part = (y - start) / max(1, end - start)
            colour = tuple(round(a + (b - a) * part) for a, b in zip(first, last, strict=True))
            self._draw.line((0, y, self._image.width, y), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, *, radius: float = 0) -> None:
        """A rectangle, with round corners when `radius` says so."""
        self._draw.rounded_rectangle(_scaled(left, top, right, bottom), radius * _TIMES, fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, flat: float = 1) -> None:
        """A disc around a point; `flat` below 1 presses it down."""
        self._draw.ellipse(_scaled(x - radius, y - radius * flat, x + radius, y + radius * flat), fill=colour)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled shape."""
        self._draw.polygon([(x * _TIMES, y * _TIMES) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A line through points, round at its corners."""
        scaled = [(x * _TIMES, y * _TIMES) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * _TIMES), joint="curve")

    def arc(self, x: float, y: float, radius: float, start: float, end: float, colour: Colour, width: float) -> None:
        """A part of a circle, in degrees clockwise from the right."""
        box = _scaled(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, start, end, fill=colour, width=round(width * _TIMES))

    def hills(self, base: float, height: float, waves: float, shift: float, colour: Colour) -> None:
        """A ridge across the picture, filled down to the bottom."""
        ridge = []
        for x in range(0, self.width + 1, 4):
            turn = x / self.width * math.pi * waves + shift
            ridge.append((x, base - height * (0.6 * math.sin(turn) + 0.4 * math.sin(2.7 * turn + 1))))
        self.polygon([(0, self.height), *ridge, (self.width, self.height)], colour)

    def write(self, x: float, y: float, text: str, *, size: float, colour: Colour, anchor: str = "la") -> None:
        """Text in the font that comes with Pillow; `anchor` as Pillow names it."""
        font = ImageFont.load_default(size * _TIMES)
        self._draw.text((x * _TIMES, y * _TIMES), text, fill=colour, font=font, anchor=anchor)

    def finished(self) -> Image.Image:
        """The picture in its own size."""
        return self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The picture as a file."""
    sink = BytesIO()
    image.save(sink, image_format, **options)
    return sink.getvalue()


def _scaled(*values: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = (value * _TIMES for value in values)
    return left, top, right, bottom
