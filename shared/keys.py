"""Object keys, built here and nowhere else: from digests and recipe names only, never from what a sender wrote."""

import re
from dataclasses import dataclass
from enum import StrEnum

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ORIGINAL = re.compile(rf"(?:incoming|outbound)/(?P<aa>..)/(?P<sha256>{_SHA256.pattern})\.{_WORD.pattern}")
_RENDITION = re.compile(rf"renditions/(?P<aa>..)/(?P<sha256>{_SHA256.pattern})/{_WORD.pattern}-[0-9]+\.{_WORD.pattern}")


class Folder(StrEnum):
    """Where an original came from: WhatsApp, or an operator's upload."""

    INCOMING = "incoming"
    OUTBOUND = "outbound"


@dataclass(frozen=True, kw_only=True)
class ParsedKey:
    """What a key tells. `sha256` is always that of the original."""

    sha256: str
    is_original: bool


def original_key(folder: Folder, *, sha256: str, extension: str) -> str:
    """`incoming/<aa>/<sha256>.<ext>`; `extension` without the dot, as sniffed from the bytes."""
    _check(sha256, extension)
    return f"{folder.value}/{sha256[:2]}/{sha256}.{extension}"


def rendition_key(*, sha256: str, name: str, recipe: int, extension: str) -> str:
    """`renditions/<aa>/<sha256 of the original>/<name>-<recipe>.<ext>`: a new recipe is a new key."""
    _check(sha256, extension, name)
    return f"renditions/{sha256[:2]}/{sha256}/{name}-{recipe}.{extension}"


def parse(key: str) -> ParsedKey | None:
    """What one of the two functions above has put into `key`; None when it was made elsewhere, say by hand."""
    original = _ORIGINAL.fullmatch(key)
    found = original or _RENDITION.fullmatch(key)
    if found is None or not found["sha256"].startswith(found["aa"]):
        return None
    return ParsedKey(sha256=found["sha256"], is_original=original is not None)


def _check(sha256: str, *words: str) -> None:
    if not _SHA256.fullmatch(sha256):
        msg = "a key needs the SHA-256 as 64 lowercase hex digits"
        raise ValueError(msg)
    for word in words:
        if not _WORD.fullmatch(word):
            msg = f"{word!r} cannot be part of a key; lowercase letters, digits and '-' can"
            raise ValueError(msg)
