"""The vectors of the reference, section 1.2."""

from __future__ import annotations

import hashlib
import json

import pytest

from whatsapp_simulator import escape, sign, webhook_digest

TEXT = "Café / 😀 a@b"
ENVELOPE = {
    "object": "whatsapp_business_account",
    "entry": [{"id": "1", "changes": [{"field": "messages", "value": {"text": TEXT}}]}],
}


def test_escaped_form_is_the_published_bytes() -> None:
    body = escape(ENVELOPE)

    assert len(body) == 146
    assert rb"Caf\u00e9 \/ \ud83d\ude00 a\u0040b" in body


def test_escaped_form_reads_back_as_the_payload() -> None:
    payload = {"text": 'back\\slash "quotes" \\/ 100% <b> @me / \u2028'}

    body = escape(payload)

    assert json.loads(body) == payload
    assert not set(b"@<%").intersection(body)


@pytest.mark.parametrize(
    ("secret", "body", "digest"),
    [
        (
            "It's a Secret to Everybody",
            b"Hello, World!",
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        ("demo-app-secret", escape(ENVELOPE), "35aa6c4d7cd9b2561fa6fda75c3b4de63cc6621b657a77beb80381a505b53992"),
        (
            "demo-app-secret",
            json.dumps(ENVELOPE, ensure_ascii=False, separators=(",", ":")).encode(),
            "5005545e5c139749519cc7b03800bc15fcc0e164f5262d0d66c0f00df653119e",
        ),
    ],
)
def test_signatures_are_the_published_ones(secret: str, body: bytes, digest: str) -> None:
    assert sign(body, secret) == f"sha256={digest}"


def test_webhook_digests_are_base64() -> None:
    assert webhook_digest(hashlib.sha256(b"demo-image").digest()) == "EnT8FwdwvowzSN7ca4ym4/8E+UT86GbBqWvEIrpjUQY="
