"""Small films made in code with the encoders that come with PyAV, and hostile ones made from them."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

from tests.images import jpeg, picture

RATE = 10  # frames a second
_BLACK = (0, 0, 0)

Frames = Sequence[Image.Image]


def scene(count: int = 10, width: int = 160, height: int = 120) -> list[Image.Image]:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    return [picture(width, height)] * count


def plain(colour: tuple[int, int, int] = _BLACK, count: int = 10, width: int = 160, height: int = 120) -> Frames:
    """One colour all over; black unless told."""
    return [Image.new("RGB", (width, height), colour)] * count


def film(
    frames: Frames | None = None,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    gop: int = RATE,
    sound: str | None = None,
    rotation: float | None = None,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    front: bool = False,
    live: bool = False,
    begins_at: int = 0,
    tagged: tuple[int, int] | None = None,
    untagged: bool = False,
    hdr: tuple[int, int, int] | None = None,
) -> bytes:
    """A film of these frames, ten a second; of ten frames of `scene()` unless told.

    `sound` is an encoder; `rotation` is counter-clockwise, in degrees, and only in the container; `front` puts the
    index before the pictures; `live` writes WebM as browsers record it, without index and duration; `begins_at` is
    the time of the first frame, in seconds; `tagged` is colour space and range (as FFmpeg numbers them), which the
    film says unless it is `untagged`; `hdr` is colour space, transfer and primaries of frames that hold HDR signals.
    """
    frames = scene() if frames is None else frames
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        muxing = {"movflags": "faststart"} if front else {"live": "1"} if live else {}
        if begins_at:
            muxing["output_ts_offset"] = str(begins_at)
        with av.open(path, "w", format=container, options=muxing) as output:
            stream = output.add_stream(codec, rate=RATE, options=options or _quick(codec))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = *frames[0].size, pixels
            if rotation is not None or mirrored:
                stream.set_display_rotation(rotation or 0, hflip=mirrored)
            context = stream.codec_context
            context.gop_size = gop
            if aspect is not None:
                context.sample_aspect_ratio = aspect
            if tagged is not None and not untagged:
                context.colorspace, context.color_range = tagged
            if hdr is not None:
                context.colorspace, context.color_trc, context.color_primaries = hdr
            # all tracks before the first packet: that writes the header
            voice = _voice(output, sound) if sound else None
            for image in frames:
                output.mux(stream.encode(_frame(image, pixels, tagged)))
            output.mux(stream.encode(None))
            if voice is not None:
                _add_silence(output, voice, seconds=len(frames) / RATE)
        return path.read_bytes()


def sound_only(container: str = "mp4", codec: str = "aac", seconds: float = 1.0, *, cover: bool = False) -> bytes:
    """A film without pictures; a song may have a `cover`."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        voice = _voice(output, codec)
        if cover:
            output.mux(_cover(output))
        _add_silence(output, voice, seconds)
    return buffer.getvalue()


# ---- hostile films --------------------------------------------------------------------------------------------------


def saying(data: bytes, seconds: int) -> bytes:
    """The mp4, with every header saying that it lasts so long."""
    data = _patched(data, b"mvhd", lambda box: _lasting(box, seconds, scale_at=12))
    data = _patched(data, b"mdhd", lambda box: _lasting(box, seconds, scale_at=12))
    # the edit list says how much of the track is shown; without it the track's own word counts
    return data.replace(b"edts", b"free")


def sized(data: bytes, width: int, height: int) -> bytes:
    """The mp4, with the sample description saying that its pictures are of this size."""
    return _patched(data, b"avc1", lambda box: box[:24] + struct.pack(">HH", width, height) + box[28:])


def without_index(data: bytes) -> bytes:
    """A recording that was broken off: the pictures are there, the index behind them is not."""
    return data[: data.index(b"moov") - 4]


def referring(data: bytes, path: str) -> bytes:
    """A QuickTime film whose pictures are said to be in another file."""
    at = data.index(b"url ", data.index(b"dref"))
    url = f"file://{path}".encode() + b"\0"
    entry = struct.pack(">I", 12 + len(url)) + b"url \0\0\0\0" + url
    grown = len(entry) - 12
    data = data[: at - 4] + entry + data[at + 8 :]
    for name in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(name) - 4
        size = struct.unpack_from(">I", data, start)[0] + grown
        data = data[:start] + struct.pack(">I", size) + data[start + 4 :]
    return data


# ---- how ------------------------------------------------------------------------------------------------------------


def _quick(codec: str) -> dict[str, str]:
    if codec == "libx264":
        return {"preset": "ultrafast", "crf": "12", "threads": "1"}
    if codec == "libx265":
        return {"preset": "ultrafast", "x265-params": "crf=12:log-level=none:pools=1:frame-threads=1"}
    if codec == "libsvtav1":
        return {"preset": "12", "svtav1-params": "lp=1"}
    return {"threads": "1", "b": "2000000", "deadline": "realtime"} if "vpx" in codec else {"b": "2000000"}


def _frame(image: Image.Image, pixels: str, tagged: tuple[int, int] | None) -> VideoFrame:
    space, full = tagged or (0, 0)
    frame = VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)
    return frame.reformat(
        format=pixels,
        dst_colorspace=Colorspace.ITU709 if space == 1 else Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG if full == 2 else ColorRange.MPEG,
        threads=1,
    )


def _voice(output: OutputContainer, codec: str) -> AudioStream:
    stream = output.add_stream(codec, rate=8000 if "amr" in codec else 48000, layout="mono")
    assert isinstance(stream, AudioStream)
    return stream


def _cover(output: OutputContainer) -> "Packet[Stream]":
    stream = output.add_stream("mjpeg", rate=1)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
    stream.disposition = Disposition.attached_pic
    packet = Packet(jpeg(64, 64))
    packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
    return packet


def _add_silence(output: OutputContainer, voice: AudioStream, seconds: float) -> None:
    frame = AudioFrame(format="s16", layout="mono", samples=round(seconds * voice.rate))
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.rate = voice.rate
    output.mux(voice.encode(frame))
    output.mux(voice.encode(None))


def _patched(data: bytes, name: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Each box of this name, without its eight bytes of header, replaced by what `change` makes of it."""
    at = data.find(name)
    while at >= 0:
        size = struct.unpack_from(">I", data, at - 4)[0]
        data = data[: at + 4] + change(data[at + 4 : at + size - 4]) + data[at + size - 4 :]
        at = data.find(name, at + 4)
    return data


def _lasting(box: bytes, seconds: int, *, scale_at: int) -> bytes:
    scale = struct.unpack_from(">I", box, scale_at)[0]
    return box[: scale_at + 4] + struct.pack(">I", min(seconds * scale, 0xFFFFFFFE)) + box[scale_at + 8 :]
