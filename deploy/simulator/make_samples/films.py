"""Films: each begins with black, as films do, and shows something else."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image

from make_samples.canvas import Canvas
from make_samples.sounds import add_sound, music, mux_sound, speech

_PER_SECOND = 12
_BLACK_FRAMES, _FADE_FRAMES = 5, 5
_GROUP = str(_PER_SECOND)  # a key frame each second, as phones make them
_QUARTER_TURN = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 180 << 16, 0, 1 << 30)
_NO_TURN = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def clip() -> bytes:
    """A boat at sea: H.264 (baseline, no B-frames) and AAC in MP4, with the index first, as WhatsApp sends it."""
    options = {"profile": "baseline", "crf": "30", "preset": "veryslow", "g": _GROUP, "sc_threshold": "0"}
    film = _faded([_boat(step / 36) for step in range(36)])
    return _encoded("mp4", film, "libx264", options, sound=("aac", 44_100, 24_000), movflags="faststart")


def parcel_mov() -> bytes:
    """A parcel at a door, filmed upright: HEVC in QuickTime, stored sideways as an iPhone does it."""
    upright = _faded([_parcel(step / 24) for step in range(24)])
    stored = [frame.transpose(Image.Transpose.ROTATE_90) for frame in upright]
    options = {"crf": "30", "g": _GROUP, "x265-params": "log-level=none:pools=none:frame-threads=1"}
    data = _encoded("mov", stored, "libx265", options, sound=("aac", 44_100, 24_000), movflags="faststart", tag="hvc1")
    first = data.index(b"trak")  # the picture's track comes first
    return data[:first] + data[first:].replace(_NO_TURN, _QUARTER_TURN, 1)


def old_phone_3gp() -> bytes:
    """A beach ball: H.263 and AMR in 3GP, which no browser plays any more."""
    film = _faded([_beach_ball(step / 24) for step in range(24)])
    return _encoded(
        "3gp",
        film,
        "h263",
        {"b": "50k", "g": _GROUP, "sc_threshold": "1000000000"},
        sound=("libopencore_amrnb", 8_000, 12_200),
    )


def screen_webm() -> bytes:
    """A cursor that fills a form: VP9 and Opus in WebM."""
    film = _faded([_form(step / 30) for step in range(30)])
    options = {"crf": "40", "b": "0", "deadline": "good", "row-mt": "0", "g": _GROUP}
    return _encoded("webm", film, "libvpx-vp9", options, sound=("libopus", 48_000, 16_000))


def _encoded(
    form: str,
    film: Sequence[Image.Image],
    codec: str,
    options: dict[str, str],
    *,
    sound: tuple[str, int, int],
    movflags: str = "",
    tag: str = "",
) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # moving the index to the front needs a file that can be read again
        path = Path(folder) / "film"
        flags = {"movflags": movflags} if movflags else {}
        with av.open(str(path), "w", format=form, options=flags) as container:
            video = container.add_stream(codec, rate=_PER_SECOND, options=options)
            assert isinstance(video, av.VideoStream)  # noqa: S101 - tells mypy what the codec is for
            video.width, video.height = film[0].size
            video.pix_fmt = "yuv420p"
            if tag:
                video.codec_context.codec_tag = tag
            name, rate, bit_rate = sound
            audio = add_sound(container, name, rate, bit_rate)
            for image in film:
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")))
            container.mux(video.encode(None))
            seconds = len(film) / _PER_SECOND
            mux_sound(container, audio, speech(seconds, rate) if rate == 8_000 else music(seconds, rate), rate)
        return path.read_bytes()


def _faded(scenes: Sequence[Image.Image]) -> list[Image.Image]:
    black = Image.new("RGB", scenes[0].size)
    lit = [min(1.0, max(0.0, (number - _BLACK_FRAMES) / _FADE_FRAMES)) for number in range(len(scenes))]
    return [Image.blend(black, scene, light) for scene, light in zip(scenes, lit, strict=True)]


def _boat(time: float) -> Image.Image:
    canvas = Canvas(320, 180, (0, 0, 0))
    canvas.gradient(0, 104, (250, 150, 96), (255, 226, 168))
    canvas.disc(230, 96, 30, (255, 246, 214))
    canvas.gradient(104, 180, (226, 132, 96), (44, 74, 110))
    x, y = 60 + 110 * time, 120.0
    canvas.polygon([(x - 34, y), (x + 38, y), (x + 24, y + 17), (x - 24, y + 17)], (96, 50, 46))
    canvas.line([(x, y), (x, y - 68)], (70, 44, 40), 3)
    canvas.polygon([(x + 4, y - 66), (x + 4, y - 6), (x + 38, y - 6)], (252, 246, 238))
    canvas.polygon([(x - 4, y - 56), (x - 4, y - 6), (x - 28, y - 6)], (226, 84, 74))
    canvas.hills(146, 5, 6, 4 * time, (60, 88, 124))
    canvas.hills(162, 5, 5, -3 * time, (38, 62, 96))
    return canvas.finished()


def _parcel(time: float) -> Image.Image:
    canvas = Canvas(180, 320, (226, 214, 198))
    canvas.box(0, 250, 180, 320, (150, 146, 142))
    canvas.box(34, 36, 146, 256, (38, 84, 96))
    for top in (52, 150):
        canvas.box(50, top, 130, top + 82, (50, 102, 114), radius=4)
    canvas.disc(134, 158, 5, (236, 196, 100))
    drop = 8 * abs(1 - 2 * time)
    canvas.box(44, 214 - drop, 140, 286 - drop, (198, 148, 96), radius=3)
    canvas.box(84, 214 - drop, 100, 286 - drop, (230, 190, 138))
    canvas.box(50, 250 - drop, 78, 276 - drop, (250, 248, 242))
    for row in range(3):
        canvas.line([(54, 257 + row * 6 - drop), (74, 257 + row * 6 - drop)], (90, 90, 96), 1.6)
    return canvas.finished()


def _beach_ball(time: float) -> Image.Image:
    canvas = Canvas(176, 144, (0, 0, 0))
    canvas.gradient(0, 90, (110, 190, 240), (220, 240, 248))
    canvas.box(0, 90, 176, 144, (238, 212, 160))
    hop = abs((time * 2) % 2 - 1)
    x, y = 50 + 76 * time, 92 - 46 * (1 - hop * hop)
    canvas.disc(x, 122, 24, (206, 176, 124), flat=0.25)
    for number, colour in enumerate(((228, 70, 66), (250, 246, 238), (54, 120, 200), (250, 246, 238))):
        canvas.disc(x, y, 28 - 7 * number, colour)
    return canvas.finished()


def _form(time: float) -> Image.Image:
    canvas = Canvas(320, 180, (236, 240, 246))
    canvas.box(0, 0, 320, 26, (54, 76, 120))
    for number in range(3):
        canvas.disc(16 + 14 * number, 13, 4, (236, 240, 246))
    canvas.box(24, 40, 296, 168, (255, 255, 255), radius=8)
    for row in range(3):
        top, filled = 56 + 30 * row, min(1.0, max(0.0, 3 * time - row))
        canvas.box(40, top, 280, top + 18, (228, 232, 240), radius=4)
        if filled:
            canvas.box(46, top + 5, 46 + 180 * filled, top + 13, (96, 128, 190), radius=3)
    canvas.box(196, 144, 280, 162, (40, 160, 110), radius=6)
    x, y = 60 + 180 * time, 66 + 84 * time
    canvas.polygon([(x, y), (x, y + 20), (x + 5, y + 15), (x + 13, y + 15)], (30, 34, 44))
    return canvas.finished()
