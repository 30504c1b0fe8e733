"""PDF files written by hand: a contract, and a statement that asks for a password."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence

PASSWORD = "open sesame"  # noqa: S105 - for people who want to look into the sample
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_EVERYTHING_ALLOWED = -4
_ID = hashlib.md5(b"attache", usedforsecurity=False).digest()

_Seal = Callable[[int, bytes], bytes]

_CLAUSES = (
    "1. The tenant may use the workshop at 12 Harbour Road from the first of April",
    "    until the last of March of the following year.",
    "2. The rent is due on the first working day of each month.",
    "3. Repairs of pipes, valves and heating are paid for by the owner.",
    "4. Both sides may end this contract in writing, three months before the end",
    "    of a quarter.",
    "5. Keys are handed over on the first day, and given back on the last.",
)


def contract_pdf() -> bytes:
    """Three pages of text with a correct cross-reference table."""
    return _file([_contract_page(number) for number in range(1, 4)], lambda _, content: content)


def statement_locked_pdf() -> bytes:
    """A page that is encrypted with a user password (RC4 with 40 bits, as old as it is common)."""
    owner = rc4(_md5(_padded(PASSWORD))[:5], _padded(PASSWORD))
    key = _md5(_padded(PASSWORD) + owner + struct.pack("<i", _EVERYTHING_ALLOWED) + _ID)[:5]

    def seal(number: int, content: bytes) -> bytes:
        return rc4(_md5(key + struct.pack("<I", number)[:3] + b"\0\0")[:10], content)

    page = _text(72, 760, 22, "Account statement") + _text(72, 700, 12, "For the eyes of its owner only.")
    encrypt = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P %d /O <%s> /U <%s> >> /ID [<%s> <%s>]" % (
        _EVERYTHING_ALLOWED,
        owner.hex().encode(),
        rc4(key, _PADDING).hex().encode(),
        _ID.hex().encode(),
        _ID.hex().encode(),
    )
    return _file([page], seal, encrypt)


def _contract_page(number: int) -> bytes:
    shapes = b"0.16 0.35 0.42 rg 0 800 595 42 re f 0 g "
    shapes += _text(72, 812, 16, "Corner Store", grey=1) + _text(486, 812, 11, f"Page {number} of 3", grey=1)
    if number == 1:
        shapes += _text(72, 740, 26, "Rental contract", bold=True)
        shapes += _text(72, 710, 13, "Signed copy, 12 March 2026", grey=0.4)
    for row, line in enumerate(_CLAUSES):
        shapes += _text(72, 660 - 30 * row, 13, line)
    if number == 1:
        shapes += b"0.93 0.95 0.96 rg 72 330 451 96 re f 0 g " + _text(90, 398, 13, "Monthly rent", bold=True)
        shapes += _text(90, 364, 13, "Workshop, 64 square metres") + _text(452, 364, 13, "780.00")
        shapes += _text(90, 342, 13, "Heating and water") + _text(460, 342, 13, "95.00")
    shapes += b"0.6 G 72 190 m 262 190 l S 330 190 m 520 190 l S "
    shapes += _text(72, 172, 11, "Owner", grey=0.4) + _text(330, 172, 11, "Tenant", grey=0.4)
    if number == 1:
        shapes += b"0.1 0.2 0.6 RG 2 w 90 200 m 104 250 112 236 110 206 c 122 236 140 240 138 208 c "
        shapes += b"160 232 172 226 214 214 c S "
        shapes += b"346 204 m 350 260 382 246 366 214 c 392 250 410 226 402 206 c 430 232 452 214 486 220 c S 1 w "
    return shapes


def _text(x: int, y: int, size: int, words: str, *, grey: float = 0, bold: bool = False) -> bytes:
    escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"{grey:g} g BT /F{2 if bold else 1} {size} Tf {x} {y} Td ({escaped}) Tj ET 0 g\n".encode("latin-1")


def _file(pages: Sequence[bytes], seal: _Seal, more: bytes = b"") -> bytes:
    kids = b" ".join(b"%d 0 R" % (5 + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for page in pages:
        number = len(objects) + 1
        sealed = seal(number + 1, page)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>" % (number + 1),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(sealed), sealed),
        ]
    body, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, more, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PADDING)[:32]


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def rc4(key: bytes, data: bytes) -> bytes:
    """The cipher of the first encrypted PDFs: worth nothing, and opened by every reader."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)
