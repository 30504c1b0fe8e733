"""A media digest in any of the forms in which Meta writes one."""

import binascii
import re
from typing import Any

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"([A-Za-z0-9+/]{43})=?")
_STANDARD_ALPHABET = str.maketrans("-_", "+/")


def sha256_hex(value: Any) -> str | None:
    """Lowercase hex from 64 hex digits or from base64 (either alphabet, padding optional); junk is no digest."""
    if not isinstance(value, str):
        return None
    if _HEX.fullmatch(value):
        return value.lower()
    encoded = _BASE64.fullmatch(value.translate(_STANDARD_ALPHABET))
    return binascii.a2b_base64(encoded[1] + "=").hex() if encoded else None
