"""One decoded frame of a film as people should see it: upright, with square pixels, in sRGB."""

import struct
from collections.abc import Callable, Mapping

from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation
from PIL import Image, ImageFilter

from previewer.render.hdr import hlg_to_srgb, pq_to_srgb
from previewer.render.pictures import fitting

Size = tuple[int, int]

# Where the display matrix sends the right and the lower edge of the frame, by the signs of its four corners.
_TURNS: Mapping[tuple[int, int, int, int], Image.Transpose] = {
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}
_QUARTERS = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}
_ON_ITS_SIDE = frozenset(
    {Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90}
)
_MATRIX = struct.Struct("=9i")
_ODDEST_PIXEL = 4  # times as wide as high, or the other way round; more than that is a mistake

_UNSPECIFIED = 2
_HD = (1280, 720)
_HDR: Mapping[int, Callable[[], ImageFilter.Color3DLUT]] = {
    ColorTrc.SMPTE2084: pq_to_srgb,
    ColorTrc.ARIB_STD_B67: hlg_to_srgb,
}


def shown_size(frame: VideoFrame, pixel_aspect: float) -> Size:
    """Width and height after turning, with `pixel_aspect` (width by height of one pixel) stretched out, not shrunk."""
    width, height = _square(frame, pixel_aspect)
    return (height, width) if _turn(frame) in _ON_ITS_SIDE else (width, height)


def upright(frame: VideoFrame, pixel_aspect: float, max_edge: int) -> Image.Image:
    """The frame inside the box, RGB."""
    size = fitting(_square(frame, pixel_aspect), max_edge)
    image = _rgb(frame, size)
    turn = _turn(frame)
    return image if turn is None else image.transpose(turn)


def _rgb(frame: VideoFrame, size: Size) -> Image.Image:
    # Untagged HD is BT.709 by convention; FFmpeg would take everything untagged for BT.601.
    untagged_hd = frame.colorspace == _UNSPECIFIED and (frame.width >= _HD[0] or frame.height >= _HD[1])
    picture = frame.reformat(
        *size,
        format="rgb24",
        interpolation=Interpolation.BICUBIC,
        src_colorspace=Colorspace.ITU709 if untagged_hd else None,
        dst_color_range=ColorRange.JPEG,
        threads=1,  # a worker may not start threads
    )
    plane = picture.planes[0]
    image = Image.frombytes("RGB", size, bytes(plane), "raw", "RGB", plane.line_size)
    to_srgb = _HDR.get(frame.color_trc)
    return image if to_srgb is None else image.filter(to_srgb())


def _square(frame: VideoFrame, pixel_aspect: float) -> Size:
    if not 1 / _ODDEST_PIXEL <= pixel_aspect <= _ODDEST_PIXEL:
        return frame.width, frame.height
    if pixel_aspect >= 1:
        return round(frame.width * pixel_aspect), frame.height
    return frame.width, round(frame.height / pixel_aspect)


def _turn(frame: VideoFrame) -> Image.Transpose | None:
    """The nearest of the eight; None: upright already."""
    # PyAV's side data holds its frame in memory until garbage is collected: that shall be a tiny one.
    tiny = frame.reformat(16, 16, format="gray", interpolation=Interpolation.POINT, threads=1)
    try:
        data = tiny.side_data.get("DISPLAYMATRIX")
    except ValueError:  # another piece has no name in PyAV; then a mirrored film cannot be told from a turned one
        return _QUARTERS.get(round(frame.rotation / 90) % 4)
    matrix = bytes(data) if isinstance(data, SideData) else b""
    if len(matrix) < _MATRIX.size:
        return None
    a, b, _, c, d, *_ = _MATRIX.unpack_from(matrix)
    straight = abs(a) + abs(d) >= abs(b) + abs(c)
    return _TURNS.get((_sign(a), 0, 0, _sign(d)) if straight else (0, _sign(b), _sign(c), 0))


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
