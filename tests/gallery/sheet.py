"""The contact sheet: every exhibit as an inbox could show it, made of nothing but what the API and the links gave."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageSequence

from tests.gallery.exhibits import Exhibit
from tests.gallery.paper import CHIP, FAINT, FRAME, INK, PAPER, TABLE, chips, font, wrapped, written

COLUMNS = 6
CELL = (312, 412)
_GAP = 12
_PICTURE = (CELL[0] - 24, 244)
_SQUARE = 12
_MOUNT = "#f4f5f7"
_ORDER = ("thumb", "preview", "poster", "waveform", "playable")
_WEBP_QUALITY = 88


def draw(exhibits: Sequence[Exhibit], path: Path) -> list[str]:
    """Write the sheet; returns the titles in the order in which they stand on it."""
    places = list(_places(exhibits))
    rows = 1 + max(row for _, row, _ in places)
    size = (_GAP + COLUMNS * (CELL[0] + _GAP), _GAP + rows * (CELL[1] + _GAP))
    sheet = Image.new("RGB", size, TABLE)
    for exhibit, (column, row, cells) in zip(exhibits, places, strict=True):
        card = _card(exhibit, cells)
        sheet.paste(card, (_GAP + column * (CELL[0] + _GAP), _GAP + row * (CELL[1] + _GAP)))
    column, row, _ = places[-1]
    if column + 1 < COLUMNS:
        sheet.paste(_legend(exhibits), (_GAP + (column + 1) * (CELL[0] + _GAP), _GAP + row * (CELL[1] + _GAP)))
    sheet.save(path, "WEBP", quality=_WEBP_QUALITY, method=6)
    return [exhibit.row.title for exhibit in exhibits]


def _places(exhibits: Sequence[Exhibit]) -> Iterator[tuple[int, int, int]]:
    """Column, row and number of cells: what moves takes two, for two of its frames."""
    column = row = 0
    for exhibit in exhibits:
        cells = 2 if exhibit.facts.get("animated") else 1
        if column + cells > COLUMNS:
            column, row = 0, row + 1
        yield column, row, cells
        column += cells


def _card(exhibit: Exhibit, cells: int) -> Image.Image:
    width = cells * CELL[0] + (cells - 1) * _GAP
    card = Image.new("RGB", (width, CELL[1]), PAPER)
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, 0, width - 1, CELL[1] - 1), outline=FRAME)
    for number, picture in enumerate(_pictures(exhibit)):
        card.paste(picture, (12 + number * (CELL[0] + _GAP), 12))
    y = _PICTURE[1] + 26
    written(pen, (14, y), exhibit.row.title, size=27, colour=INK, bold=True)
    written(pen, (14, y + 40), ", ".join(_told(exhibit)), size=22, colour=FAINT)
    chips(pen, (14, y + 80), list(_labels(exhibit)))
    return card


def _legend(exhibits: Sequence[Exhibit]) -> Image.Image:
    """In the last cell, if it is free: what all this is."""
    legend = Image.new("RGB", CELL, TABLE)
    pen = ImageDraw.Draw(legend)
    ready = sum(exhibit.message["media"]["status"] == "ready" for exhibit in exhibits)
    written(pen, (14, 40), f"{len(exhibits)} files", size=34, colour=INK, bold=True)
    for number, line in enumerate(("sent by webhook,", f"{ready} of them ready,", "fetched by signed links")):
        written(pen, (14, 96 + 36 * number), line, size=23, colour=INK)
    chips(pen, (14, 230), [("a rendition", True)])
    chips(pen, (14, 274), [("a hint for the inbox", False)])
    return legend


def _told(exhibit: Exhibit) -> Iterator[str]:
    facts = exhibit.facts
    if "width" in facts:
        yield f"{facts['width']} × {facts['height']}"  # noqa: RUF001 - between two sizes it is the right sign
    if "durationSeconds" in facts:
        yield f"{facts['durationSeconds']:.1f} s"
    if "pages" in facts:
        yield f"{facts['pages']} pages"
    if not exhibit.renditions:
        size = exhibit.message["media"]["original"]["sizeBytes"]
        yield f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} bytes"


def _labels(exhibit: Exhibit) -> Iterator[tuple[str, bool]]:
    """What was made, and in the other colour what an operator should know."""
    yield from ((name, True) for name in _ORDER if name in exhibit.renditions)
    if exhibit.facts.get("playable") is False and "playable" not in exhibit.renditions:
        yield "save to play", False
    if not exhibit.renditions:
        runs = exhibit.message["fileName"].endswith((".svg", ".html"))
        yield "never opened inline" if runs else "label, no picture", False


def _pictures(exhibit: Exhibit) -> list[Image.Image]:
    """What stands in the picture's place: two frames of an animation, one picture, or a card."""
    if exhibit.facts.get("animated"):
        with Image.open(BytesIO(exhibit.renditions["thumb"].data)) as thumb:
            frames = [frame.convert("RGBA") for frame in ImageSequence.Iterator(thumb)]
        return [_mounted(frames[0]), _mounted(frames[len(frames) // 2])]
    for name in ("preview", "poster", "thumb"):
        if name in exhibit.renditions:
            with Image.open(BytesIO(exhibit.renditions[name].data)) as picture:
                mounted = _mounted(picture.convert("RGBA"), squares="waveform" not in exhibit.renditions)
            if exhibit.facts.get("playable") and name == "poster":
                _play_sign(mounted)
            return [mounted]
    return [_sign(exhibit)]


def _mounted(picture: Image.Image, *, squares: bool = True) -> Image.Image:
    """In the middle, as large as it fits, on the squares that stand for nothing."""
    mount = Image.new("RGB", _PICTURE, _MOUNT)
    scale = min(_PICTURE[0] / picture.width, _PICTURE[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = (_PICTURE[0] - size[0]) // 2, (_PICTURE[1] - size[1]) // 2
    if squares:
        mount.paste(_squares(size), (left, top))
    mount.paste(picture, (left, top), picture)
    return mount


def _squares(size: tuple[int, int]) -> Image.Image:
    paper = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(paper)
    for x in range(0, size[0], _SQUARE):
        for y in range(0, size[1], _SQUARE):
            if (x + y) // _SQUARE % 2:
                pen.rectangle((x, y, x + _SQUARE - 1, y + _SQUARE - 1), fill="#e9ebee")
    return paper


def _play_sign(picture: Image.Image) -> None:
    pen = ImageDraw.Draw(picture, "RGBA")
    x, y, radius = picture.width // 2, picture.height // 2, 34
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(0, 0, 0, 130))
    pen.polygon([(x - 11, y - 18), (x - 11, y + 18), (x + 20, y)], fill=(255, 255, 255, 235))


def _sign(exhibit: Exhibit) -> Image.Image:
    """A sheet of paper with the file's extension, and its label."""
    sign = Image.new("RGB", _PICTURE, _MOUNT)
    pen = ImageDraw.Draw(sign)
    extension = exhibit.message["fileName"].rpartition(".")[2].upper()
    left, top, width, height, fold = _PICTURE[0] // 2 - 48, 24, 96, 122, 28
    right, bottom = left + width, top + height
    page = [(left, top), (right - fold, top), (right, top + fold), (right, bottom), (left, bottom)]
    pen.polygon(page, fill=PAPER, outline="#b9c0cb", width=2)
    pen.polygon(
        [(right - fold, top), (right - fold, top + fold), (right, top + fold)], fill="#dfe3ea", outline="#b9c0cb"
    )
    pen.rectangle((left - 12, bottom - 48, right + 12, bottom - 12), fill=CHIP)
    pen.text((_PICTURE[0] // 2, bottom - 30), extension, font=font(24, bold=True), fill=PAPER, anchor="mm")
    label = exhibit.facts.get("label", "")
    for number, line in enumerate(wrapped(label, size=22, width=_PICTURE[0] - 16)):
        pen.text((_PICTURE[0] // 2, 178 + 29 * number), line, font=font(22), fill=INK, anchor="mm")
    return sign
