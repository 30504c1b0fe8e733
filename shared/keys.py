"""Object keys, built here and nowhere else: from digests and recipe names only, never from what a sender wrote."""

import re
from enum import StrEnum

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class Folder(StrEnum):
    """Where an original came from: WhatsApp, or an operator's upload."""

    INCOMING = "incoming"
    OUTBOUND = "outbound"


def original_key(folder: Folder, *, sha256: str, extension: str) -> str:
    """`incoming/<aa>/<sha256>.<ext>`; `extension` without the dot, as sniffed from the bytes."""
    _check(sha256, extension)
    return f"{folder.value}/{sha256[:2]}/{sha256}.{extension}"


def rendition_key(*, sha256: str, name: str, recipe: int, extension: str) -> str:
    """`renditions/<aa>/<sha256 of the original>/<name>-<recipe>.<ext>`: a new recipe is a new key."""
    _check(sha256, extension, name)
    return f"renditions/{sha256[:2]}/{sha256}/{name}-{recipe}.{extension}"


def _check(sha256: str, *words: str) -> None:
    if not _SHA256.fullmatch(sha256):
        msg = "a key needs the SHA-256 as 64 lowercase hex digits"
        raise ValueError(msg)
    for word in words:
        if not _WORD.fullmatch(word):
            msg = f"{word!r} cannot be part of a key; lowercase letters, digits and '-' can"
            raise ValueError(msg)
