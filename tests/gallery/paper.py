"""Colours and letters of the contact sheet."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
from PIL import ImageDraw, ImageFont

INK, FAINT, PAPER, TABLE, FRAME, CHIP = "#24292e", "#5f6875", "#ffffff", "#e6e9ee", "#cdd3dc", "#3c6aa8"
_BLUE_PAPER, _OTHER_PAPER, _OTHER = "#e4edf9", "#f7ecd9", "#8a5a14"


@lru_cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib: the same letters on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def written(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, *, size: int, colour: str, bold: bool = False
) -> None:
    """One line of text."""
    pen.text(at, text, font=font(size, bold=bold), fill=colour)


def chips(pen: ImageDraw.ImageDraw, at: tuple[int, int], names: Sequence[tuple[str, bool]]) -> None:
    """Names on small labels, side by side: blue ones, and those of the other colour."""
    x, y = at
    for name, is_blue in names:
        width = round(font(18).getlength(name)) + 14
        pen.rounded_rectangle((x, y, x + width, y + 32), radius=7, fill=_BLUE_PAPER if is_blue else _OTHER_PAPER)
        pen.text((x + 7, y + 15), name, font=font(18), fill=CHIP if is_blue else _OTHER, anchor="lm")
        x += width + 5


def wrapped(text: str, *, size: int, width: int) -> list[str]:
    """The text in lines of at most so many pixels; a third line ends with dots."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font(size).getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    return lines if len(lines) <= 2 else [lines[0], f"{lines[1]} …"]
