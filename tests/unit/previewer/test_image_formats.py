import struct
from pathlib import Path

import pytest
from PIL import Image

from previewer.render.decoding import FORMATS
from previewer.render.image import render
from previewer.render.job import Limits, Rendered
from previewer.sandbox import Sandbox
from shared.errors import PreviewUnreadable
from shared.plan import RENDERERS, Renderer
from tests import images
from tests.jobs import Make, job, maker


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return maker(render, tmp_path, "image/heic")


def thumb(rendered: Rendered) -> Image.Image:
    with Image.open(rendered.files[0].path, formats=["WEBP"]) as image:
        image.load()
        return image.convert("RGBA")


def near(pixel: object, colour: tuple[int, ...], tolerance: int = 12) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=False))


def test_every_type_that_is_called_a_picture_has_a_decoder() -> None:
    assert set(FORMATS) == {name for name, renderer in RENDERERS.items() if renderer is Renderer.IMAGE}


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.heic(600, 400), "image/heic"),
        (images.heic(1200, 800, tile_size=512), "image/heic"),
        (images.heic(600, 400), "image/heif"),
        (images.heic_of_two(600, 400), "image/heic"),
        (images.avif(600, 400), "image/avif"),
        (images.mpo(600, 400), "image/jpeg"),
        (images.png_interlaced(300, 200), "image/png"),
        (images.tiff(600, 400), "image/tiff"),
        (images.tiff(600, 400, compression="tiff_lzw"), "image/tiff"),
        (images.tiff(600, 400, compression="tiff_adobe_deflate"), "image/tiff"),
        (images.tiff(600, 400, compression="jpeg"), "image/tiff"),
        (images.tiff(600, 400, compression="packbits"), "image/tiff"),
        (images.tiff_pages(600, 400), "image/tiff"),
    ],
    ids=[
        "heic",
        "tiles",
        "heif",
        "second of two",
        "avif",
        "mpo",
        "interlaced",
        "raw",
        "lzw",
        "deflate",
        "jpeg in tiff",
        "packbits",
        "first page",
    ],
)
def test_the_photo_is_what_it_was(make: Make, data: bytes, mime_type: str) -> None:
    rendered = make(data, mime_type)

    assert rendered.facts.animated is None
    assert rendered.facts.width == rendered.facts.height * 3 // 2  # type: ignore[operator]  # a picture has both
    image = thumb(rendered)
    right, bottom = image.width - 3, image.height - 3
    corners = [image.getpixel(at) for at in ((2, 2), (right, 2), (2, bottom), (right, bottom))]
    wanted = (images.RED, images.GREEN, images.BLUE, images.WHITE)
    assert all(near(pixel, colour, 30) for pixel, colour in zip(corners, wanted, strict=True)), corners


@pytest.mark.parametrize(
    ("image_format", "mime_type"),
    [
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("HEIF", "image/heic"),
        ("TIFF", "image/tiff"),
    ],
)
@pytest.mark.parametrize(
    ("orientation", "top_left", "top_right"),
    [
        (1, images.RED, images.GREEN),
        (2, images.GREEN, images.RED),
        (3, images.WHITE, images.BLUE),
        (4, images.BLUE, images.WHITE),
        (5, images.RED, images.BLUE),
        (6, images.BLUE, images.RED),
        (7, images.WHITE, images.GREEN),
        (8, images.GREEN, images.WHITE),
    ],
)
def test_it_is_turned_once(
    make: Make, image_format: str, mime_type: str, orientation: int, top_left: images.Colour, top_right: images.Colour
) -> None:
    rendered = make(images.turned(image_format, 480, 320, orientation), mime_type)

    size = (320, 480) if orientation >= 5 else (480, 320)
    assert (rendered.facts.width, rendered.facts.height) == size
    image = thumb(rendered)
    assert (image.width > image.height) == (size[0] > size[1])
    assert near(image.getpixel((2, 2)), top_left, 30)
    assert near(image.getpixel((image.width - 3, 2)), top_right, 30)


GREY_16 = images.tiff_16_bit(40, 30, [0x8000])
FLOAT = Image.new("F", (40, 30), 0.5)
FROM_MINUS_ONE = Image.new("F", (40, 30), 1.0)
FROM_MINUS_ONE.putpixel((39, 29), -1.0)
RED_CMYK = Image.new("CMYK", (40, 30), (0, 255, 255, 0))


@pytest.mark.parametrize(
    ("data", "mime_type", "colour"),
    [
        (images.heic_10_bit(400, 300), "image/heic", (*images.RED, 255)),
        (images.png_16_bit(40, 30, (0xDC00, 0x1E00, 0x2800)), "image/png", (*images.RED, 255)),
        (images.tiff_16_bit(40, 30, (0xDC00, 0x1E00, 0x2800)), "image/tiff", (*images.RED, 255)),
        (images.tiff_16_bit(40, 30, (0xDC00, 0x1E00, 0x2800), big_endian=True), "image/tiff", (*images.RED, 255)),
        (GREY_16, "image/tiff", (128, 128, 128, 255)),
        (images.tiff_16_bit(40, 30, [0x8000], big_endian=True), "image/tiff", (128, 128, 128, 255)),
        (images.tiff_of(FLOAT), "image/tiff", (128, 128, 128, 255)),
        (images.tiff_of(FROM_MINUS_ONE), "image/tiff", (255, 255, 255, 255)),
        (images.tiff_of(Image.new("I", (40, 30), 0x8000)), "image/tiff", (128, 128, 128, 255)),
        (images.tiff_of(Image.new("1", (40, 30), 1), compression="group4"), "image/tiff", (255, 255, 255, 255)),
        (images.tiff_of(RED_CMYK), "image/tiff", (255, 0, 0, 255)),
        (images.tiff_of(Image.new("LAB", (40, 30), (128, 128, 128))), "image/tiff", (119, 119, 119, 255)),
        (images.tiff_of(Image.new("RGBA", (40, 30), (200, 0, 0, 128))), "image/tiff", (200, 0, 0, 128)),
        (images.tiff_of(Image.new("P", (40, 30), 0)), "image/tiff", (0, 0, 0, 255)),
    ],
    ids=[
        "10 bit",
        "png 16",
        "tiff 16",
        "tiff 16 MM",
        "grey 16",
        "grey 16 MM",
        "float",
        "any float",
        "32 bit",
        "fax",
        "cmyk",
        "lab",
        "alpha",
        "palette",
    ],
)
def test_every_kind_of_pixel_keeps_its_colour(make: Make, data: bytes, mime_type: str, colour: tuple[int, ...]) -> None:
    assert near(thumb(make(data, mime_type)).getpixel((10, 10)), colour)


def test_holes_in_a_heic_stay_holes(make: Make) -> None:
    image = thumb(make(images.heic_with_alpha(400, 200), "image/heic"))

    assert near(image.getpixel((10, 60)), (*images.RED, 255))
    pixel = image.getpixel((image.width - 10, 60))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


DISPLAY_P3, BT_2020, SRGB_CURVE, PQ = 12, 9, 13, 16


@pytest.mark.parametrize(
    ("data", "mime_type"), [(images.heic(400, 300), "image/heic"), (images.avif(400, 300), "image/avif")]
)
@pytest.mark.parametrize("primaries", [DISPLAY_P3, BT_2020])
def test_wide_colours_are_converted_without_a_profile_too(
    make: Make, data: bytes, mime_type: str, primaries: int
) -> None:
    as_written = thumb(make(data, mime_type)).getpixel((317, 2))
    as_meant = thumb(make(images.with_colours(data, primaries=primaries, transfer=SRGB_CURVE), mime_type)).getpixel(
        (317, 2)
    )

    assert near(as_written, images.GREEN)
    assert isinstance(as_meant, tuple)
    assert isinstance(as_written, tuple)
    assert as_meant[0] < as_written[0] - 15  # a green of more than sRGB has: as far as it goes
    assert as_meant[1] > as_written[1]


def test_light_brighter_than_white_is_pressed_into_what_a_screen_has(make: Make) -> None:
    data = images.with_colours(images.avif(400, 300), primaries=BT_2020, transfer=PQ)

    white = thumb(make(data, "image/avif")).getpixel((317, 237))
    blue = thumb(make(data, "image/avif")).getpixel((2, 237))

    assert near(white, images.WHITE, 6)
    assert isinstance(blue, tuple)
    assert blue[0] < blue[2]


def test_a_profile_goes_before_numbers(make: Make) -> None:
    data = images.heic(400, 300, profile=images.swapped_profile())

    pixel = thumb(make(data, "image/heic")).getpixel((2, 2))

    assert isinstance(pixel, tuple)
    assert pixel[1] > pixel[0]


def absurd(**changes: list[int]) -> bytes:
    """A TIFF of 4 by 4 grey pixels, but for these tags."""
    tags = {"width": [4], "height": [4], "bits": [8], "packing": [1], "colour": [1], "samples": [1], "rows": [4]}
    numbers = {"width": 256, "height": 257, "bits": 258, "packing": 259, "colour": 262, "samples": 277, "rows": 278}
    numbers |= {"tile_width": 322, "tile_height": 323, "tiles": 324}
    return images.tiff_tags([(numbers[name], 4, each) for name, each in (tags | changes).items()], bytes(16))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (absurd(width=[60_000], height=[60_000]), "has 3,600 megapixels, more than the 50 megapixels"),
        (absurd(width=[0xFFFFFFFF], height=[1]), "has 4,295 megapixels"),
        (absurd(width=[0]), "damaged|not one that can be read"),
        (absurd(samples=[60_000]), "not one that can be read"),
        (absurd(bits=[8] * 500, samples=[500]), "not one that can be read"),
        (absurd(packing=[50_000]), "not supported|damaged"),
        (absurd(tile_width=[0], tile_height=[0], tiles=[8]), ""),
        (absurd(height=[5_000], rows=[5_000]), "damaged or cut off"),
        (images.tiff_of(images.picture(40, 30), compression="lzma"), "compressed in a way that is not supported"),
        (images.tiff_of(images.picture(40, 30), compression="zstd"), "compressed in a way that is not supported"),
        (images.tiff_of(Image.new("F", (4, 4), float("nan"))), "damaged"),
        (b"II*\0" + struct.pack("<I", 8), "not one that can be read"),
    ],
    ids=[
        "huge",
        "wide",
        "no width",
        "samples",
        "bits",
        "packing",
        "tiles",
        "cut off",
        "lzma",
        "zstd",
        "nan",
        "nothing",
    ],
)
def test_a_tiff_that_lies_is_refused(make: Make, data: bytes, message: str) -> None:
    if not message:  # it may also be shown as far as it goes
        make(data, "image/tiff")
        return
    with pytest.raises(PreviewUnreadable, match=message):
        make(data, "image/tiff")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.heic(4000, 3000), "image/heic"),
        (images.avif(4000, 3000), "image/avif"),
        (images.tiff(4000, 3000), "image/tiff"),
    ],
)
def test_pixels_have_a_limit_in_every_format(make: Make, data: bytes, mime_type: str) -> None:
    with pytest.raises(PreviewUnreadable, match="has 12 megapixels, more than the 10 megapixels"):
        make(data, mime_type, limits=Limits(pixels=10_000_000))


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.heic(640, 480), "image/heic"),
        (images.avif(640, 480), "image/avif"),
        (images.tiff(640, 480, compression="tiff_lzw"), "image/tiff"),
    ],
)
@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.9])
def test_what_is_cut_off_is_refused_in_words_for_people(make: Make, data: bytes, mime_type: str, part: float) -> None:
    with pytest.raises(PreviewUnreadable, match="The original can be downloaded") as refusal:
        make(data[: int(len(data) * part)], mime_type)

    assert mime_type.partition("/")[2].upper() in refusal.value.message


def test_an_interlaced_png_that_is_cut_off_is_refused(make: Make) -> None:
    data = images.png_interlaced(300, 200)

    with pytest.raises(PreviewUnreadable, match="This PNG picture is damaged or cut off"):
        make(data[: len(data) // 2], "image/png")


def test_pixels_of_an_avif_that_are_damaged_are_not_our_defect(make: Make) -> None:
    data = images.avif(200, 120)
    at = data.index(b"mdat") + 4

    with pytest.raises(PreviewUnreadable, match="This AVIF picture is damaged"):
        make(data[:at] + bytes(len(data) - at), "image/avif")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [(images.heic(1200, 800, tile_size=512), "image/heic"), (images.avif(1200, 800), "image/avif")],
)
async def test_a_confined_worker_can_decode_it(tmp_path: Path, data: bytes, mime_type: str) -> None:
    source, out_dir = tmp_path / "original", tmp_path / "out"
    source.write_bytes(data)
    out_dir.mkdir()
    sandbox = Sandbox(workers=1)
    await sandbox.start()
    try:
        rendered = await sandbox.render(job(source, out_dir, mime_type))
    finally:
        await sandbox.close()

    assert {file.name for file in rendered.files} == {"thumb", "preview"}
