"""A digest comes in several forms; what comes out is hex or nothing."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from webhook_gateway.whatsapp.digests import sha256_hex

RAW = bytes(range(224, 256))
HEX = RAW.hex()
BASE64 = b64encode(RAW).decode()
URL_SAFE = urlsafe_b64encode(RAW).decode()


@pytest.mark.parametrize("written", [HEX, HEX.upper(), BASE64, BASE64.rstrip("="), URL_SAFE, URL_SAFE.rstrip("=")])
def test_every_form_becomes_lowercase_hex(written: str) -> None:
    assert sha256_hex(written) == HEX


@pytest.mark.parametrize(
    "junk",
    [None, 7, [], {}, True, "", "junk", HEX[:-1], HEX + "0", BASE64 + "=", BASE64[:-2], "A" * 44, "=" * 44, "é" * 43],
)
def test_junk_is_no_digest(junk: Any) -> None:
    assert sha256_hex(junk) is None
