"""PDF files and archives that go round in circles, or that are far larger inside than outside."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import cache

from tests.hostile.case import Case
from tests.hostile.seeds import pdf, pdf_page, pdf_stream, seed, zipped

_MIB = 1024 * 1024
_PDF, _ZIP = "application/pdf", "application/zip"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (mime_type, make) in _MADE.items():
        yield Case(name=f"bomb.{name}", mime_type=mime_type, make=make)


# ---- PDF ------------------------------------------------------------------------------------------------------------


def _pages(body: bytes, more: Mapping[int, bytes] | None = None) -> bytes:
    return pdf({1: _CATALOG, 2: b"<< /Type /Pages " + body + b" >>", **(more or {})})


def _page(parent: int = 2, more: bytes = b"") -> bytes:
    return b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 200 100] %s >>" % (parent, more)


def _deep_tree(depth: int) -> bytes:
    nodes = {n: b"<< /Type /Pages /Parent %d 0 R /Kids [%d 0 R] /Count 1 >>" % (n - 1, n + 1) for n in range(3, depth)}
    return _pages(b"/Kids [3 0 R] /Count 1", {**nodes, depth: _page(depth - 1)})


def _tree_of_the_same(depth: int) -> bytes:
    """Each node has its child a hundred times: 100 ** depth pages in a few lines."""
    nodes = {
        n: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"%d 0 R " % (n + 1) * 100, min(100 ** (depth - n), 2**31 - 1))
        for n in range(3, depth)
    }
    return _pages(b"/Kids [3 0 R] /Count 2147483647", {**nodes, depth: _page()})


def _forms_in_themselves() -> bytes:
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 200 100] /Resources << /XObject << /F 5 0 R >> >>"
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R /Resources << /XObject << /F 5 0 R >> >>"),
            4: pdf_stream(b"/F Do " * 10),
            5: pdf_stream(b"/F Do " * 10, form),
        }
    )


def _forms_in_forms(depth: int, width: int) -> bytes:
    """A billion laughs: each form paints the next one many times."""
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 200 100] /Resources << /XObject << /F %d 0 R >> >>"
    forms = {n: pdf_stream(b"/F Do " * width, form % (n + 1)) for n in range(5, 5 + depth)}
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R /Resources << /XObject << /F 5 0 R >> >>"),
            4: pdf_stream(b"/F Do"),
            **forms,
            5 + depth: pdf_stream(b"0 0 100 100 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 200 100]"),
        }
    )


def _patterns_in_themselves() -> bytes:
    pattern = (
        b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.001 /YStep 0.001 "
        b"/Resources << /Pattern << /P 5 0 R >> >>"
    )
    paint = b"/Pattern cs /P scn 0 0 200 100 re f"
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R /Resources << /Pattern << /P 5 0 R >> >>"),
            4: pdf_stream(paint),
            5: pdf_stream(paint, pattern),
        }
    )


def _picture_in_pdf(width: int, height: int, data: bytes) -> bytes:
    image = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8 "
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >>"),
            4: pdf_stream(b"200 0 0 100 0 0 cm /I Do"),
            5: pdf_stream(data, image % (width, height) + b"/Filter /FlateDecode"),
        }
    )


@cache
def _zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _filters(count: int) -> bytes:
    data = bytes(30 * _MIB)
    for _ in range(3):
        data = zlib.compress(data, 9)
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R"),
            4: pdf_stream(data, b"/Filter [" + b"/FlateDecode " * count + b"]"),
        }
    )


def _inflated_content() -> bytes:
    content = zlib.compress(b"0 0 200 100 re f " * 10_000_000, 9)
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R"),
            4: pdf_stream(content, b"/Filter /FlateDecode"),
        }
    )


def _xref_loop() -> bytes:
    whole = seed("pdf")
    at = whole.rindex(b"xref\n0")
    return whole.replace(b"trailer << ", b"trailer << /Prev %d " % at)


def _objects_of_objects() -> bytes:
    """Lengths that lead to each other."""
    return pdf(
        {
            1: _CATALOG,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/Contents 4 0 R /Rotate 5 0 R"),
            4: b"<< /Length 5 0 R >>\nstream\n0 0 9 9 re f\nendstream",
            5: b"6 0 R",
            6: b"5 0 R",
        }
    )


def _script() -> bytes:
    """Opens pages and programs, and knows where a file is."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (while(1){app.alert(1)}) >> >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: _page(more=b"/AA << /O << /S /Launch /F (/bin/sh) >> >>"),
        }
    )


def _not_a_number(box: bytes) -> bytes:
    return pdf_page(b"0 0 10 10 re f", media_box=box)


# ---- archives -------------------------------------------------------------------------------------------------------


def _local(name: bytes, packed: bytes, size: int, crc: int) -> bytes:
    return b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0) + name


def _central(name: bytes, packed: int, size: int, crc: int, offset: int) -> bytes:
    head = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 33, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return b"PK\x01\x02" + head + name


def _end(count: int, size: int, offset: int) -> bytes:
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), size, offset, 0)


def _overlapping(count: int) -> bytes:
    """All entries are the same bytes, which are a gigabyte each."""
    packed = _raw_zeros(100 * _MIB)
    local = _local(b"a", packed, 100 * _MIB, 0) + packed
    directory = b"".join(_central(b"f%05d" % n, len(packed), 100 * _MIB, 0, 0) for n in range(count))
    return local + directory + _end(count, len(directory), len(local))


@cache
def _raw_zeros(size: int) -> bytes:
    return _zeros(size)[2:-4]


def _nested(depth: int) -> bytes:
    data = zipped({"0.txt": bytes(10 * _MIB)})
    for level in range(depth):
        data = zipped({f"{level}-{number}.zip": data for number in range(16)})
    return data


def _declares(count: int, *, size: int = 0x7FFFFFFF, offset: int = 0) -> bytes:
    return seed("zip")[:-22] + _end(count, size, offset)


def _zip64(count: int) -> bytes:
    """Says in the large directory that there are that many."""
    whole = seed("zip")
    at = len(whole) - 22
    start = whole.index(b"PK\x01\x02")
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, at - start, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1)
    return whole[:at] + end64 + locator + _end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def _entries(count: int) -> bytes:
    """Really that many, all empty, with a name of 200 characters each."""
    local = _local(b"x" * 200, b"\x03\0", 0, 0) + b"\x03\0"
    directory = b"".join(_central(b"%0200d" % n, 2, 0, 0, 0) for n in range(count))
    return local + directory + _end(count, len(directory), len(local))


def _names() -> bytes:
    names = ("../../etc/passwd", "/etc/shadow", "C:\\windows\\win.ini", "a\x00b", "\u202egpj.exe", "n\n" * 500)
    return zipped(dict.fromkeys(names, b"x"))


def _word(types: bytes) -> bytes:
    return zipped({"[Content_Types].xml": types, "_rels/.rels": b"<x/>", "word/document.xml": types})


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{entities}]><Types>&l9;</Types>'.encode()


def _outside() -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Types>&f;</Types>'


def _deep_xml() -> bytes:
    return b"<a>" * 500_000 + b"</a>" * 500_000


def _encrypted_word() -> bytes:
    """An old container, as Office uses it for files with a password; its table of sectors is a loop."""
    header = bytearray(512)
    header[0:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[26:32] = struct.pack("<HHH", 3, 0xFFFE, 9)
    header[32:34] = struct.pack("<H", 6)
    header[44:48] = struct.pack("<I", 0x7FFFFFFF)
    header[76:80] = struct.pack("<I", 0)
    return bytes(header) + struct.pack("<128I", *([0] * 128)) * 4


_MADE = {
    "pdf-tree-is-its-own-child": (_PDF, lambda: _pages(b"/Kids [2 0 R] /Count 1")),
    "pdf-two-are-each-others-child": (
        _PDF,
        lambda: _pages(b"/Kids [3 0 R] /Count 1", {3: b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"}),
    ),
    "pdf-deep-tree": (_PDF, lambda: _deep_tree(20_000)),
    "pdf-tree-of-the-same": (_PDF, lambda: _tree_of_the_same(12)),
    "pdf-1000000-pages-said": (_PDF, lambda: _pages(b"/Kids [3 0 R] /Count 1000000", {3: _page()})),
    "pdf-2147483647-pages-said": (_PDF, lambda: _pages(b"/Kids [3 0 R] /Count 2147483647", {3: _page()})),
    "pdf-minus-1-pages": (_PDF, lambda: _pages(b"/Kids [3 0 R] /Count -1", {3: _page()})),
    "pdf-1000000-kids": (_PDF, lambda: _pages(b"/Kids [" + b"3 0 R " * 1_000_000 + b"] /Count 1000000", {3: _page()})),
    "pdf-no-pages": (_PDF, lambda: _pages(b"/Kids [] /Count 0")),
    "pdf-no-catalog": (_PDF, lambda: pdf({1: b"null"})),
    "pdf-form-in-itself": (_PDF, _forms_in_themselves),
    "pdf-forms-in-forms": (_PDF, lambda: _forms_in_forms(20, 20)),
    "pdf-forms-deep": (_PDF, lambda: _forms_in_forms(5_000, 1)),
    "pdf-pattern-in-itself": (_PDF, _patterns_in_themselves),
    "pdf-huge-box": (_PDF, lambda: _not_a_number(b"0 0 2000000000 2000000000")),
    "pdf-box-of-1e38": (_PDF, lambda: _not_a_number(b"-1e38 -1e38 1e38 1e38")),
    "pdf-box-of-38-digits": (_PDF, lambda: _not_a_number(b"0 0 " + b"9" * 38 + b" " + b"9" * 38)),
    "pdf-thin-box": (_PDF, lambda: _not_a_number(b"0 0 100000 0.0001")),
    "pdf-empty-box": (_PDF, lambda: _not_a_number(b"0 0 0 0")),
    "pdf-no-box": (_PDF, lambda: _not_a_number(b"(a) /b null")),
    "pdf-deep-arrays": (_PDF, lambda: pdf_page(b"[" * 300_000)),
    "pdf-deep-dictionaries": (_PDF, lambda: pdf_page(b"", more=b"/X " + b"<< /X " * 100_000)),
    "pdf-deep-states": (_PDF, lambda: pdf_page(b"q " * 500_000)),
    "pdf-many-lines": (_PDF, lambda: pdf_page(b"0 0 m 200 100 l S " * 100_000)),
    "pdf-dashes": (_PDF, lambda: pdf_page(b"[0.00001] 0 d 0 0 m 200 100 l S " * 50)),
    "pdf-huge-picture": (_PDF, lambda: _picture_in_pdf(65_535, 65_535, _zeros(_MIB))),
    "pdf-whole-huge-picture": (_PDF, lambda: _picture_in_pdf(10_000, 10_000, _zeros(300 * _MIB))),
    "pdf-huge-content": (_PDF, _inflated_content),
    "pdf-filters": (_PDF, lambda: _filters(3)),
    "pdf-500-filters": (_PDF, lambda: _filters(500)),
    "pdf-table-loop": (_PDF, _xref_loop),
    "pdf-length-loop": (_PDF, _objects_of_objects),
    "pdf-table-of-2-gb": (_PDF, lambda: seed("pdf").replace(b"xref\n0 5", b"xref\n0 2147483647")),
    "pdf-object-number": (_PDF, lambda: seed("pdf").replace(b"4 0 obj", b"4294967295 0 obj")),
    "pdf-script": (_PDF, _script),
    "pdf-only-a-head": (_PDF, lambda: b"%PDF-1.7\n"),
    "zip-overlapping": (_ZIP, lambda: _overlapping(10_000)),
    "zip-nested": (_ZIP, lambda: _nested(4)),
    "zip-65535-said": (_ZIP, lambda: _declares(0xFFFF)),
    "zip-million-said": (_ZIP, lambda: _zip64(1_000_000)),
    "zip-trillions-said": (_ZIP, lambda: _zip64(2**62)),
    "zip-directory-before-the-start": (_ZIP, lambda: _declares(2, size=10, offset=0xFFFFFFF0)),
    "zip-60000-entries": (_ZIP, lambda: _entries(60_000)),
    "zip-names": (_ZIP, _names),
    "zip-duplicates": (_ZIP, lambda: _overlapping(2)),
    "docx-laughs": (_WORD, lambda: _word(_laughs())),
    "docx-outside": (_WORD, lambda: _word(_outside())),
    "docx-deep": (_WORD, lambda: _word(_deep_xml())),
    "docx-inflates": (_WORD, lambda: _word(bytes(200 * _MIB))),
    "doc-loop": ("application/msword", _encrypted_word),
    "gzip-of-gigabytes": ("application/gzip", lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + _raw_zeros(100 * _MIB)),
    "rar-only-a-head": ("application/vnd.rar", lambda: b"Rar!\x1a\x07\x01\0" + b"\xff" * 500),
    "7z-absurd": ("application/x-7z-compressed", lambda: b"7z\xbc\xaf\x27\x1c" + b"\xff" * 500),
    "tar-of-exabytes": ("application/x-tar", lambda: _tar(b"7" * 11)),
    "text-one-line": ("application/octet-stream", lambda: b"x" * 20 * _MIB),
    "text-only-marks": ("application/octet-stream", lambda: "\u202e\u2066\u200f".encode() * 100_000),
    "text-marks": (
        "application/octet-stream",
        lambda: "\u202egpj \x1b[31m\x07 <script>alert(1)</script>\n".encode(),
    ),
    "text-utf-16": ("application/octet-stream", lambda: "\ufeffHello there\nWorld\n".encode("utf-16-le") * 100),
    "text-utf-16-cut": ("application/octet-stream", lambda: b"\xff\xfe\x00\xd8" * 1_001 + b"\x00"),
    "text-newlines": ("application/octet-stream", lambda: b"\n" * 5 * _MIB),
    "text-combining": ("application/octet-stream", lambda: ("Z" + "\u0301" * 100_000).encode()),
    "csv-columns": ("application/octet-stream", lambda: b"a," * 2_000_000 + b"\n1"),
    "csv-quote": ("application/octet-stream", lambda: b'a,b\n"' + b"x" * 5 * _MIB),
    "html-tags": ("application/octet-stream", lambda: b"<html>" + b"<div>" * 500_000),
    "svg-laughs": ("application/octet-stream", lambda: b"<svg>" + _laughs()),
}


def _tar(size: bytes) -> bytes:
    header = bytearray(512)
    header[0:5], header[124:135], header[257:263] = b"a.txt", size, b"ustar\0"
    header[148:156] = b"%06o\0 " % (sum(header) + 8 * 32)
    return bytes(header) * 3
