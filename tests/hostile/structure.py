"""Where the parts of a container begin and end, so that a fuzzer can lie about them and swap them."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

_ISO_FOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco", b"edts", b"moof", b"traf", b"dinf"}
_PDF_PART = re.compile(rb"\d+ 0 obj.*?endobj\n?|<<.*?>>|\[.*?\]|-?\d+(?:\.\d+)?", re.DOTALL)
_ZIP_PART = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x05\x06)(?:(?!PK).)*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Part:
    """`data[start:end]` stands for itself; `length` says where its own word of its length is, as struct's format."""

    start: int
    end: int
    length_at: int | None = None
    length_format: str = ">I"


def parts(data: bytes) -> list[Part]:
    """The parts of a file, as far as its beginning says what it is; else none."""
    for magic, (offset, walk) in _WALKS.items():
        if data[offset : offset + len(magic)] == magic:
            return list(walk(data))
    return []


def _png(data: bytes) -> Iterator[Part]:
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if end > len(data):
            return
        yield Part(start=at, end=end, length_at=at)
        at = end


def _jpeg(data: bytes) -> Iterator[Part]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield Part(start=at, end=min(end, len(data)), length_at=at + 2, length_format=">H")
        if data[at + 1] == 0xDA:
            return
        at = end


def _riff(data: bytes) -> Iterator[Part]:
    yield Part(start=0, end=len(data), length_at=4, length_format="<I")
    at = 12
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        yield Part(start=at, end=min(at + 8 + size + size % 2, len(data)), length_at=at + 4, length_format="<I")
        at += 8 + size + size % 2


def _iso(data: bytes, at: int = 0, end: int | None = None) -> Iterator[Part]:
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            return
        yield Part(start=at, end=at + size, length_at=at)
        if name in _ISO_FOLDERS:
            yield from _iso(data, at + 8, at + size)
        elif name == b"meta":
            yield from _iso(data, at + 12, at + size)
        at += size


def _ogg(data: bytes) -> Iterator[Part]:
    starts = [found.start() for found in re.finditer(b"OggS", data)]
    for start, end in pairwise([*starts, len(data)]):
        yield Part(start=start, end=end, length_at=start + 26, length_format=">B")


def _tiff(data: bytes) -> Iterator[Part]:
    at = struct.unpack_from("<I", data, 4)[0] if len(data) >= 8 else len(data)
    count = struct.unpack_from("<H", data, at)[0] if at + 2 <= len(data) else 0
    for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 12), 12):
        yield Part(start=entry, end=entry + 12, length_at=entry + 4, length_format="<I")


def _gif(data: bytes) -> Iterator[Part]:
    starts = [found.start() for found in re.finditer(rb"\x21[\xf9\xff\xfe]|\x2c", data)]
    for start, end in pairwise([*starts, len(data)]):
        yield Part(start=start, end=end, length_at=start + 2, length_format="<H")


def _flac(data: bytes) -> Iterator[Part]:
    at = 4
    while at + 4 <= len(data):
        size = struct.unpack_from(">I", data, at)[0] & 0xFFFFFF
        yield Part(start=at, end=min(at + 4 + size, len(data)), length_at=at)
        if data[at] & 0x80:
            return
        at += 4 + size


def _matroska(data: bytes) -> Iterator[Part]:
    """Only elements whose names are four bytes long: the large ones."""
    for found in re.finditer(rb"[\x1a\x11\x15\x16\x18\x1c\x1f\x10][\x41-\xff][\x41-\xff][\x41-\xff]", data):
        yield Part(start=found.start(), end=min(found.start() + 64, len(data)), length_at=found.end())


def _by(pattern: re.Pattern[bytes]) -> Callable[[bytes], Iterator[Part]]:
    return lambda data: (Part(start=found.start(), end=found.end()) for found in pattern.finditer(data))


_WALKS: Mapping[bytes, tuple[int, Callable[[bytes], Iterator[Part]]]] = {
    b"\x89PNG": (0, _png),
    b"\xff\xd8\xff": (0, _jpeg),
    b"RIFF": (0, _riff),
    b"ftyp": (4, _iso),
    b"OggS": (0, _ogg),
    b"II*\0": (0, _tiff),
    b"GIF8": (0, _gif),
    b"fLaC": (0, _flac),
    b"\x1a\x45\xdf\xa3": (0, _matroska),
    b"%PDF": (0, _by(_PDF_PART)),
    b"PK": (0, _by(_ZIP_PART)),
}


def with_right_checksums(data: bytes) -> bytes:
    """The same with the checksums that its parts should have, so that a decoder reads on. PNG and Ogg have some."""
    if data.startswith(b"\x89PNG"):
        whole = bytearray(data)
        for part in _png(data):
            whole[part.end - 4 : part.end] = struct.pack(">I", zlib.crc32(data[part.start + 4 : part.end - 4]))
        return bytes(whole)
    if data.startswith(b"OggS"):
        return b"".join(ogg_page(data[part.start : part.end]) for part in _ogg(data))
    return data


def ogg_page(page: bytes) -> bytes:
    """The page with its checksum put right."""
    value = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        value = (value << 8 & 0xFFFFFFFF) ^ _OGG_CHECKSUMS[value >> 24 ^ byte]
    return page[:22] + struct.pack("<I", value) + page[26:]


def _ogg_checksum_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


_OGG_CHECKSUMS = [_ogg_checksum_of(byte) for byte in range(256)]
