"""Which frame stands for a film: the first one that shows something, found at a bounded price."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from previewer.render.job import Limits

_Packet: TypeAlias = "Packet[VideoStream]"  # generic only in the type hints

_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
_FIRST_SECONDS = 5.0  # the first look is not farther in than this
_PACKETS = 500  # that a look may pass over until a key frame comes
_FEWEST, _MOST = 16, 300  # packets that are decoded one after the other when no key frame will do
_PIXELS = 600_000_000  # of all these frames together: about three seconds of one core
_PATIENCE = 0.4  # part of the time limit after which the best frame so far has to do

# RGB, BT.709, FCC, BT.601 in its three forms, BT.2020: what FFmpeg can convert.
_COLOUR_SPACES = frozenset({0, 1, 4, 5, 6, 7, 9})
_UNSPECIFIED = 2

_SAMPLES = (48, 48)
_DARK = 24  # mean brightness, of 255
_FLAT = 6  # standard deviation


def poster_frame(
    container: InputContainer, stream: VideoStream, seconds: float | None, limits: Limits
) -> VideoFrame | None:
    """The first frame that is neither black nor of one colour, from about a tenth of the film on.

    Failing that the brightest of those looked at, and None when not one can be decoded. `seconds` is how long the
    film says it is.
    """
    deadline = time.monotonic() + limits.seconds * _PATIENCE
    brightest, best = -1.0, None
    for frame in _candidates(container, stream, seconds, deadline):
        brightness, contrast = _measured(frame)
        if brightness >= _DARK and contrast >= _FLAT and not frame.is_corrupt:
            return frame
        if brightness > brightest:
            brightest, best = brightness, frame
    return best


def _candidates(
    container: InputContainer, stream: VideoStream, seconds: float | None, deadline: float
) -> Iterator[VideoFrame]:
    """Key frames at a few places, each for the price of one frame; after them the film from its start."""
    if seconds:
        places = [min(_PLACES[0] * seconds, _FIRST_SECONDS), *(place * seconds for place in _PLACES[1:])]
        decoded: set[int | None] = set()
        for at in places:
            packet = _key_packet(container, stream, at)
            if packet is not None and packet.pts not in decoded and time.monotonic() < deadline:
                decoded.add(packet.pts)
                yield from _decoded(stream, packet)
                yield from _decoded(stream, None)
    _moved(container, stream, 0)
    yield from _in_order(container, stream, deadline)


def _key_packet(container: InputContainer, stream: VideoStream, at: float) -> "_Packet | None":
    if not _moved(container, stream, at):
        return None
    return next((packet for packet in islice(_packets(container, stream), _PACKETS) if packet.is_keyframe), None)


def _in_order(container: InputContainer, stream: VideoStream, deadline: float) -> Iterator[VideoFrame]:
    affordable = _PIXELS // max(1, stream.width * stream.height)
    for packet in islice(_packets(container, stream), min(max(_FEWEST, affordable), _MOST)):
        yield from _decoded(stream, packet)
        if time.monotonic() > deadline:
            break
    yield from _decoded(stream, None)  # what the decoder has held back


def _moved(container: InputContainer, stream: VideoStream, at: float) -> bool:
    stream.codec_context.flush_buffers()
    try:
        container.seek(round(at * av.time_base))
    except MemoryError:
        raise
    except av.FFmpegError:  # an index that leads nowhere
        return False
    return True


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
    """Up to the first damage: a film that is cut off has its good part."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except MemoryError:
        raise
    except av.FFmpegError:
        return


def _decoded(stream: VideoStream, packet: "_Packet | None") -> list[VideoFrame]:
    """None: all that the decoder holds back."""
    try:
        frames = stream.decode(packet)
    except MemoryError:
        raise
    except av.FFmpegError:
        return []
    for frame in frames:
        if frame.colorspace not in _COLOUR_SPACES:  # roughly right colours are better than no picture
            frame.colorspace = _UNSPECIFIED
    return frames


def _measured(frame: VideoFrame) -> tuple[float, float]:
    """Mean and standard deviation of the brightness, of a few points."""
    grey = frame.reformat(
        *_SAMPLES,
        format="gray",
        interpolation=Interpolation.POINT,
        dst_color_range=ColorRange.JPEG,
        threads=1,  # a worker may not start threads
    )
    plane = grey.planes[0]
    statistics = ImageStat.Stat(Image.frombytes("L", _SAMPLES, bytes(plane), "raw", "L", plane.line_size))
    return statistics.mean[0], statistics.stddev[0]
