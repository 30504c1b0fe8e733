"""Small documents and archives made in code: PDFs, office files, zips. Deterministic."""

import hashlib
import struct
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO

from make_samples.pdf import rc4

RED, GREEN, BLUE, WHITE = b"0.86 0.12 0.16", b"0.12 0.70 0.24", b"0.16 0.24 0.82", b"1 1 1"
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
_PERMISSIONS = -44

OPEN_XML = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"


# ---- PDF ------------------------------------------------------------------------------------------------------------


def corners(width: int, height: int) -> bytes:
    """A page's content: red at the top left, green at the top right, blue at the bottom left, white elsewhere."""
    w, h = width // 2, height // 2
    return b"\n".join(
        b"%b rg %d %d %d %d re f" % (colour, x, y, w, h)
        for colour, x, y in ((RED, 0, h), (GREEN, w, h), (BLUE, 0, 0), (WHITE, w, 0))
    )


def text(words: str, *, font: str = "F1") -> bytes:
    """A page's content: one large line."""
    return f"BT /{font} 40 Tf 10 30 Td ({words}) Tj ET".encode("latin-1")


def pdf(
    *contents: bytes,
    media_box: str = "0 0 200 100",
    page: str = "",
    catalog: str = "",
    objects: Mapping[int, bytes] | None = None,
    password: str | None = None,
    base_font: str = "Helvetica",
) -> bytes:
    """One page for each of `contents`. `page` and `catalog` add to the dictionaries, `objects` from 90 on.

    `password` is what readers ask for; with an empty one the file is enciphered, but opens for everybody.
    """
    kids = " ".join(f"{10 + 2 * number} 0 R" for number in range(len(contents)))
    found: dict[int, bytes] = {
        1: f"<</Type/Catalog/Pages 2 0 R {catalog}>>".encode("latin-1"),
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>".encode(),
        3: f"<</Type/Font/Subtype/Type1/BaseFont/{base_font}>>".encode(),
    }
    secret = _Secret(password) if password is not None else None
    for number, content in enumerate(contents):
        at = 10 + 2 * number
        found[at] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[{media_box}]/Contents {at + 1} 0 R"
            f"/Resources<</Font<</F1 3 0 R>>>> {page}>>"
        ).encode("latin-1")
        data = secret.enciphered(content, at + 1) if secret else content
        found[at + 1] = b"<</Length %d>>stream\n%b\nendstream" % (len(data), data)
    if secret:
        found[4] = secret.dictionary
    return pdf_of(found | dict(objects or {}), trailer=secret.trailer if secret else b"")


def pdf_of(objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
    """The file of these objects; the first is the catalog."""
    out, places = BytesIO(), {}
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    for number, content in sorted(objects.items()):
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))
    table = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, place in places.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    size = max(objects) + 1
    out.write(b"trailer<</Size %d/Root 1 0 R %b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, table))
    return out.getvalue()


class _Secret:
    """The oldest way to lock a PDF: RC4 with a key of 40 bits (security handler 2)."""

    _id = bytes(range(16))

    def __init__(self, password: str) -> None:
        padded = (password.encode("latin-1") + _PADDING)[:32]
        owner = rc4(hashlib.md5(_PADDING).digest()[:5], padded)  # noqa: S324 - the format's choice
        permissions = struct.pack("<i", _PERMISSIONS)
        self._key = hashlib.md5(padded + owner + permissions + self._id).digest()[:5]  # noqa: S324
        user = rc4(self._key, _PADDING)
        self.dictionary = b"<</Filter/Standard/V 1/R 2/O<%b>/U<%b>/P %d>>" % (
            owner.hex().encode(),
            user.hex().encode(),
            _PERMISSIONS,
        )
        self.trailer = b"/Encrypt 4 0 R/ID[<%b><%b>]" % ((self._id.hex().encode(),) * 2)

    def enciphered(self, data: bytes, number: int) -> bytes:
        salted = self._key + struct.pack("<I", number)[:3] + bytes(2)
        return rc4(hashlib.md5(salted).digest()[:10], data)  # noqa: S324


# ---- zips, and what is made of them ---------------------------------------------------------------------------------


def zip_of(names: Iterable[str], *, content: bytes = b"content", comment: bytes = b"") -> bytes:
    """An archive of small files; a name that ends in `/` is a folder."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"" if name.endswith("/") else content)
    return out.getvalue()


def office(part: str = "word/document.xml", *, padding: int = 0) -> bytes:
    """A docx, xlsx or pptx by its main part; `padding` bytes stand before it, as a large picture may."""
    return zip_of(
        ["[Content_Types].xml", "_rels/.rels", *(["docProps/thumbnail.jpeg"] if padding else []), part],
        content=b"<x/>" + bytes(padding),
    )


def typed_zip(mime_type: str) -> bytes:
    """OpenDocument and EPUB: the first file holds the type."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), mime_type)
        archive.writestr(zipfile.ZipInfo("META-INF/manifest.xml"), "<x/>")
    return out.getvalue()


def locked_zip(names: Iterable[str]) -> bytes:
    """An archive whose files say that they need a password."""
    data = bytearray(zip_of(names))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(mark, at + 4)
    return bytes(data)


def zip_that_declares(entries: int, *, directory_bytes: int | None = None) -> bytes:
    """An archive of one file whose end says that there are others."""
    data = bytearray(zip_of(["a.txt"]))
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", data, end + 8, entries, entries)
    if directory_bytes is not None:
        struct.pack_into("<I", data, end + 12, directory_bytes)
    return bytes(data)


def zip64_that_declares(entries: int, *, directory_bytes: int, directory_at: int = 0) -> bytes:
    """Nothing but the end of an archive in its 64-bit form."""
    end64 = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, directory_bytes, directory_at
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"PK\x03\x04" + end64 + locator + end


# ---- office files from before 2007 ----------------------------------------------------------------------------------


def ole(*streams: str) -> bytes:
    """A compound file of empty streams: one sector of directory behind the header, as many entries as fit."""
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<III", header, 44, 1, 1, 0)  # one sector of table; the directory begins in sector 1
    struct.pack_into("<I", header, 76, 0)  # which is sector 0
    table = bytearray(b"\xff" * 512)
    sectors = (len(streams) + 1 + 3) // 4
    chain = [0xFFFFFFFD, *range(2, sectors + 1), 0xFFFFFFFE]
    struct.pack_into(f"<{len(chain)}I", table, 0, *chain)
    entries = [_ole_entry("Root Entry", kind=5), *(_ole_entry(name, kind=2) for name in streams)]
    return bytes(header) + bytes(table) + b"".join(entries).ljust(512 * sectors, b"\0")


def _ole_entry(name: str, *, kind: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHB", encoded, len(encoded), kind).ljust(128, b"\0")
