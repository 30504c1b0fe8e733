"""What a zip is, told by the list of names at its end. Nothing is unpacked."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

_PLAIN = "ZIP archive"
# by a file that only this kind has; the first that is there
_KINDS: Mapping[bytes, str] = {
    b"word/document.xml": "Word document",
    b"xl/workbook.xml": "Excel spreadsheet",
    b"xl/workbook.bin": "Excel spreadsheet",
    b"ppt/presentation.xml": "PowerPoint presentation",
    b"visio/document.xml": "Visio drawing",
    b"META-INF/container.xml": "E-book",
    b"META-INF/manifest.xml": "OpenDocument file",
    b"Index/Document.iwa": "iWork document",
    b"AndroidManifest.xml": "Android app",
    b"META-INF/MANIFEST.MF": "Java program",
    b"doc.kml": "Google Earth places",
}

_END = struct.Struct("<4s6xHIIH")
_END_MARK = b"PK\x05\x06"
_LONGEST_COMMENT = 0xFFFF
_LOCATOR = struct.Struct("<4s4xQ4x")
_END64 = struct.Struct("<4s36xQQ")
_ENTRY = struct.Struct("<4s4xH18xHHH12x")
_IN_END64 = (0xFFFF, 0xFFFFFFFF)

# so that a list that lies, or has no end, costs nothing
_MOST_BYTES = 16 * 1024 * 1024
_MOST_FILES = 100_000


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: bytes
    locked: bool


class _NotReadable(Exception):
    """The list of names is missing, cut off, too long or contradicts itself."""


def label(file: BinaryIO, size_bytes: int) -> str:
    """What people call it: "Word document", or "ZIP archive, 12 files". No number when the list cannot be read."""
    try:
        entries = list(_entries(_directory(file, size_bytes)))
    except _NotReadable:
        return _PLAIN
    names = {entry.name for entry in entries}
    if kind := next((kind for name, kind in _KINDS.items() if name in names), None):
        return kind
    files = sum(not entry.name.endswith(b"/") for entry in entries)
    locked = ", password-protected" if any(entry.locked for entry in entries) else ""
    return f"{_PLAIN}, {_counted(files, len(entries))}{locked}"


def _counted(files: int, entries: int) -> str:
    if entries > _MOST_FILES:
        return f"more than {_MOST_FILES:,} files"
    return {0: "empty", 1: "1 file"}.get(files, f"{files:,} files")


def _directory(file: BinaryIO, size_bytes: int) -> bytes:
    """The bytes of the list. It stands right before the end, wherever the archive itself begins."""
    file.seek(max(0, size_bytes - _END.size - _LONGEST_COMMENT))
    tail = file.read(_END.size + _LONGEST_COMMENT)
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        raise _NotReadable
    _, entries, length, _, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise _NotReadable
    end = size_bytes - len(tail) + at
    if entries == _IN_END64[0] or length == _IN_END64[1]:
        length, end = _directory64(file, tail, at, end, length)
    if length > min(end, _MOST_BYTES):
        raise _NotReadable
    file.seek(end - length)
    return file.read(length)


def _directory64(file: BinaryIO, tail: bytes, at: int, end: int, length: int) -> tuple[int, int]:
    """Its length and its end in the 64-bit form; what was given, when there is none."""
    if at < _LOCATOR.size or not tail.startswith(b"PK\x06\x07", at - _LOCATOR.size):
        return length, end
    _, end64 = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
    if end64 > end:
        raise _NotReadable
    file.seek(end64)
    record = file.read(_END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        raise _NotReadable
    _, length, _ = _END64.unpack(record)
    return length, end64


def _entries(directory: bytes) -> Iterator[_Entry]:
    """Its entries, one more than the most that are counted at most."""
    at = 0
    for _ in range(_MOST_FILES + 1):
        if at == len(directory):
            return
        if len(directory) - at < _ENTRY.size or not directory.startswith(b"PK\x01\x02", at):
            raise _NotReadable
        _, flags, name, extra, comment = _ENTRY.unpack_from(directory, at)
        at += _ENTRY.size
        yield _Entry(name=directory[at : at + name], locked=bool(flags & 1))
        at += name + extra + comment
