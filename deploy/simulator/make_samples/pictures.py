"""Pictures: one of every format, each of something else."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from io import BytesIO

import pillow_heif
from PIL import Image

from make_samples.canvas import Canvas, saved

EXIF_ORIENTATION = 0x0112
ROTATED_90_CLOCKWISE_TO_SHOW = 6


def photo_rotated() -> bytes:
    """Mountains over a lake: a JPEG stored sideways, whose EXIF says that the phone was held upright."""
    canvas = Canvas(360, 480, (0, 0, 0))
    canvas.gradient(0, 300, (58, 92, 150), (250, 198, 150))
    canvas.disc(236, 214, 34, (255, 236, 190))
    canvas.hills(250, 46, 2.2, 0.4, (126, 112, 146))
    canvas.hills(282, 34, 3.1, 2.0, (84, 84, 122))
    canvas.hills(308, 14, 2.0, 4.0, (50, 66, 88))
    canvas.gradient(318, 480, (226, 176, 150), (44, 70, 104))
    for row in range(14):
        y, half = 326 + row * 10, 12 + row * 5
        canvas.line([(236 - half, y), (236 + half, y)], (250, 220, 180), 2)
    for x, height in ((20, 120), (52, 84), (326, 104), (352, 140)):
        for level in range(4):
            top, half = 400 - height + level * height * 0.22, 8 + level * 6
            canvas.polygon([(x, top), (x - half, top + height * 0.36), (x + half, top + height * 0.36)], (24, 44, 52))
    canvas.hills(424, 12, 1.4, 1.0, (22, 38, 46))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = ROTATED_90_CLOCKWISE_TO_SHOW
    stored = canvas.finished().transpose(Image.Transpose.ROTATE_90)
    return saved(stored, "JPEG", quality=80, exif=exif)


def receipt() -> bytes:
    """A till receipt on a table: the JPEG that somebody sent as a file."""
    canvas = Canvas(480, 640, (150, 108, 72))
    for row in range(8):
        canvas.box(0, row * 80, 480, row * 80 + 77, (158 + row % 3 * 8, 114 + row % 2 * 8, 76))
    canvas.box(98, 48, 398, 612, (110, 78, 52))
    canvas.box(90, 40, 390, 604, (250, 249, 244))
    ink = (48, 48, 52)
    canvas.write(240, 66, "CORNER STORE", size=26, colour=ink, anchor="ma")
    canvas.write(240, 100, "12 March 2026   17:42", size=15, colour=ink, anchor="ma")
    lines = (("Copper pipe 15 mm", "18.40"), ("Elbow 90°, 2 pcs", "6.20"), ("Sealing tape", "2.95"), ("Valve", "24.00"))
    for row, (what, price) in enumerate(lines):
        canvas.write(114, 150 + row * 34, what, size=17, colour=ink)
        canvas.write(366, 150 + row * 34, price, size=17, colour=ink, anchor="ra")
    canvas.line([(114, 300), (366, 300)], ink, 2)
    canvas.write(114, 316, "TOTAL", size=26, colour=ink)
    canvas.write(366, 316, "51.55", size=26, colour=ink, anchor="ra")
    canvas.write(114, 360, "Card  **** 4242", size=15, colour=ink)
    chance, x = random.Random(7), 124.0  # noqa: S311 - bars, not a secret
    while x < 352:
        width = chance.choice((2, 3, 5))
        canvas.box(x, 420, x + width, 510, ink)
        x += width + chance.choice((3, 4, 6))
    canvas.write(240, 536, "Thank you!", size=20, colour=ink, anchor="ma")
    return saved(canvas.finished(), "JPEG", quality=62, optimize=True)


def beach_heic() -> bytes:
    """A beach: HEIC, as an iPhone sends it when its user picks "document"."""
    canvas = Canvas(640, 480, (0, 0, 0))
    canvas.gradient(0, 210, (92, 178, 232), (206, 236, 246))
    canvas.disc(520, 84, 44, (255, 244, 200))
    canvas.gradient(210, 360, (28, 126, 168), (110, 206, 206))
    canvas.hills(338, 8, 2.0, 1.2, (244, 250, 246))
    canvas.hills(348, 8, 2.0, 1.3, (238, 210, 158))
    canvas.line([(176, 450), (190, 380), (214, 300), (252, 214)], (120, 84, 54), 16)
    for angle in (-165, -135, -100, -60, -25, 10):
        turn = math.radians(angle)
        tip = (252 + 130 * math.cos(turn), 210 + 90 * math.sin(turn) + 36)
        middle = (252 + 70 * math.cos(turn), 196 + 80 * math.sin(turn))
        canvas.polygon([(252, 206), (middle[0], middle[1] - 14), tip, (middle[0], middle[1] + 16)], (40, 122, 84))
    canvas.polygon([(440, 400), (560, 400), (500, 330)], (226, 84, 74))
    canvas.polygon([(476, 400), (524, 400), (500, 330)], (250, 246, 240))
    canvas.line([(500, 330), (500, 448)], (110, 84, 66), 5)
    sink = BytesIO()
    pillow_heif.from_pillow(canvas.finished()).save(sink, quality=50)
    return sink.getvalue()


def city_avif() -> bytes:
    """A city at night: AVIF."""
    canvas = Canvas(560, 420, (0, 0, 0))
    canvas.gradient(0, 420, (16, 20, 58), (92, 58, 110))
    canvas.disc(440, 90, 40, (244, 238, 214))
    canvas.disc(456, 80, 36, (30, 28, 70))
    chance = random.Random(3)  # noqa: S311 - windows, not a secret
    for _ in range(60):
        canvas.disc(chance.uniform(0, 560), chance.uniform(0, 200), chance.uniform(0.6, 1.6), (230, 230, 255))
    for left in range(-10, 560, 62):
        height = chance.randrange(130, 290)
        canvas.box(left, 420 - height, left + 54, 420, (22 + left % 5 * 3, 26, 52))
        for x in range(left + 7, left + 46, 13):
            for y in range(432 - height, 410, 20):
                if chance.random() < 0.6:
                    canvas.box(x, y, x + 7, y + 11, chance.choice(((255, 214, 120), (255, 236, 180), (130, 170, 220))))
    return saved(canvas.finished(), "AVIF", quality=60)


def delivery_note_tiff() -> bytes:
    """A scanned delivery note: TIFF in black and white, packed as fax machines do."""
    canvas = Canvas(1240, 1754, (255, 255, 255))
    black = (0, 0, 0)
    canvas.write(120, 130, "DELIVERY NOTE", size=76, colour=black)
    canvas.write(120, 236, "No. 2026-0317", size=44, colour=black)
    canvas.line([(120, 320), (1120, 320)], black, 6)
    for row, text in enumerate(("Item", "Copper pipe 15 mm", "Elbow 90°", "Sealing tape", "Valve")):
        y = 380 + row * 110
        canvas.write(150, y, text, size=46, colour=black)
        canvas.write(1090, y, "Pieces" if row == 0 else str(row * 4), size=46, colour=black, anchor="ra")
        canvas.line([(120, y + 80), (1120, y + 80)], black, 3)
    canvas.write(120, 1010, "Received in good order:", size=46, colour=black)
    wave = [(170 + step * 6, 1220 - 60 * math.sin(step / 3.1) * math.cos(step / 17)) for step in range(100)]
    canvas.line(wave, black, 7)
    canvas.line([(120, 1310), (860, 1310)], black, 4)
    canvas.arc(930, 1440, 150, 0, 360, black, 10)
    canvas.write(930, 1440, "PAID", size=86, colour=black, anchor="mm")
    page = canvas.finished().convert("1", dither=Image.Dither.NONE)
    return saved(page, "TIFF", compression="group4", dpi=(150, 150))


def chart_bmp() -> bytes:
    """A bar chart, out of some old program: BMP with a palette."""
    canvas = Canvas(180, 136, (250, 250, 250))
    for row in range(5):
        canvas.line([(22, 20 + row * 24), (172, 20 + row * 24)], (220, 224, 230), 1)
    for number, height in enumerate((38, 54, 47, 72, 90, 83)):
        left = 30 + number * 24
        canvas.box(left, 116 - height, left + 15, 116, (70, 130, 200) if number % 2 else (240, 150, 70))
    canvas.line([(22, 12), (22, 116), (174, 116)], (70, 76, 86), 1.5)
    return saved(canvas.finished().quantize(64, dither=Image.Dither.NONE), "BMP")


def logo_transparent() -> bytes:
    """A paper clip on a disc: a PNG with partly transparent pixels around it."""
    canvas = Canvas(256, 256, (0, 0, 0, 0))
    canvas.disc(128, 138, 112, (10, 60, 50, 70))
    canvas.disc(128, 124, 112, (22, 158, 122, 255))
    path: list[tuple[float, float]] = [(162, 86), (162, 158)]
    for x, y, radius, start, end in ((128, 158, 34, 0, 180), (119, 84, 25, 180, 360), (128, 150, 16, 0, 180)):
        path += [_around(x, y, radius, angle) for angle in range(start, end + 1, 6)]
    path.append((112, 92))
    canvas.line(path, (255, 255, 255, 255), 10)
    for end_x, end_y in (path[0], path[-1]):
        canvas.disc(end_x, end_y, 5, (255, 255, 255, 255))
    return saved(canvas.finished(), "PNG", optimize=True)


def sticker_animated() -> bytes:
    """A ball that hops and smiles: a moving 512 x 512 WebP without background, as WhatsApp asks of stickers."""
    first, *rest = (_ball(512, step / 6) for step in range(6))
    options = {"quality": 12, "alpha_quality": 10, "method": 6, "minimize_size": True}
    return saved(first, "WEBP", save_all=True, append_images=rest, duration=110, loop=0, **options)


def sticker_still() -> bytes:
    """A heart with a word."""
    canvas = Canvas(512, 512, (0, 0, 0, 0))
    for scale, colour in ((1.0, (255, 255, 255, 255)), (0.92, (228, 64, 92, 255))):
        points = []
        for degree in range(0, 360, 3):
            turn = math.radians(degree)
            across = 16 * math.sin(turn) ** 3
            up = 13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn)
            points.append((256 + 14.6 * scale * across, 240 - 14.6 * scale * up))
        canvas.polygon(points, colour)
    canvas.disc(160, 150, 30, (246, 132, 150, 255), flat=0.7)
    canvas.write(256, 232, "Thanks!", size=84, colour=(255, 255, 255, 255), anchor="mm")
    return saved(canvas.finished(), "WEBP", quality=60)


def animation() -> bytes:
    """A windmill that turns: a GIF."""
    frames = [frame.quantize(24, dither=Image.Dither.NONE) for frame in _windmill()]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=90, loop=0)


def _around(x: float, y: float, radius: float, degrees: float) -> tuple[float, float]:
    turn = math.radians(degrees)
    return x + radius * math.cos(turn), y + radius * math.sin(turn)


def _ball(side: int, turn: float) -> Image.Image:
    canvas = Canvas(side, side, (0, 0, 0, 0))
    hop = abs(math.sin(math.pi * turn))
    x, y = side * 0.5, side * (0.6 - 0.24 * hop)
    press = 0.86 + 0.14 * min(1, hop * 2.5)
    canvas.disc(x, side * 0.92, side * (0.3 - 0.12 * hop), (60, 50, 40, 90), flat=0.16)
    canvas.disc(x, y, side * 0.3, (214, 140, 20, 255), flat=press)
    canvas.disc(x, y, side * 0.28, (255, 204, 64, 255), flat=press)
    for way in (-1, 1):
        canvas.disc(x + way * side * 0.1, y - side * 0.06, side * 0.034, (70, 44, 16, 255), flat=1.3)
        canvas.disc(x + way * side * 0.17, y + side * 0.05, side * 0.04, (250, 140, 100, 255), flat=0.7)
    canvas.arc(x, y + side * 0.02, side * 0.13, 20, 160, (70, 44, 16, 255), side * 0.022)
    return canvas.finished()


def _windmill() -> Iterator[Image.Image]:
    for step in range(10):
        canvas = Canvas(200, 160, (0, 0, 0))
        canvas.gradient(0, 160, (150, 206, 240), (228, 243, 250))
        canvas.hills(132, 8, 1.6, 0.5, (120, 176, 96))
        canvas.polygon([(88, 140), (94, 70), (106, 70), (112, 140)], (206, 96, 78))
        for blade in range(4):
            turn = math.radians(90 * blade + 9 * step)
            tip = (100 + 56 * math.cos(turn), 68 + 56 * math.sin(turn))
            side = (100 + 50 * math.cos(turn + 0.26), 68 + 50 * math.sin(turn + 0.26))
            canvas.polygon([(100, 68), tip, side], (252, 250, 244))
            canvas.line([(100, 68), tip], (110, 84, 70), 2.4)
        canvas.disc(100, 68, 5, (90, 66, 56))
        yield canvas.finished()
