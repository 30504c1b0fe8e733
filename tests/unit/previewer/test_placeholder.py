from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

from previewer.render.placeholder import thumbhash
from tests import images


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def average(digits: bytes) -> tuple[float, float, float, float]:
    """Red, green, blue and alpha from 0 to 1, read from the head as the format's decoder does."""
    head = int.from_bytes(digits[:3], "little")
    light = (head & 63) / 63
    yellow = ((head >> 6) & 63) / 31.5 - 1
    warm = ((head >> 12) & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + warm) / 2
    return red, red - warm, blue, (digits[5] & 15) / 15 if head >> 23 else 1.0


def waves(digits: bytes) -> tuple[int, int]:
    """Across and down."""
    longest, shortest = 5 if digits[2] & 0x80 else 7, digits[3] & 7
    return (longest, shortest) if digits[4] & 0x80 else (shortest, longest)


@pytest.mark.parametrize("colour", [images.RED, images.GREEN, images.BLUE, images.WHITE])
def test_it_tells_the_average_colour(colour: images.Colour) -> None:
    digits = b64decode(thumbhash(opened(images.plain_png(800, 400, colour))), validate=True)

    assert average(digits) == pytest.approx((*(part / 255 for part in colour), 1.0), abs=0.05)


@pytest.mark.parametrize(
    ("width", "height", "shape"), [(800, 400, (7, 4)), (400, 800, (4, 7)), (500, 500, (7, 7)), (2000, 1, (7, 1))]
)
def test_it_tells_the_shape(width: int, height: int, shape: tuple[int, int]) -> None:
    assert waves(b64decode(thumbhash(opened(images.png(width, height))))) == shape


def test_what_lies_behind_holes_does_not_count() -> None:
    digits = b64decode(thumbhash(opened(images.png_with_alpha(400, 400))))

    assert average(digits) == pytest.approx((*(part / 255 for part in images.RED), 0.5), abs=0.05)


def test_a_picture_that_is_all_hole_has_a_hash_too() -> None:
    digits = b64decode(thumbhash(Image.new("RGBA", (10, 10))))

    assert average(digits)[3] == 0


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (images.png(64, 48), "4gcOVZZxeIiweHh3d4iHd4Sv95eM"),
        (images.png_with_alpha(64, 48), "mHqDBIBYcHqIiIeIB4d4cHj3WIeIeIeIBw=="),
    ],
    ids=["opaque", "with alpha"],
)
def test_the_hash_of_a_known_picture_stays_the_same(data: bytes, known: str) -> None:
    assert thumbhash(opened(data)) == known
