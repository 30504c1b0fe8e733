"""Meta's signature over the raw bytes of a webhook."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

from pydantic import SecretStr

_FORM = re.compile(r"sha256=([0-9a-fA-F]{64})")


class SignatureProblem(StrEnum):
    """Why a signature does not hold."""

    MISSING = "missing"
    MALFORMED = "malformed"  # not `sha256=` and 64 hex digits
    MISMATCH = "mismatch"  # not made with any of the secrets over these bytes


def signature_problem(header: str | None, body: bytes, secrets: Sequence[SecretStr]) -> SignatureProblem | None:
    """`None` when `X-Hub-Signature-256` was made with one of the secrets over exactly these bytes.

    Never raises, whatever the header holds. Takes the same time wherever the digests differ.
    """
    if header is None:
        return SignatureProblem.MISSING
    form = _FORM.fullmatch(header)
    if form is None:
        return SignatureProblem.MALFORMED
    given = bytes.fromhex(form[1])
    # every secret is tried: leaving at the first match would tell which one it was
    matches = [hmac.compare_digest(given, _digest(secret, body)) for secret in secrets]
    return None if any(matches) else SignatureProblem.MISMATCH


def _digest(secret: SecretStr, body: bytes) -> bytes:
    return hmac.digest(secret.get_secret_value().encode("utf-8", "surrogateescape"), body, hashlib.sha256)
