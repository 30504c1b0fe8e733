"""What bytes are, told from their start alone, and which type to show when Meta said something else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared import signatures, stream_signatures
from shared.plan import RENDERERS

_UNKNOWN = "application/octet-stream"
# what may stand in a Content-Type header and be shown: a declared type of another form is junk
_PLAIN = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
# bytes that no text has: what has none of them in its first kilobytes is not the binary format it begins like
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAY_LOOK_LIKE_TEXT = frozenset({"application/pdf", "application/rtf", "application/postscript", "audio/amr"})

# in this order: the first that knows it, says what it is
_READERS = (
    signatures.signature,
    signatures.pdf,
    signatures.zipped,
    signatures.ole,
    stream_signatures.iso_media,
    stream_signatures.matroska,
    stream_signatures.ogg,
    stream_signatures.frames,
)

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/tiff": "tif",
    "image/x-canon-cr2": "cr2",
    "image/jxl": "jxl",
    "image/jp2": "jp2",
    "image/x-icon": "ico",
    "image/vnd.adobe.photoshop": "psd",
    "image/vnd.dwg": "dwg",
    "audio/aac": "aac",
    "audio/aiff": "aif",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/midi": "mid",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/ogg": "ogv",
    "video/mpeg": "mpg",
    "video/x-msvideo": "avi",
    "video/x-ms-wmv": "wmv",
    "video/x-flv": "flv",
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/postscript": "ps",
    "application/msword": "doc",
    "application/x-ole-storage": "ole",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
    f"{_OPEN}.text": "odt",
    f"{_OPEN}.spreadsheet": "ods",
    f"{_OPEN}.presentation": "odp",
    "application/epub+zip": "epub",
    "application/zip": "zip",
    "application/vnd.rar": "rar",
    "application/x-7z-compressed": "7z",
    "application/gzip": "gz",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/zstd": "zst",
    "application/x-tar": "tar",
    "application/x-msdownload": "exe",
    "application/x-executable": "elf",
    "application/x-sqlite3": "sqlite",
    "application/wasm": "wasm",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "font/ttf": "ttf",
    "font/otf": "otf",
    _UNKNOWN: "bin",
}
"""Every type that `sniff` knows, with the extension of its files."""

# a container's start does not tell what is inside: there a declared type of the same family is the better word
_OLD_OFFICE = ("application/msword", "application/vnd.ms-*", f"{_OFFICE}.*")  # the last: with a password
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "application/zip": (
        f"{_OFFICE}.*",
        f"{_OPEN}.*",
        "application/vnd.ms-*",  # the same with macros: application/vnd.ms-word.document.macroEnabled.12
        "application/vnd.android.package-archive",
        "application/epub+zip",
        "application/java-archive",
        "application/x-zip-compressed",
        "application/x-zip",
    ),
    "application/msword": _OLD_OFFICE,
    "application/x-ole-storage": _OLD_OFFICE,
    "video/mp4": (
        "audio/mp4",
        "audio/x-m4a",
        "audio/m4a",
        "video/x-m4v",
        "video/quicktime",
        "video/3gpp",
        "audio/3gpp",
    ),
    "video/3gpp": ("audio/3gpp", "video/3gpp2", "audio/3gpp2"),
    "audio/mp4": ("audio/x-m4a", "audio/m4a"),
    "audio/ogg": ("audio/opus",),
    "video/webm": ("audio/webm",),
    "video/x-matroska": ("audio/x-matroska",),
}


@dataclass(frozen=True, kw_only=True)
class Sniffed:
    """The type that the bytes have, and the extension that goes with it (without the dot)."""

    mime_type: str
    extension: str


def sniff(head: bytes) -> Sniffed:
    """Type and extension from the first bytes; `application/octet-stream` and `bin` when they tell nothing.

    Text of any kind tells nothing: no mark distinguishes a letter from a program.
    """
    mime_type = next((found for reader in _READERS if (found := reader(head))), _UNKNOWN)
    if mime_type not in _MAY_LOOK_LIKE_TEXT and not _BINARY.search(head):
        mime_type = _UNKNOWN
    return Sniffed(mime_type=mime_type, extension=EXTENSIONS[mime_type])


def shown_type(sniffed: str, declared: str) -> str:
    """The MIME type people and browsers are told; `declared` may carry parameters, or be junk."""
    base = declared.partition(";")[0].strip().lower()
    if _PLAIN.fullmatch(base) is None:
        return sniffed
    if sniffed == _UNKNOWN:
        # what we would have recognised, it is not, whatever was declared
        return sniffed if base in EXTENSIONS or base in RENDERERS else base
    return base if any(_is_of(base, family) for family in _FAMILIES.get(sniffed, ())) else sniffed


def _is_of(mime_type: str, family: str) -> bool:
    return mime_type.startswith(family[:-1]) if family.endswith("*") else mime_type == family
