"""Small pictures that say they are huge, or that take long to look at."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO

from PIL import Image

from tests import images
from tests.hostile.boxes import (
    box,
    full_box,
    inserted,
    jpeg_segment,
    png_chunk,
    png_file,
    png_header,
    replaced,
    riff,
)
from tests.hostile.case import Case
from tests.hostile.seeds import profile, seed

_MIB = 1024 * 1024
_MOST = 0xFFFF
_END = png_chunk(b"IEND", b"")


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (mime_type, make) in _MADE.items():
        yield Case(name=f"bomb.{name}", mime_type=mime_type, make=make)


# ---- declared size --------------------------------------------------------------------------------------------------


def _jpeg_of(width: int, height: int, name: str = "jpeg") -> bytes:
    """The size in the frame's header is changed, its pixels are not."""
    whole = seed(name)
    at = next(whole.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in whole)
    return whole[: at + 5] + struct.pack(">HH", height, width) + whole[at + 9 :]


def _png_of(width: int, height: int, **options: int) -> bytes:
    return png_file(png_header(width, height, **options), png_chunk(b"IDAT", zlib.compress(bytes(10_000), 9)), _END)


def _webp_lossless_of(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return riff(b"WEBP", (b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(64)))


def _webp_lossy_of(width: int, height: int) -> bytes:
    whole = seed("webp")
    at = whole.index(b"\x9d\x01\x2a") + 3
    return whole[:at] + struct.pack("<HH", width, height) + whole[at + 4 :]


def _gif_of(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00\x3b"


def _bmp_of(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = b"") -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data


def _tiff(*entries: tuple[int, int, int, int], next_ifd: int = 0, tail: bytes = b"") -> bytes:
    """One directory of (tag, type, count, value)."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + struct.pack("<I", next_ifd) + tail


def _tiff_of(width: int, height: int, *, compression: int = 1, strips: int = 1, strip_bytes: int = 100) -> bytes:
    return _tiff(
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, strips, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, strips, strip_bytes),
        tail=bytes(2_000),
    )


def _heif_of(name: str, width: int, height: int) -> bytes:
    """The size in `ispe` is changed, the coded picture is not."""
    whole = seed(name)
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", width, height) + whole[at + 8 :]


def _grid(name: str, *, columns: int, rows: int, width: int, height: int) -> bytes:
    """A picture made of tiles, which are all the same one: its item is declared a grid of that many."""
    brand = {"avif": b"avif", "heic": b"heic"}[name]
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    tiles = columns * rows
    entry = full_box(b"infe", struct.pack(">HH", 1, 0) + b"grid\0", version=2)
    tile = full_box(b"infe", struct.pack(">HH", 2, 0) + (b"av01\0" if name == "avif" else b"hvc1\0"), version=2)
    meta = (
        full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + full_box(b"pitm", struct.pack(">H", 1))
        + full_box(b"iinf", struct.pack(">H", 2) + entry + tile)
        + box(b"iref", bytes(4) + box(b"dimg", struct.pack(">HH", 1, tiles) + struct.pack(">H", 2) * tiles))
        + box(b"iprp", box(b"ipco", full_box(b"ispe", struct.pack(">II", width, height)))
              + full_box(b"ipma", struct.pack(">IHBB", 1, 1, 1, 1)))
        + full_box(b"iloc", struct.pack(">BBH", 0x44, 0, 1) + struct.pack(">HHHII", 1, 0, 1, 0, len(grid)), version=0)
        + box(b"idat", grid)
    )  # fmt: skip
    return box(b"ftyp", brand + bytes(4) + brand + b"mif1") + full_box(b"meta", meta) + box(b"mdat", bytes(64))


# ---- ancillary data -------------------------------------------------------------------------------------------------


def _png_with(*extra: bytes) -> bytes:
    whole = seed("png")
    return inserted(whole, 33, b"".join(extra))


@cache
def _zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _many_png_chunks(count: int) -> bytes:
    return _png_with(png_chunk(b"tEXt", b"k\0v") * count)


def _png_split_in_bytes() -> bytes:
    whole = seed("png")
    start = whole.index(b"IDAT") - 4
    size = struct.unpack(">I", whole[start : start + 4])[0]
    data = whole[start + 8 : start + 8 + size]
    single = b"".join(png_chunk(b"IDAT", data[at : at + 1]) for at in range(len(data)))
    return whole[:start] + single + _END


def _png_interlaced() -> bytes:
    row = b"\0" + bytes(7_000)
    return png_file(
        png_header(7_000, 7_000, colour=0, interlaced=1), png_chunk(b"IDAT", zlib.compress(row * 7_500, 9)), _END
    )


def _whole_png(edge: int) -> bytes:
    """Really that large, and one colour."""
    row = b"\0" + bytes(edge * 3)
    return png_file(png_header(edge, edge), png_chunk(b"IDAT", zlib.compress(row * edge, 1)), _END)


def _apng(frames: int) -> bytes:
    whole = seed("png")
    start = whole.index(b"IDAT") - 4
    control = png_chunk(b"acTL", struct.pack(">II", frames, 0))
    data = zlib.compress(b"\0\0\0\0")
    frame = b"".join(
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 1, 1, 0, 0, 0, 1, 0, 0))
        + png_chunk(b"fdAT", struct.pack(">I", number + 1) + data)
        for number in range(0, 4_000, 2)
    )
    return whole[:start] + control + whole[start:-12] + frame + _END


def _jpeg_with(*segments: bytes) -> bytes:
    return inserted(seed("jpeg"), 2, b"".join(segments))


def _many_profile_parts() -> bytes:
    part = bytes(60_000)
    return _jpeg_with(*(jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 255]) + part) for n in range(1, 256)))


def _profile_that_lies() -> bytes:
    """4 GB of tags, 65,535 of them."""
    lying = bytearray(profile())
    lying[0:4] = struct.pack(">I", 0xFFFFFFFF)
    lying[128:132] = struct.pack(">I", _MOST)
    return images.jpeg(64, 48, profile=bytes(lying))


def _exif(body: bytes) -> bytes:
    return jpeg_segment(0xE1, b"Exif\0\0" + body)


def _looping_exif() -> bytes:
    entries = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    return _jpeg_with(_exif(b"II*\0" + struct.pack("<I", 8) + entries))


def _huge_exif() -> bytes:
    entry = struct.pack("<HHII", 0x0112, 5, 0x0FFFFFFF, 0x7FFFFFFF)
    return _jpeg_with(_exif(b"II*\0" + struct.pack("<IH", 8, _MOST) + entry * 5_000))


def _orientation_of(value: bytes) -> bytes:
    return _jpeg_with(_exif(b"MM\0*\0\0\0\x08\0\x01\x01\x12" + value + bytes(4)))


def _many_scans(edge: int, scans: int) -> bytes:
    """The last scan of a progressive picture, again and again: each is a pass over all of it."""
    whole = images.jpeg(edge, edge, progressive=True, quality=30)
    start = whole.rindex(b"\xff\xda")
    scan = whole[start:-2]
    return whole[:start] + scan * scans + b"\xff\xd9"


def _cut_scans(edge: int, scans: int) -> bytes:
    """A scan that is cut off after its header is read as empty, for all of a large picture."""
    whole = _jpeg_of(edge, edge, "progressive")
    start = whole.rindex(b"\xff\xda")
    header = whole[start : start + 2 + struct.unpack(">H", whole[start + 2 : start + 4])[0]]
    return whole[:start] + (header + b"\0") * scans + b"\xff\xd9"


def _many_pictures(count: int) -> bytes:
    """What phones call JPEG may have others behind it: an index that says so, with nothing behind."""
    entries = b"".join(struct.pack("<IIIHH", 0, 0xFFFFFFF0, 0xFFFFFFF0, 0, 0) for _ in range(3_000))
    ifd = struct.pack("<H", 3)
    ifd += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    ifd += struct.pack("<HHII", 0xB001, 4, 1, count)
    ifd += struct.pack("<HHII", 0xB002, 7, len(entries), 50)
    return _jpeg_with(jpeg_segment(0xE2, b"MPF\0II*\0" + struct.pack("<I", 8) + ifd + bytes(4) + entries))


# ---- frames ---------------------------------------------------------------------------------------------------------


def _gif_frames_beyond() -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes(6)
    place = struct.pack("<HHHHB", 40_000, 40_000, 20_000, 20_000, 0)
    frame = b"\x21\xf9\x04\x08\x05\0\0\0\x2c" + place + b"\x02\x02\x44\x01\0"
    return screen + frame * 200 + b"\x3b"


def _gif_with_endless_comment() -> bytes:
    return seed("gif")[:-1] + b"\x21\xfe" + (b"\xff" + b"x" * 255) * 40_000


def _gif_slow(edge: int, frames: int) -> bytes:
    """Each frame is all of a large screen."""
    buffer = BytesIO()
    Image.new("P", (edge, edge), 0).save(buffer, "GIF")
    one = buffer.getvalue()
    at = one.index(b"\x2c" + struct.pack("<HHHH", 0, 0, edge, edge))
    return one[:-1] + (b"\x21\xf9\x04\x08\x05\0\0\0" + one[at:-1]) * frames + b"\x3b"


def _webp_frames(count: int, edge: int, *, frame_edge: int) -> bytes:
    """An animation of that many frames, each the same still picture."""
    still = images.webp(frame_edge, frame_edge)[12:]
    corner = (0).to_bytes(3, "little")
    size = (frame_edge - 1).to_bytes(3, "little")
    frame = corner * 2 + size * 2 + (1).to_bytes(3, "little") + b"\0" + still
    canvas = (edge - 1).to_bytes(3, "little")
    header = b"\x02\0\0\0" + canvas * 2
    return riff(b"WEBP", (b"VP8X", header), (b"ANIM", bytes(6)), *([(b"ANMF", frame)] * count))


# ---- directories of TIFF --------------------------------------------------------------------------------------------


def _tiff_loop() -> bytes:
    whole = seed("tiff")
    at = struct.unpack("<I", whole[4:8])[0]
    count = struct.unpack("<H", whole[at : at + 2])[0]
    end = at + 2 + 12 * count
    return whole[:end] + struct.pack("<I", at) + whole[end + 4 :]


def _tiff_absurd_tags() -> bytes:
    return _tiff(
        *((tag, kind, 0x7FFFFFFF, 8) for tag, kind in ((256, 4), (257, 4), (258, 3), (273, 4), (279, 4), (34675, 7))),
        *((65_000 + n, 12, 0x1FFFFFFF, 0xFFFFFFF0) for n in range(200)),
        tail=bytes(100),
    )


def _tiff_samples(samples: int) -> bytes:
    return _tiff(
        (256, 4, 1, 5_000), (257, 4, 1, 5_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, samples), (278, 4, 1, 5_000), (279, 4, 1, 4_000_000_000), tail=bytes(500),
    )  # fmt: skip


def _tiff_tiles() -> bytes:
    return _tiff(
        (256, 4, 1, 64), (257, 4, 1, 48), (258, 3, 1, 8), (259, 3, 1, 5), (262, 3, 1, 1), (277, 3, 1, 1),
        (322, 4, 1, 0x7FFFFFF0), (323, 4, 1, 0x7FFFFFF0), (324, 4, 1, 8), (325, 4, 1, 100), tail=bytes(500),
    )  # fmt: skip


def _tiff_directories(count: int) -> bytes:
    """Pages without end, each a tiny directory."""
    whole = b"II*\0" + struct.pack("<I", 8)
    for number in range(count):
        following = 8 + (number + 1) * 30 if number + 1 < count else 8
        whole += struct.pack("<H", 2) + struct.pack("<HHII", 256, 4, 1, 1) + struct.pack("<HHII", 257, 4, 1, 1)
        whole += struct.pack("<I", following)
    return whole


def _zlib_tiff(edge: int) -> bytes:
    """Deflated, and really that large."""
    data = zlib.compress(bytes(edge) * edge, 9)
    return _tiff(
        (256, 4, 1, edge), (257, 4, 1, edge), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 122),
        (277, 3, 1, 1), (278, 4, 1, edge), (279, 4, 1, len(data)), tail=data,
    )  # fmt: skip


_J, _P, _W, _G, _B, _T = (f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "bmp", "tiff"))

_MADE = {
    "jpeg-65535": (_J, lambda: _jpeg_of(_MOST, _MOST)),
    "jpeg-65535-progressive": (_J, lambda: _jpeg_of(_MOST, _MOST, "progressive")),
    "jpeg-just-allowed": (_J, lambda: _jpeg_of(7_000, 7_000)),
    "jpeg-just-allowed-progressive": (_J, lambda: _jpeg_of(7_000, 7_000, "progressive")),
    "jpeg-line": (_J, lambda: _jpeg_of(_MOST, 1)),
    "jpeg-0": (_J, lambda: _jpeg_of(0, 0)),
    "jpeg-no-height": (_J, lambda: _jpeg_of(64, 0)),
    "jpeg-profile-in-255-parts": (_J, _many_profile_parts),
    "jpeg-profile-that-lies": (_J, _profile_that_lies),
    "jpeg-profile-of-junk": (_J, lambda: images.jpeg(64, 48, profile=b"junk" * 50_000)),
    "jpeg-exif-loop": (_J, _looping_exif),
    "jpeg-exif-huge": (_J, _huge_exif),
    "jpeg-orientation-word": (_J, lambda: _orientation_of(b"\0\x02\0\0\0\x02sw\0\0")),
    "jpeg-orientation-ratio": (_J, lambda: _orientation_of(b"\0\x05\0\0\0\x01\0\0\0\x08")),
    "jpeg-orientation-list": (_J, lambda: _orientation_of(b"\0\x03\0\0\0\x02\0\x06\0\x08")),
    "jpeg-10000-segments": (_J, lambda: _jpeg_with(*([jpeg_segment(0xE5, b"x" * 100)] * 10_000))),
    "jpeg-comments": (_J, lambda: _jpeg_with(*([jpeg_segment(0xFE, b"x" * 60_000)] * 100))),
    "jpeg-filler": (_J, lambda: inserted(seed("jpeg"), 2, b"\xff" * 2 * _MIB)),
    "jpeg-500-scans": (_J, lambda: _many_scans(1_000, 500)),
    "jpeg-800-empty-scans": (_J, lambda: _cut_scans(6_000, 800)),
    "jpeg-more-pictures": (_J, lambda: _many_pictures(0x0FFFFFFF)),
    "png-2147483647": (_P, lambda: _png_of(0x7FFFFFFF, 0x7FFFFFFF)),
    "png-65535": (_P, lambda: _png_of(_MOST, _MOST, depth=16, colour=6)),
    "png-interlaced-65535": (_P, lambda: _png_of(_MOST, _MOST, interlaced=1)),
    "png-just-allowed": (_P, lambda: _png_of(7_000, 7_000, depth=16, colour=6)),
    "png-line": (_P, lambda: _png_of(50_000_000, 1)),
    "png-column": (_P, lambda: _png_of(1, 50_000_000)),
    "png-0": (_P, lambda: _png_of(0, 0)),
    "png-whole": (_P, lambda: _whole_png(7_000)),
    "png-interlaced": (_P, _png_interlaced),
    "png-profile-inflates": (_P, lambda: _png_with(png_chunk(b"iCCP", b"p\0\0" + _zeros(200 * _MIB)))),
    "png-text-inflates": (_P, lambda: _png_with(png_chunk(b"zTXt", b"k\0\0" + _zeros(200 * _MIB)))),
    "png-words-inflate": (_P, lambda: _png_with(png_chunk(b"iTXt", b"k\0\1\0\0\0" + _zeros(200 * _MIB)))),
    "png-many-texts-inflate": (_P, lambda: _png_with(*([png_chunk(b"zTXt", b"k\0\0" + _zeros(_MIB))] * 500))),
    "png-text": (_P, lambda: _png_with(png_chunk(b"tEXt", b"k\0" + b"x" * 4 * _MIB))),
    "png-50000-chunks": (_P, lambda: _many_png_chunks(50_000)),
    "png-chunk-of-2-gb": (_P, lambda: _png_with(png_chunk(b"tEXt", b"k\0v", length=0x7FFFFFFF))),
    "png-chunk-of-minus-1": (_P, lambda: _png_with(png_chunk(b"IDAT", b"k\0v", length=0xFFFFFFFF))),
    "png-byte-by-byte": (_P, _png_split_in_bytes),
    "png-data-inflates": (_P, lambda: png_file(png_header(10, 10), png_chunk(b"IDAT", _zeros(200 * _MIB)), _END)),
    "png-moving": (_P, lambda: _apng(0x7FFFFFFF)),
    "png-palette-of-nothing": (_P, lambda: _png_of(64, 64, colour=3)),
    "webp-16384-lossless": (_W, lambda: _webp_lossless_of(16_384, 16_384)),
    "webp-7000-lossless": (_W, lambda: _webp_lossless_of(7_000, 7_000)),
    "webp-16383-lossy": (_W, lambda: _webp_lossy_of(0x3FFF, 0x3FFF)),
    "webp-0": (_W, lambda: _webp_lossy_of(0, 0)),
    "webp-canvas": (_W, images.webp_bomb),
    "webp-canvas-of-2-to-48": (_W, lambda: riff(b"WEBP", (b"VP8X", b"\x02\0\0\0" + b"\xff" * 6))),
    "webp-5000-frames": (_W, lambda: _webp_frames(5_000, 64, frame_edge=64)),
    "webp-frame-beyond": (_W, lambda: _webp_frames(20, 16, frame_edge=200)),
    "webp-slow": (_W, lambda: _webp_frames(60, 5_000, frame_edge=16)),
    "webp-size-of-4-gb": (_W, lambda: riff(b"WEBP", (b"VP8 ", b"x" * 100), size=0xFFFFFFFF)),
    "gif-65535": (_G, lambda: _gif_of(_MOST, _MOST)),
    "gif-0": (_G, lambda: _gif_of(0, 0)),
    "gif-100000-frames": (_G, lambda: images.gif_with_many_frames(100_000)),
    "gif-huge-frame": (_G, images.gif_with_a_huge_frame),
    "gif-frames-beyond": (_G, _gif_frames_beyond),
    "gif-endless-comment": (_G, _gif_with_endless_comment),
    "gif-slow": (_G, lambda: _gif_slow(5_000, 100)),
    "bmp-65535": (_B, lambda: _bmp_of(_MOST, _MOST)),
    "bmp-2147483647": (_B, lambda: _bmp_of(0x7FFFFFFF, 0x7FFFFFFF)),
    "bmp-upside-down": (_B, lambda: _bmp_of(64, -0x7FFFFFFF)),
    "bmp-0": (_B, lambda: _bmp_of(0, 0)),
    "bmp-just-allowed": (_B, lambda: _bmp_of(7_000, 7_000)),
    "bmp-rle": (_B, lambda: _bmp_of(7_000, 7_000, bits=8, compression=1, data=b"\0\2\xff\xff" * 1_000)),
    "bmp-bits": (_B, lambda: _bmp_of(64, 64, bits=0)),
    "tiff-65535": (_T, lambda: _tiff_of(_MOST, _MOST)),
    "tiff-4294967295": (_T, lambda: _tiff_of(0xFFFFFFFF, 0xFFFFFFFF)),
    "tiff-0": (_T, lambda: _tiff_of(0, 0)),
    "tiff-huge-strip": (_T, lambda: _tiff_of(64, 48, strip_bytes=0xFFFFFFFF)),
    "tiff-huge-lzw-strip": (_T, lambda: _tiff_of(7_000, 7_000, compression=5, strip_bytes=0xFFFFFF00)),
    "tiff-many-strips": (_T, lambda: _tiff_of(64, 48, strips=0x3FFFFFFF)),
    "tiff-loop": (_T, _tiff_loop),
    "tiff-absurd-tags": (_T, _tiff_absurd_tags),
    "tiff-65535-samples": (_T, lambda: _tiff_samples(_MOST)),
    "tiff-huge-tiles": (_T, _tiff_tiles),
    "tiff-pages": (_T, lambda: _tiff_directories(20_000)),
    "tiff-deflated": (_T, lambda: _zlib_tiff(7_000)),
    "tiff-deflated-beyond": (_T, lambda: _zlib_tiff(20_000)),
    "heic-65535": ("image/heic", lambda: _heif_of("heic", _MOST, _MOST)),
    "heic-4294967295": ("image/heic", lambda: _heif_of("heic", 0xFFFFFFFF, 0xFFFFFFFF)),
    "heic-just-allowed": ("image/heic", lambda: _heif_of("heic", 7_000, 7_000)),
    "heic-0": ("image/heic", lambda: _heif_of("heic", 0, 0)),
    "heic-grid": ("image/heic", lambda: _grid("heic", columns=255, rows=255, width=_MOST, height=_MOST)),
    "heic-without-meta": ("image/heic", lambda: replaced(seed("heic"), b"meta", b"mata")),
    "avif-65535": ("image/avif", lambda: _heif_of("avif", _MOST, _MOST)),
    "avif-just-allowed": ("image/avif", lambda: _heif_of("avif", 7_000, 7_000)),
    "avif-0": ("image/avif", lambda: _heif_of("avif", 0, 0)),
    "avif-grid": ("image/avif", lambda: _grid("avif", columns=255, rows=255, width=_MOST, height=_MOST)),
    "avif-moving-65535": ("image/avif", lambda: _heif_of("avif-moving", _MOST, _MOST)),
}  # fmt: skip
