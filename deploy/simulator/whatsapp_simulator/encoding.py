"""How Meta writes its JSON and signs it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

# Reported by others as written escaped in webhooks, besides the solidus and everything outside ASCII.
_ESCAPED_IN_WEBHOOKS = {"/": "\\/", "@": "\\u0040", "<": "\\u003C", "%": "\\u0025"}


def escape(payload: Mapping[str, object]) -> bytes:
    """A webhook body in Meta's escaped form: pure ASCII, no spaces.

    A receiver that parses and writes it again gets other bytes, and so another signature.
    """
    text = _compact(payload)
    for character, escaped in _ESCAPED_IN_WEBHOOKS.items():  # none of them occurs in JSON outside strings
        text = text.replace(character, escaped)
    return text.encode("ascii")


def graph_json(payload: Mapping[str, object]) -> bytes:
    """A Graph answer as Meta writes it: slashes escaped, non-ASCII as \\uXXXX."""
    return _compact(payload).replace("/", "\\/").encode("ascii")


def present(**values: object) -> dict[str, object]:
    """These keys, without those that have no value: Meta leaves optional keys out."""
    return {key: value for key, value in values.items() if value is not None}


def sign(body: bytes, app_secret: str) -> str:
    """The value of `X-Hub-Signature-256` for exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def webhook_digest(digest: bytes) -> str:
    """A SHA-256 as webhooks carry it: standard base64. (Graph's metadata has hex.)"""
    return base64.b64encode(digest).decode("ascii")


def _compact(payload: Mapping[str, object]) -> str:
    return json.dumps(payload, ensure_ascii=True, separators=(",", ":"))
