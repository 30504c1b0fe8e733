"""The building blocks of containers, with whatever length and checksum a liar wants."""

import struct
import zlib


def png_chunk(name: bytes, data: bytes, *, length: int | None = None) -> bytes:
    """A chunk of a PNG, its checksum right."""
    size = len(data) if length is None else length
    return struct.pack(">I", size) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_file(*chunks: bytes) -> bytes:
    """A PNG of these chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    """The chunk that a PNG begins with."""
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def box(name: bytes, data: bytes, *, size: int | None = None) -> bytes:
    """A box of an ISO file (mp4, HEIC, AVIF); `size` is what it says of itself."""
    return struct.pack(">I4s", len(data) + 8 if size is None else size, name) + data


def full_box(name: bytes, data: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version."""
    return box(name, struct.pack(">I", version << 24 | flags) + data)


def riff(name: bytes, *chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    """A RIFF file (WebP, WAV)."""
    body = b"".join(tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for tag, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4 if size is None else size) + name + body


def jpeg_segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG, up to 65,533 bytes long."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def inserted(whole: bytes, at: int, extra: bytes) -> bytes:
    """`whole` with `extra` in it."""
    return whole[:at] + extra + whole[at:]


def replaced(whole: bytes, old: bytes, new: bytes) -> bytes:
    """`whole` with the first `old` made `new`, of the same length; it has to be there."""
    if len(old) != len(new) or old not in whole:
        msg = f"{old!r} cannot be made {new!r}"
        raise ValueError(msg)
    return whole.replace(old, new, 1)
