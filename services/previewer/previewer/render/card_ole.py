"""What an office file from before 2007 is, told by the names of the streams in it."""

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

_KINDS: Mapping[str, str] = {
    "EncryptedPackage": "Office document, password-protected",
    "__nameid_version1.0": "Outlook message",
    "WordDocument": "Word document",
    "Workbook": "Excel spreadsheet",
    "Book": "Excel spreadsheet",
    "PowerPoint Document": "PowerPoint presentation",
    "VisioDocument": "Visio drawing",
}

_HEADER_BYTES = 512
_SECTOR_SHIFTS = (9, 12)
_ENTRY_BYTES = 128
_NAME_BYTES = 64
_MOST_SECTORS = 64  # of the list of names; a list that runs in circles ends here too
_TABLES_IN_HEADER = 109


def label(file: BinaryIO) -> str | None:
    """What people call it; None when no name in it is known."""
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or (shift := header[30]) not in _SECTOR_SHIFTS:
        return None
    names = set(_names(file, header, 1 << shift))
    return next((kind for name, kind in _KINDS.items() if name in names), None)


def _names(file: BinaryIO, header: bytes, sector_bytes: int) -> Iterator[str]:
    for sector in _directory(file, header, sector_bytes):
        for at in range(0, len(sector) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
            length = int.from_bytes(sector[at + _NAME_BYTES : at + _NAME_BYTES + 2], "little")
            yield sector[at : at + min(max(length - 2, 0), _NAME_BYTES)].decode("utf-16-le", "replace")


def _directory(file: BinaryIO, header: bytes, sector_bytes: int) -> Iterator[bytes]:
    """The sectors that hold the names, each found by the number that the table has for the one before it."""
    (number,) = struct.unpack_from("<I", header, 48)
    tables = struct.unpack_from(f"<{_TABLES_IN_HEADER}I", header, 76)
    for _ in range(_MOST_SECTORS):
        file.seek((number + 1) * sector_bytes)
        sector = file.read(sector_bytes)
        if not sector:
            return
        yield sector
        table, place = divmod(number, sector_bytes // 4)
        if table >= len(tables):
            return
        file.seek((tables[table] + 1) * sector_bytes + 4 * place)
        number = int.from_bytes(file.read(4), "little")
