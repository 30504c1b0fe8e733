"""Webhooks as Meta sends them, built from the part that matters to a test."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

APP_SECRET = "demo-app-secret"
NUMBER = "200300400500600"
BUSINESS = "15550100001"
RECEIVED_AT = datetime(2026, 9, 22, 12, 0, 0, tzinfo=UTC)
ADA = {
    "profile": {"name": "Ada Example", "username": "ada.example"},
    "wa_id": "15550109999",
    "user_id": "US.10000000000000000001",
}


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def image(media_id: str = "700000000000001", **extra: Any) -> dict[str, Any]:
    return {
        "mime_type": "image/jpeg",
        "sha256": "EnT8FwdwvowzSN7ca4ym4/8E+UT86GbBqWvEIrpjUQY=",
        "id": media_id,
        **extra,
    }


def message(message_id: str = "wamid.ONE", **extra: Any) -> dict[str, Any]:
    """An image of Ada's, unless `extra` says otherwise; `None` leaves a key out."""
    whole = {
        "from": "15550109999",
        "id": message_id,
        "timestamp": "1790000000",
        "type": "image",
        "image": image(),
        **extra,
    }
    return {key: value for key, value in whole.items() if value is not None}


def text_message(message_id: str = "wamid.TEXT") -> dict[str, Any]:
    return message(message_id, type="text", image=None, text={"body": "hello"})


def change(*messages: Any, field: str = "messages", number: str = NUMBER, **value: Any) -> dict[str, Any]:
    return {
        "field": field,
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": BUSINESS, "phone_number_id": number},
            "contacts": [ADA],
            **({"messages": list(messages)} if messages else {}),
            **value,
        },
    }


def webhook(*changes: Any) -> dict[str, Any]:
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "100200300400500", "changes": list(changes)}],
    }


def raw(payload: Any) -> bytes:
    """UTF-8 as it is."""
    return json.dumps(payload, ensure_ascii=False).encode()


def escaped(payload: Any) -> bytes:
    r"""Meta's own form: `\uXXXX` for all that is not ASCII and for some that is, `\/` for slashes."""
    text = json.dumps(payload, ensure_ascii=True).replace("/", "\\/")
    for character in "@<%":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
