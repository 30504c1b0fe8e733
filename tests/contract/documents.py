"""Documents as a person would write them into the database by hand, after the field list of the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.e2e.world import JSON, World

SENT_AT = datetime(2026, 9, 21, 10, 0, tzinfo=UTC)
NOBODY_LOOKS = SENT_AT + timedelta(days=3650)
SHA256 = "1274fc170770be8c3348dedc6b8ca6e3ff04f944fce866c1a96bc422ba635106"
ORIGINAL = {"key": f"incoming/12/{SHA256}.jpg", "mimeType": "image/jpeg", "sizeBytes": 10, "sha256": SHA256}
THUMB = {
    "key": f"renditions/12/{SHA256}/thumb-1.webp",
    "mimeType": "image/webp",
    "width": 320,
    "height": 240,
    "sizeBytes": 5,
}


def failure(stage: str, code: str) -> JSON:
    """Why it failed."""
    return {"stage": stage, "code": code, "message": "a reason for people", "providerStatus": 503, "at": SENT_AT}


def document(*, phone_number_id: str, conversation_id: str = "ccontract", **more: Any) -> JSON:
    """An attachment that nobody works on; `media` is merged into its own."""
    media = {
        "status": "ready",
        "revision": 3,
        "providerMediaId": "700000000000001",
        "attempts": 1,
        "deadline": NOBODY_LOOKS,
        "updatedAt": SENT_AT,
        "declared": {"mimeType": "image/jpeg"},
        "storage": {"original": ORIGINAL, "renditions": {"thumb": THUMB}},
        "facts": {},
    } | more.pop("media", {})
    if media["status"] in {"pending", "stored"}:
        media["wakeAt"] = NOBODY_LOOKS
    return {
        "_id": f"m{uuid4().hex}",
        "conversationId": conversation_id,
        "messageId": f"wamid.{uuid4().hex}",
        "direction": "inbound",
        "phoneNumberId": phone_number_id,
        "sender": {"waId": "15550102030"},
        "kind": "image",
        "sentAt": SENT_AT,
        "receivedAt": SENT_AT,
        "media": media,
        **more,
    }


@contextmanager
def in_database(world: World, *documents: JSON) -> Iterator[None]:
    """These documents are there until the context is left."""
    world.messages.insert_many(documents)
    try:
        yield
    finally:
        world.messages.delete_many({"_id": {"$in": [each["_id"] for each in documents]}})
