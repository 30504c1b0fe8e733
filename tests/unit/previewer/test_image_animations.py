from pathlib import Path

import pytest
from PIL import Image

from previewer.render.image import render
from previewer.render.job import Limits, Rendered
from shared.plan import PREVIEW, STILL, THUMB
from tests import images
from tests.jobs import Make, maker


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return maker(render, tmp_path, "image/webp")


def file(rendered: Rendered, name: str) -> Path:
    return next(file.path for file in rendered.files if file.name == name)


def durations(path: Path) -> list[int]:
    """Of each frame; one for a picture that stands still."""
    with Image.open(path) as image:
        seen = []
        for index in range(image.n_frames):  # type: ignore[attr-defined]  # only animated formats have it
            image.seek(index)
            image.load()
            seen.append(image.info.get("duration", 0))
        return seen


def colour_in_the_middle(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        pixel = image.convert("RGBA").getpixel((image.width // 2, image.height // 2))
        assert isinstance(pixel, tuple)
        return pixel


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.animated_webp(), "image/webp"),
        (images.animated_gif(durations_ms=(80, 120, 200)), "image/gif"),
        (images.animated_png(durations_ms=(80, 120, 200)), "image/png"),
        (images.animated_avif(durations_ms=(80, 120, 200)), "image/avif"),
    ],
    ids=["webp", "gif", "png", "avif"],
)
def test_every_format_that_moves_goes_on_moving(make: Make, data: bytes, mime_type: str) -> None:
    rendered = make(data, mime_type)

    assert rendered.facts.animated is True
    assert [file.name for file in rendered.files] == ["thumb", "preview", "poster"]
    assert durations(file(rendered, "thumb")) == [80, 120, 200]
    assert len(durations(file(rendered, "preview"))) == 1
    assert len(durations(file(rendered, "poster"))) == 1


@pytest.mark.parametrize("name", ["thumb", "preview", "poster"])
def test_only_what_is_missing_is_made(make: Make, name: str) -> None:
    existing = {spec.name: spec.recipe for spec in (THUMB, PREVIEW, STILL) if spec.name != name}

    rendered = make(images.animated_webp(), "image/webp", existing=existing)

    assert [file.name for file in rendered.files] == [name]
    assert len(durations(file(rendered, name))) == (3 if name == "thumb" else 1)


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (images.begins_blank("GIF", (255, 255, 255)), "image/gif"),
        (images.begins_blank("WEBP", (0, 0, 0, 0)), "image/webp"),
        (images.begins_blank("PNG", (0, 0, 0)), "image/png"),
    ],
    ids=["white", "nothing", "black"],
)
def test_a_frame_that_shows_something_stands_for_an_animation_that_begins_with_nothing(
    make: Make, data: bytes, mime_type: str
) -> None:
    rendered = make(data, mime_type)

    middle = images.picture(320, 240).getpixel((160, 120))
    assert isinstance(middle, tuple)
    for name in ("preview", "poster"):
        pixel = colour_in_the_middle(file(rendered, name))
        assert all(abs(a - b) < 20 for a, b in zip(pixel, (*middle, 255), strict=True))


def test_an_animation_of_nothing_has_previews_too(make: Make) -> None:
    nothing = images.begins_blank("GIF", (255, 255, 255), frames=3)

    rendered = make(nothing, "image/gif", limits=Limits(frames=2))

    assert {file.name for file in rendered.files} == {"thumb", "preview", "poster"}


def test_a_heavy_thumb_has_fewer_frames_and_plays_as_long(make: Make) -> None:
    data = images.animated_noise(12)
    whole = file(make(data, "image/webp"), "thumb").stat().st_size

    rendered = make(data, "image/webp", limits=Limits(moving_bytes=whole * 2 // 3))

    thumb = file(rendered, "thumb")
    assert thumb.stat().st_size <= whole * 2 // 3
    assert durations(thumb) == [100] * 6


def test_a_thumb_that_stays_too_heavy_stands_still(make: Make) -> None:
    rendered = make(images.animated_noise(12), "image/webp", limits=Limits(moving_bytes=1000))

    assert len(durations(file(rendered, "thumb"))) == 1
    assert rendered.facts.animated is True


def test_frames_that_are_too_large_together_stand_still(make: Make) -> None:
    rendered = make(images.animated_gif(200, 200), "image/gif", limits=Limits(animation_pixels=79_999))

    assert rendered.facts.animated is None
    assert [file.name for file in rendered.files] == ["thumb", "preview"]


def test_an_animation_ends_where_its_frames_get_another_size(make: Make) -> None:
    rendered = make(images.gif_that_grows(), "image/gif")

    assert durations(file(rendered, "thumb")) == [100, 100]


def test_an_interlaced_animation_stands_still(make: Make) -> None:
    rendered = make(images.animated_png_interlaced(), "image/png")

    assert rendered.facts.animated is None
    assert [file.name for file in rendered.files] == ["thumb", "preview"]
