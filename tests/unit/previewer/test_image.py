from pathlib import Path

import pytest
from PIL import Image

from previewer.render.image import render
from previewer.render.job import Limits, Rendered
from shared.errors import PreviewUnreadable
from shared.plan import PREVIEW
from tests import images
from tests.jobs import Make, job, maker, sizes


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return maker(render, tmp_path, "image/jpeg")


def still(rendered: Rendered, name: str = "thumb") -> Image.Image:
    path = next(file.path for file in rendered.files if file.name == name)
    with Image.open(path, formats=["WEBP"]) as image:
        image.load()
        return image.convert("RGBA")


def close_to(pixel: object, colour: tuple[int, ...], tolerance: int = 30) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=False))


def test_a_photo_becomes_a_thumb_and_a_preview(make: Make, tmp_path: Path) -> None:
    rendered = make(images.jpeg(2000, 1500))

    assert (rendered.facts.width, rendered.facts.height) == (2000, 1500)
    assert sizes(rendered) == {"thumb": (320, 240), "preview": (1280, 960)}
    for file in rendered.files:
        assert file.path == tmp_path / f"{file.name}-{file.recipe}.webp"
        assert file.size_bytes == file.path.stat().st_size
        with Image.open(file.path) as image:
            assert (image.format, image.size) == ("WEBP", (file.width, file.height))
        assert file.mime_type == "image/webp"


def test_only_the_spec_that_is_asked_for_is_made(make: Make, tmp_path: Path) -> None:
    rendered = make(images.jpeg(2000, 1500), existing={"preview": PREVIEW.recipe})

    assert sizes(rendered) == {"thumb": (320, 240)}
    assert not (tmp_path / "preview-1.webp").exists()


@pytest.mark.parametrize(
    ("width", "height", "thumb", "preview"),
    [
        (100, 80, (100, 80), (100, 80)),
        (320, 320, (320, 320), (320, 320)),
        (600, 300, (320, 160), (600, 300)),
        (4000, 1, (320, 1), (1280, 1)),
        (1, 1, (1, 1), (1, 1)),
    ],
)
def test_nothing_is_enlarged_and_no_edge_vanishes(
    make: Make, width: int, height: int, thumb: tuple[int, int], preview: tuple[int, int]
) -> None:
    assert sizes(make(images.png(width, height), "image/png")) == {"thumb": thumb, "preview": preview}


@pytest.mark.parametrize(
    ("orientation", "size", "top_left", "top_right"),
    [
        (1, (320, 240), images.RED, images.GREEN),
        (2, (320, 240), images.GREEN, images.RED),
        (3, (320, 240), images.WHITE, images.BLUE),
        (4, (320, 240), images.BLUE, images.WHITE),
        (5, (240, 320), images.RED, images.BLUE),
        (6, (240, 320), images.BLUE, images.RED),
        (7, (240, 320), images.WHITE, images.GREEN),
        (8, (240, 320), images.GREEN, images.WHITE),
        (99, (320, 240), images.RED, images.GREEN),
    ],
)
def test_a_photo_stands_upright(
    make: Make, orientation: int, size: tuple[int, int], top_left: images.Colour, top_right: images.Colour
) -> None:
    rendered = make(images.jpeg(1600, 1200, orientation=orientation))

    thumb = still(rendered)
    assert thumb.size == size
    assert close_to(thumb.getpixel((2, 2)), top_left)
    assert close_to(thumb.getpixel((size[0] - 3, 2)), top_right)
    upright = (1600, 1200) if size[0] > size[1] else (1200, 1600)
    assert (rendered.facts.width, rendered.facts.height) == upright


def test_nothing_of_the_metadata_is_left(make: Make) -> None:
    original = images.jpeg(800, 600, metadata=True, orientation=6, profile=images.srgb_profile())
    assert b"SecretCamera" in original
    assert b"SecretComment" in original
    assert b"SecretXmp" in original

    rendered = make(original)

    for file in rendered.files:
        data = file.path.read_bytes()
        assert b"Secret" not in data
        assert not any(chunk in data for chunk in (b"EXIF", b"XMP ", b"ICCP"))
        with Image.open(file.path) as image:
            assert not image.getexif()


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.png_with_alpha(400, 200), "image/png"),
        (images.png_palette_with_transparency(400, 200), "image/png"),
        (images.gif(400, 200, transparent=True), "image/gif"),
    ],
    ids=["rgba", "palette png", "gif"],
)
def test_transparent_parts_stay_transparent(make: Make, data: bytes, mime_type: str) -> None:
    rendered = make(data, mime_type)

    for name in ("thumb", "preview"):
        image = still(rendered, name)
        left, right = image.getpixel((10, image.height // 2)), image.getpixel((image.width - 10, image.height // 2))
        assert close_to(left, (*images.RED, 255))
        assert isinstance(right, tuple)
        assert right[3] == 0


def test_a_picture_without_holes_has_no_alpha_channel(make: Make) -> None:
    rendered = make(images.png(500, 500), "image/png")

    with Image.open(rendered.files[0].path) as thumb:
        assert thumb.mode == "RGB"


@pytest.mark.parametrize(
    ("data", "mime_type", "colour"),
    [
        (images.cmyk_jpeg(400, 300), "image/jpeg", (255, 0, 0, 255)),
        (images.cmyk_jpeg(400, 300, profile=b"no profile at all"), "image/jpeg", (255, 0, 0, 255)),
        (images.cmyk_jpeg(400, 300, profile=images.srgb_profile()), "image/jpeg", (255, 0, 0, 255)),
        (images.png_16_bit_grey(400, 300, 0x8000), "image/png", (128, 128, 128, 255)),
        (images.png_1_bit(400, 300), "image/png", (255, 255, 255, 255)),
        (images.png_grey_with_alpha(400, 300), "image/png", (200, 200, 200, 128)),
        (images.gif(400, 300), "image/gif", (*images.RED, 255)),
    ],
    ids=["cmyk", "cmyk, broken profile", "cmyk, rgb profile", "16 bit", "1 bit", "grey with alpha", "palette"],
)
def test_every_kind_of_pixel_keeps_its_colour(make: Make, data: bytes, mime_type: str, colour: tuple[int, ...]) -> None:
    assert close_to(still(make(data, mime_type)).getpixel((10, 10)), colour, 8)


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.grey_jpeg(400, 300), "image/jpeg"),
        (images.jpeg(400, 300, progressive=True), "image/jpeg"),
        (images.bmp(400, 300), "image/bmp"),
        (images.webp(400, 300), "image/webp"),
        (images.polyglot(), "image/jpeg"),
    ],
    ids=["grey", "progressive", "bmp", "webp", "polyglot"],
)
def test_other_real_files_are_rendered_too(make: Make, data: bytes, mime_type: str) -> None:
    assert set(sizes(make(data, mime_type))) == {"thumb", "preview"}


def test_colours_are_converted_by_the_profile(make: Make) -> None:
    as_written = still(make(images.jpeg(400, 300, profile=images.srgb_profile()))).getpixel((2, 2))
    as_meant = still(make(images.jpeg(400, 300, profile=images.swapped_profile()))).getpixel((2, 2))

    assert close_to(as_written, images.RED)
    assert isinstance(as_meant, tuple)
    assert as_meant[1] > as_meant[0]


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.animated_webp(durations_ms=(80, 120, 200), loop=3), "image/webp"),
        (images.animated_gif(durations_ms=(80, 120, 200), loop=2), "image/gif"),
    ],
    ids=["webp", "gif"],
)
def test_an_animation_keeps_moving_in_the_thumb_and_stands_still_in_the_preview(
    make: Make, data: bytes, mime_type: str
) -> None:
    rendered = make(data, mime_type)

    assert rendered.facts.animated is True
    thumb, preview, poster = (Image.open(file.path) for file in rendered.files)
    durations = []
    for index in range(thumb.n_frames):  # type: ignore[attr-defined]  # only animated formats have it
        thumb.seek(index)
        thumb.load()
        durations.append(thumb.info["duration"])
    assert durations == [80, 120, 200]
    assert thumb.info["loop"] == 3
    assert max(thumb.size) == 320
    assert thumb.convert("RGBA").getpixel((2, 2)) == (0, 0, 0, 0)  # in the last frame the shape is far right
    assert not preview.is_animated  # type: ignore[attr-defined]  # likewise
    thumb.close()
    assert not poster.is_animated  # type: ignore[attr-defined]  # likewise
    assert max(poster.size) == 320
    preview.close()
    poster.close()


def test_frames_that_ask_for_no_time_get_what_browsers_give_them(make: Make) -> None:
    rendered = make(images.gif_with_many_frames(3), "image/gif")

    with Image.open(rendered.files[0].path) as thumb:
        thumb.load()
        assert thumb.info["duration"] == 100


def test_an_animation_is_cut_after_the_frame_limit(make: Make) -> None:
    rendered = make(images.gif_with_many_frames(50_000), "image/gif", limits=Limits(frames=7))

    with Image.open(rendered.files[0].path) as thumb:
        assert thumb.n_frames == 7  # type: ignore[attr-defined]  # likewise


def test_the_frames_of_an_animation_share_the_pixel_limit(make: Make) -> None:
    rendered = make(
        images.animated_gif(100, 100, durations_ms=[50] * 10), "image/gif", limits=Limits(animation_pixels=40_000)
    )

    with Image.open(rendered.files[0].path) as thumb:
        assert thumb.n_frames == 4  # type: ignore[attr-defined]  # likewise


HOSTILE = [
    pytest.param(b"", "image/jpeg", "not one that can be read", id="empty"),
    pytest.param(images.truncated_jpeg(), "image/jpeg", "damaged or cut off", id="truncated"),
    pytest.param(images.jpeg(400, 300)[:20], "image/jpeg", "not one that can be read", id="only the first bytes"),
    pytest.param(images.png(400, 300)[:60], "image/png", "damaged or cut off", id="truncated png"),
    pytest.param(images.webp(400, 300)[:100], "image/webp", "WebP picture is damaged or cut off", id="truncated webp"),
    pytest.param(
        images.png_bomb(30_000, 30_000), "image/png", "has 900 megapixels, more than the 50 megapixels", id="bomb"
    ),
    pytest.param(
        images.png_bomb(8_000, 7_000),
        "image/png",
        "has 56 megapixels, more than the 50 megapixels",
        id="half a bomb",
    ),
    pytest.param(images.gif_with_a_huge_frame(), "image/gif", "megapixels", id="huge frame"),
    pytest.param(images.webp_bomb(), "image/webp", "megapixels", id="webp bomb"),
    pytest.param(images.png(40, 30), "image/jpeg", "not one that can be read", id="a png that was sniffed as jpeg"),
    pytest.param(images.svg(), "image/png", "not one that can be read", id="svg"),
    pytest.param(images.html(), "image/gif", "not one that can be read", id="html"),
]


@pytest.mark.parametrize(("data", "mime_type", "message"), HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason(
    make: Make, tmp_path: Path, data: bytes, mime_type: str, message: str
) -> None:
    with pytest.raises(PreviewUnreadable, match=message) as refusal:
        make(data, mime_type)

    assert str(tmp_path) not in refusal.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


def test_a_rendition_over_the_output_limit_is_refused(make: Make) -> None:
    with pytest.raises(PreviewUnreadable, match="small enough") as refusal:
        make(images.jpeg(1600, 1200), limits=Limits(picture_bytes=100))

    assert refusal.value.detail.endswith("the limit is 100")


def test_a_file_that_is_gone_is_not_the_pictures_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        render(job(tmp_path / "gone", tmp_path, "image/jpeg"))


def test_the_same_bytes_give_the_same_files(make: Make) -> None:
    first = [file.path.read_bytes() for file in make(images.jpeg(900, 700)).files]
    second = [file.path.read_bytes() for file in make(images.jpeg(900, 700)).files]

    assert first == second
