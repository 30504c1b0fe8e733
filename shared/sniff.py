"""What bytes are, told from their start alone, and which type to show when Meta said something else."""

import re
from dataclasses import dataclass

import filetype

_UNKNOWN = "application/octet-stream"
# what may stand in a Content-Type header and be shown: a declared type of another form is junk
_PLAIN = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
# the library's names in the field's words
_RENAMED = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
    "video/x-m4v": "video/mp4",
    "application/x-rar-compressed": "application/vnd.rar",
}
# a container's start does not tell what is inside: there a declared type of the same family is the better word
_FAMILIES: dict[str, tuple[str, ...]] = {
    "application/zip": (
        "application/vnd.openxmlformats-officedocument.",
        "application/vnd.oasis.opendocument.",
        "application/vnd.android.package-archive",
        "application/epub+zip",
        "application/java-archive",
        "application/x-zip",
    ),
    "video/mp4": ("video/mp4", "audio/mp4", "audio/x-m4a", "video/quicktime", "video/3gpp", "audio/3gpp"),
    "video/3gpp": ("video/3gpp", "audio/3gpp"),
    "audio/ogg": ("audio/ogg", "video/ogg", "audio/opus"),
    "application/msword": ("application/msword", "application/vnd.ms-"),
}
# what we would have recognised: bytes that are not it are not shown as it, whatever was declared
_RECOGNISED = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/tiff", "image/bmp", "image/heic", "application/pdf"}
)


@dataclass(frozen=True, kw_only=True)
class Sniffed:
    """The type that the bytes have, and the extension that goes with it (without the dot)."""

    mime_type: str
    extension: str


def sniff(head: bytes) -> Sniffed:
    """Type and extension from the first bytes; `application/octet-stream` and `bin` when they tell nothing."""
    found = filetype.guess(head)
    if found is None:
        return Sniffed(mime_type=_UNKNOWN, extension="bin")
    return Sniffed(mime_type=_RENAMED.get(found.mime, found.mime), extension=found.extension.lower())


def shown_type(sniffed: str, declared: str) -> str:
    """The MIME type people and browsers are told; `declared` may carry parameters, or be junk."""
    base = declared.partition(";")[0].strip().lower()
    if _PLAIN.fullmatch(base) is None:
        return sniffed
    family = _FAMILIES.get(sniffed)
    if family is not None and base.startswith(family):
        return base
    return base if sniffed == _UNKNOWN and base not in _RECOGNISED else sniffed
