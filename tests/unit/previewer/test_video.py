import gc
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from previewer.render import video
from previewer.render.job import Limits, Rendered
from previewer.render.video import render
from shared.errors import PreviewUnreadable
from shared.plan import POSTER
from tests import films, images, sounds
from tests.jobs import Make, maker, sizes

RED, GREEN, BLUE, WHITE = images.RED, images.GREEN, images.BLUE, images.WHITE
SPACE_BT709, SPACE_BT601, SPACE_BT2020 = 1, 6, 9  # as FFmpeg numbers them
LIMITED, FULL = 1, 2
HLG, PQ, PRIMARIES_BT2020 = 18, 16, 9


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return maker(render, tmp_path, "video/mp4")


def poster(rendered: Rendered, name: str = "poster") -> Image.Image:
    path = next(file.path for file in rendered.files if file.name == name)
    with Image.open(path, formats=["WEBP"]) as image:
        image.load()
        return image.convert("RGB")


def close_to(pixel: object, colour: tuple[int, ...], tolerance: int = 30) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


def corners(image: Image.Image) -> list[object]:
    """Top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 4, image.height - 4
    return [image.getpixel(at) for at in ((3, 3), (right, 3), (3, bottom), (right, bottom))]


def brightness(image: Image.Image) -> float:
    return ImageStat.Stat(image.convert("L")).mean[0]


def resident_mib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def test_a_film_becomes_a_poster_and_a_thumb_of_it(make: Make, tmp_path: Path) -> None:
    rendered = make(films.film(films.scene(10, 1440, 1080), sound="aac"))

    assert sizes(rendered) == {"poster": (1280, 960), "thumb": (320, 240)}
    for file in rendered.files:
        assert file.path == tmp_path / f"{file.name}-{file.recipe}.webp"
        assert file.mime_type == "image/webp"
        assert all(map(close_to, corners(poster(rendered, file.name)), (RED, GREEN, BLUE, WHITE)))
    facts = rendered.facts
    assert (facts.width, facts.height, facts.playable, facts.animated) == (1440, 1080, True, None)
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.05)
    assert facts.thumbhash


@pytest.mark.parametrize(
    ("film", "mime_type", "playable"),
    [
        (partial(films.film), "video/mp4", True),
        (partial(films.film, sound="aac"), "video/mp4", True),
        (partial(films.film, sound="libmp3lame"), "video/mp4", True),
        (partial(films.film, sound="ac3"), "video/mp4", False),
        (partial(films.film, pixels="yuv420p10le"), "video/mp4", False),
        (partial(films.film, pixels="yuv444p"), "video/mp4", False),
        (partial(films.film, codec="libx265"), "video/mp4", False),
        (partial(films.film, codec="mpeg4"), "video/mp4", False),
        (partial(films.film, codec="libsvtav1"), "video/mp4", False),
        (partial(films.film, container="mov", sound="aac"), "video/quicktime", True),
        (partial(films.film, container="mov", sound="pcm_s16le"), "video/quicktime", False),
        (partial(films.film, container="3gp", sound="aac"), "video/3gpp", False),
        (
            partial(films.film, films.scene(10, 176, 144), container="3gp", codec="h263", sound="libopencore_amrnb"),
            "video/3gpp",
            False,
        ),
        (partial(films.film, container="webm", codec="libvpx", sound="libopus"), "video/webm", True),
        (partial(films.film, container="webm", codec="libvpx-vp9", sound="libopus"), "video/webm", True),
        (partial(films.film, container="webm", codec="libsvtav1"), "video/webm", False),
        (partial(films.film, container="matroska", sound="aac"), "video/x-matroska", False),
    ],
    ids=[
        "mp4-h264",
        "mp4-h264-aac",
        "mp4-h264-mp3",
        "mp4-h264-ac3",
        "mp4-h264-10-bit",
        "mp4-h264-444",
        "mp4-hevc",
        "mp4-mpeg4",
        "mp4-av1",
        "mov-h264-aac",
        "mov-h264-pcm",
        "3gp-h264-aac",
        "3gp-h263-amr",
        "webm-vp8-opus",
        "webm-vp9-opus",
        "webm-av1",
        "mkv-h264-aac",
    ],
)
def test_every_usual_film_has_a_poster_and_says_whether_browsers_play_it(
    make: Make, film: Callable[[], bytes], mime_type: str, playable: bool
) -> None:
    rendered = make(film(), mime_type)

    assert rendered.facts.playable is playable
    assert all(map(close_to, corners(poster(rendered)), (RED, GREEN, BLUE, WHITE)))
    assert rendered.facts.duration_seconds == pytest.approx(1.0, abs=0.06)


def test_only_what_is_missing_is_made(make: Make) -> None:
    rendered = make(films.film(), existing={"poster": POSTER.recipe})

    assert list(sizes(rendered)) == ["thumb"]


def test_a_small_film_is_not_enlarged(make: Make) -> None:
    assert sizes(make(films.film())) == {"poster": (160, 120), "thumb": (160, 120)}


# ---- upright, with the right proportions and colours ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotation", "mirrored", "size", "shown"),
    [
        (None, False, (160, 120), (RED, GREEN, BLUE, WHITE)),
        (-90, False, (120, 160), (BLUE, RED, WHITE, GREEN)),
        (180, False, (160, 120), (WHITE, BLUE, GREEN, RED)),
        (90, False, (120, 160), (GREEN, WHITE, RED, BLUE)),
        (0, True, (160, 120), (GREEN, RED, WHITE, BLUE)),
        (180, True, (160, 120), (BLUE, WHITE, RED, GREEN)),
    ],
)
@pytest.mark.parametrize(("container", "mime_type"), [("mp4", "video/mp4"), ("mov", "video/quicktime")])
def test_a_film_stands_upright(
    make: Make,
    container: str,
    mime_type: str,
    rotation: float | None,
    mirrored: bool,
    size: tuple[int, int],
    shown: tuple[images.Colour, ...],
) -> None:
    rendered = make(films.film(container=container, rotation=rotation, mirrored=mirrored), mime_type)

    assert (rendered.facts.width, rendered.facts.height) == size
    assert poster(rendered).size == size
    assert all(map(close_to, corners(poster(rendered)), shown))


@pytest.mark.parametrize(
    ("aspect", "rotation", "size"),
    [
        (Fraction(4, 3), None, (213, 120)),
        (Fraction(3, 4), None, (160, 160)),
        (Fraction(4, 3), -90, (120, 213)),
        (Fraction(1000, 1), None, (160, 120)),
    ],
    ids=["wide", "narrow", "turned", "absurd"],
)
def test_pixels_that_are_not_square_are_stretched(
    make: Make, aspect: Fraction, rotation: float | None, size: tuple[int, int]
) -> None:
    rendered = make(films.film(aspect=aspect, rotation=rotation))

    assert (rendered.facts.width, rendered.facts.height) == size
    assert poster(rendered).size == size


@pytest.mark.parametrize(
    ("size", "pixels", "tagged"),
    [
        ((160, 120), "yuv420p", (SPACE_BT601, LIMITED)),
        ((160, 120), "yuv420p", (SPACE_BT709, LIMITED)),
        ((160, 120), "yuvj420p", (SPACE_BT601, FULL)),
        ((160, 120), "yuvj420p", (SPACE_BT709, FULL)),
        ((160, 120), "yuv420p10le", (SPACE_BT709, LIMITED)),
        ((160, 120), "yuv420p", None),
    ],
    ids=["BT.601", "BT.709", "full range BT.601", "full range BT.709", "10 bits", "untagged"],
)
@pytest.mark.parametrize("colour", [(200, 30, 40), (30, 180, 60), (40, 60, 210), (128, 128, 128)])
def test_colours_are_those_of_the_film(
    make: Make,
    size: tuple[int, int],
    pixels: str,
    tagged: tuple[int, int] | None,
    colour: images.Colour,
) -> None:
    rendered = make(films.film(films.plain(colour, 3, *size), pixels=pixels, tagged=tagged))

    assert close_to(poster(rendered).getpixel((80, 60)), colour, 6)


def test_a_large_film_that_says_nothing_of_its_colours_is_taken_for_hd(make: Make) -> None:
    as_hd = films.film(films.plain(RED, 2, 1280, 720), tagged=(SPACE_BT709, LIMITED), untagged=True)

    assert close_to(poster(make(as_hd)).getpixel((640, 360)), RED, 6)


@pytest.mark.parametrize("space", [8, 10, 14], ids=["YCgCo", "BT.2020 with constant luminance", "ICtCp"])
def test_a_film_whose_colours_cannot_be_converted_exactly_is_shown_all_the_same(make: Make, space: int) -> None:
    data = films.film(films.plain((128, 128, 128), 3), hdr=(space, 1, 1))

    assert close_to(poster(make(data)).getpixel((80, 60)), (128, 128, 128), 6)


@pytest.mark.parametrize(("transfer", "white"), [(HLG, 191), (PQ, 148)])
def test_white_of_an_hdr_film_is_white(make: Make, transfer: int, white: int) -> None:
    # the signal of white paper: as bare numbers it would be a dull grey
    frames = films.plain((white, white, white), 3)
    data = films.film(frames, codec="libx265", pixels="yuv420p10le", hdr=(SPACE_BT2020, transfer, PRIMARIES_BT2020))

    pixel = poster(make(data)).getpixel((80, 60))

    assert close_to(pixel, (237, 237, 237), 12)


# ---- a frame that shows something -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gop", [5, 250], ids=["key frames", "one key frame"])
@pytest.mark.parametrize("dull", [films.plain((0, 0, 0), 30), films.plain((90, 90, 90), 30)], ids=["black", "grey"])
def test_the_poster_is_not_a_frame_that_shows_nothing(make: Make, dull: films.Frames, gop: int) -> None:
    rendered = make(films.film([*dull, *films.scene(15)], gop=gop))

    assert all(map(close_to, corners(poster(rendered)), (RED, GREEN, BLUE, WHITE)))


def test_a_film_that_is_black_to_the_end_has_a_black_poster(make: Make) -> None:
    assert brightness(poster(make(films.film(films.plain(count=30))))) < 8


def test_of_dull_frames_the_brightest_is_shown(make: Make) -> None:
    frames = [*films.plain(count=10), *films.plain((120, 120, 120), 5), *films.plain(count=10)]

    assert brightness(poster(make(films.film(frames, gop=250)))) == pytest.approx(120, abs=6)


def test_one_frame_is_a_film(make: Make) -> None:
    rendered = make(films.film(films.scene(1)))

    assert all(map(close_to, corners(poster(rendered)), (RED, GREEN, BLUE, WHITE)))
    assert rendered.facts.duration_seconds == pytest.approx(0.1, abs=0.01)


def test_a_long_black_film_does_not_take_long(make: Make) -> None:
    data = films.film(films.plain(count=10_000, width=64, height=48), gop=10_000)
    started = time.monotonic()

    rendered = make(data)

    assert time.monotonic() - started < 3
    assert rendered.facts.duration_seconds == pytest.approx(1000)


def test_there_is_a_poster_when_time_is_nearly_over(make: Make) -> None:
    frames = [*films.plain(count=250), *films.scene(10)]

    assert sizes(make(films.film(frames, gop=1000), limits=Limits(seconds=0.01)))


# ---- films that lie, are cut off, or are something else -------------------------------------------------------------


def test_a_film_that_says_it_lasts_ten_hours_is_not_believed(make: Make) -> None:
    rendered = make(films.saying(films.film(), 10 * 3600))

    assert rendered.facts.duration_seconds == pytest.approx(1.0)
    assert sizes(rendered)


def test_a_duration_that_nobody_can_believe_is_left_out(make: Make) -> None:
    # a single frame that is shown for 30 hours, as the table of times says too
    data = films.film(films.scene(1))
    at = data.index(b"stts") + 12
    duration = 30 * 3600 * 10_240
    data = films.saying(data[: at + 4] + duration.to_bytes(4, "big") + data[at + 8 :], 30 * 3600)

    rendered = make(data)

    assert rendered.facts.duration_seconds is None
    assert sizes(rendered)


@pytest.mark.parametrize("begins_at", [0, 500])
def test_a_recording_of_a_browser_that_does_not_say_its_duration_is_measured(make: Make, begins_at: int) -> None:
    data = films.film(films.scene(35), container="webm", codec="libvpx", live=True, begins_at=begins_at)

    rendered = make(data, "video/webm")

    assert rendered.facts.duration_seconds == pytest.approx(3.5, abs=0.1)
    assert sizes(rendered)


def test_a_recording_too_long_to_be_measured_has_no_duration_instead_of_a_wrong_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = films.film(films.scene(35), container="webm", codec="libvpx", live=True)
    monkeypatch.setattr(video, "_PACKETS", 20)

    rendered = make(data, "video/webm")

    assert rendered.facts.duration_seconds is None
    assert sizes(rendered)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_frames_do_not_pile_up_in_a_worker_that_lives_on(make: Make) -> None:
    data = films.film(films.scene(3, 1920, 1080), rotation=-90)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            make(data)
        before = resident_mib()
        for _ in range(15):
            make(data)
        assert resident_mib() - before < 15  # five frames
    finally:
        gc.enable()


@pytest.mark.parametrize("cover", [False, True])
def test_a_film_without_pictures_is_a_sound(make: Make, cover: bool) -> None:
    rendered = make(films.sound_only(cover=cover))

    assert {file.name for file in rendered.files} == {"thumb", "waveform"}
    assert (rendered.facts.width, rendered.facts.playable) == (None, True)
    assert rendered.facts.duration_seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("front", [True, False], ids=["index in front", "index behind"])
def test_filler_behind_a_film_does_not_matter(make: Make, front: bool) -> None:
    data = films.film(sound="aac", front=front)

    assert sizes(make(data + sounds.filler(50_000))) == sizes(make(data))


def test_a_film_that_was_cut_off_shows_what_is_there(make: Make) -> None:
    data = films.film(films.scene(40, 320, 240), front=True)

    rendered = make(data[: len(data) // 3])

    assert all(map(close_to, corners(poster(rendered)), (RED, GREEN, BLUE, WHITE)))


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (films.without_index(films.film()), "video/mp4"),
        (films.film(front=True)[:1500], "video/mp4"),
        (films.film(container="webm", codec="libvpx")[:300], "video/webm"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"", "video/mp4"),
        (images.jpeg(64, 64), "video/quicktime"),
        (films.film(container="webm", codec="libvpx"), "video/mp4"),
    ],
    ids=["no index", "no picture", "webm head", "mp4 head", "webm magic", "empty", "photo", "webm as mp4"],
)
def test_a_broken_film_is_unreadable_in_plain_words(make: Make, data: bytes, mime_type: str, tmp_path: Path) -> None:
    with pytest.raises(PreviewUnreadable) as caught:
        make(data, mime_type)

    assert caught.value.message == (
        "This video is damaged or cut off, so it has no preview. The original can be downloaded."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


def test_a_film_in_a_format_that_we_do_not_decode_says_so(make: Make) -> None:
    with pytest.raises(PreviewUnreadable, match="recorded in a format") as caught:
        make(films.film(container="matroska", codec="mpeg2video"), "video/x-matroska")

    assert caught.value.detail == "codec mpeg2video"


@pytest.mark.parametrize("edge", [8_000, 65_535])
def test_what_the_container_says_of_the_size_is_not_believed(make: Make, edge: int) -> None:
    rendered = make(films.sized(films.film(), edge, edge))

    assert rendered.facts.height == 120  # the width is taken for one of pixels that are not square
    assert all(map(close_to, corners(poster(rendered)), (RED, GREEN, BLUE, WHITE)))


def test_a_film_of_absurdly_large_pictures_is_refused_at_once(make: Make) -> None:
    data = films.film(container="webm", codec="libvpx")
    size = b"\x9d\x01\x2a" + (160).to_bytes(2, "little") + (120).to_bytes(2, "little")
    assert size in data
    started = time.monotonic()

    with pytest.raises(PreviewUnreadable):
        make(data.replace(size, size[:3] + b"\xff\x3f\xff\x3f"), "video/webm")

    assert time.monotonic() - started < 1


def test_pictures_above_the_limit_are_not_decoded(make: Make) -> None:
    with pytest.raises(PreviewUnreadable, match="160 by 120 pixels"):
        make(films.film(), limits=Limits(pixels=160 * 120 - 1))
