"""How each type of file begins: a table of fixed signatures, and readers for the containers that need a closer look.

Every reader looks at the start of the file alone, in bounded time, and answers None when it is not its kind.
"""

import re
from collections.abc import Mapping

_PDF = re.compile(rb"%PDF-\d")
_PDF_WITHIN = 1024  # bytes of mail or printer headers that viewers skip
_OBJECT = re.compile(rb"\d+ \d+ obj\b")

# (how it begins, type): the first line that matches
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF.{4}WEBP", "image/webp"),
    (rb"(?:II\x2a\x00|MM\x00\x2a).{4}CR", "image/x-canon-cr2"),
    (rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]", "image/tiff"),
    (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", "image/bmp"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (rb"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (rb"\x00\x00\x01\x00[\x01-\xff]\x00", "image/x-icon"),
    (rb"8BPS\x00[\x01\x02]", "image/vnd.adobe.photoshop"),
    (rb"AC10[0-9]{2}", "image/vnd.dwg"),
    (rb"(?:RIFF|RF64).{4}WAVE", "audio/wav"),
    (rb"fLaC", "audio/flac"),
    (rb"#!AMR(?:-WB)?\n", "audio/amr"),
    (rb"MThd\x00\x00\x00\x06", "audio/midi"),
    (rb"FORM.{4}AIF[FC]", "audio/aiff"),
    (rb"RIFF.{4}AVI ", "video/x-msvideo"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-wmv"),
    (rb"FLV\x01", "video/x-flv"),
    (rb"\x00\x00\x01[\xb3\xba]", "video/mpeg"),
    (rb"Rar!\x1a\x07[\x00\x01]", "application/vnd.rar"),
    (rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (rb"\x1f\x8b\x08", "application/gzip"),
    (rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)", "application/x-bzip2"),
    (rb"\xfd7zXZ\x00", "application/x-xz"),
    (rb"\x28\xb5\x2f\xfd", "application/zstd"),
    (rb".{257}ustar", "application/x-tar"),
    (rb"\{\\rtf", "application/rtf"),
    (rb"%!PS", "application/postscript"),
    (rb"MZ.{58}", "application/x-msdownload"),
    (rb"\x7fELF[\x01\x02]", "application/x-executable"),
    (rb"SQLite format 3\x00", "application/x-sqlite3"),
    (rb"\x00asm\x01\x00\x00\x00", "application/wasm"),
    (rb"wOFF", "font/woff"),
    (rb"wOF2", "font/woff2"),
    (rb"\x00\x01\x00\x00\x00", "font/ttf"),
    (rb"OTTO\x00", "font/otf"),
)
_COMPILED = tuple((re.compile(signature, re.DOTALL), mime_type) for signature, mime_type in _SIGNATURES)

_ZIP = re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)")
_OOXML_FIRST = re.compile(
    rb"PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/|docProps/|customXml/|word/|xl/|ppt/)", re.DOTALL
)
_OOXML_PART = re.compile(rb"PK\x03\x04.{26}(word|xl|ppt)/", re.DOTALL)
_OOXML: Mapping[bytes, str] = {
    b"word": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
# OpenDocument and EPUB begin with a file that holds their type, not compressed
_SAYS_ITS_TYPE = re.compile(
    rb"PK\x03\x04.{22}\x08\x00.{2}mimetype"
    rb"(application/(?:vnd\.oasis\.opendocument\.(?:text|spreadsheet|presentation)|epub\+zip))",
    re.DOTALL,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORD_6_TO_2003 = b"\xec\xa5\xc1\x00"


def signature(head: bytes) -> str | None:
    """A type with a fixed signature."""
    return next((mime_type for pattern, mime_type in _COMPILED if pattern.match(head)), None)


def pdf(head: bytes) -> str | None:
    """A PDF, also behind some junk as viewers allow it. What begins as markup stays that, whatever follows."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _PDF.match(text):
        return "application/pdf"
    start = _PDF.search(head, 0, _PDF_WITHIN)
    if start and _OBJECT.search(head, start.end()) and not head.lstrip().startswith(b"<"):
        return "application/pdf"
    return None


def zipped(head: bytes) -> str | None:
    """A zip, and what is known to be made of one."""
    if not _ZIP.match(head):
        return None
    if says := _SAYS_ITS_TYPE.match(head):
        return says[1].decode("ascii")
    part = _OOXML_PART.search(head) if _OOXML_FIRST.match(head) else None
    return _OOXML[part[1]] if part else "application/zip"


def ole(head: bytes) -> str | None:
    """Office files from before 2007 and Outlook's messages. Only Word shows itself so early."""
    if not head.startswith(_OLE):
        return None
    return "application/msword" if head[512:516] == _WORD_6_TO_2003 else "application/x-ole-storage"
