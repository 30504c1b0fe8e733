"""Every example of a message in Meta's documentation, with exactly the events it must cause."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.events import Event, MediaReceived
from shared.ids import media_id
from shared.media import Customer, Declared, Direction, MediaKind, Sender
from tests.unit.webhook_gateway.payloads import (
    NUMBER,
    RECEIVED_AT,
    change,
    digest_of,
    escaped,
    message,
    raw,
    text_message,
    webhook,
)
from webhook_gateway.whatsapp import parse

ADA_AS_SENDER = Sender(
    wa_id="15550109999", user_id="US.10000000000000000001", name="Ada Example", username="ada.example"
)
ADA_AS_CUSTOMER = Customer(wa_id="15550109999", user_id="US.10000000000000000001")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A message and what it announces."""

    name: str
    message: dict[str, Any]
    events: tuple[MediaReceived, ...]
    contacts: tuple[dict[str, Any], ...] | None = None


def announced(
    message_id: str, provider_media_id: str, seconds: int, mime_type: str, digest_text: str, **other: Any
) -> MediaReceived:
    return MediaReceived(
        **{
            "media_id": media_id(phone_number_id=NUMBER, message_id=message_id, provider_media_id=provider_media_id),
            "phone_number_id": NUMBER,
            "message_id": message_id,
            "provider_media_id": provider_media_id,
            "sender": ADA_AS_SENDER,
            "customer": ADA_AS_CUSTOMER,
            "sent_at": datetime.fromtimestamp(seconds, UTC),
            "received_at": RECEIVED_AT,
            "declared": Declared(mime_type=mime_type, sha256=digest_of(digest_text)),
            **other,
        }
    )


IMAGE_ID = "wamid.HBgLMTU1NTAxMDk5OTkVAgASGBQzQUFBQUFBQUFBQUFBQUFBQUFBMQA="
EXAMPLES = [
    Example(
        name="image",
        message={
            "from": "15550109999",
            "from_user_id": "US.10000000000000000001",
            "id": IMAGE_ID,
            "timestamp": "1790000000",
            "type": "image",
            "image": {
                "caption": "Broken pipe, see photo",
                "mime_type": "image/jpeg",
                "sha256": "EnT8FwdwvowzSN7ca4ym4/8E+UT86GbBqWvEIrpjUQY=",
                "id": "700000000000001",
                "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=700000000000001&ext=1790000301",
            },
        },
        events=(
            announced(
                IMAGE_ID,
                "700000000000001",
                1790000000,
                "image/jpeg",
                "demo-image",
                kind=MediaKind.IMAGE,
                caption="Broken pipe, see photo",
            ),
        ),
    ),
    Example(
        name="video",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEVIDEO0001==",
            "timestamp": "1790000010",
            "type": "video",
            "context": {"frequently_forwarded": True},
            "video": {
                "caption": "Clip",
                "mime_type": "video/mp4",
                "sha256": "n17a9JBgg/tU/RI8YzKDaCTEkkZld6ipYXH6jVOrlFw=",
                "id": "700000000000002",
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEVIDEO0001==",
                "700000000000002",
                1790000010,
                "video/mp4",
                "demo-video",
                kind=MediaKind.VIDEO,
                caption="Clip",
            ),
        ),
    ),
    Example(
        name="voice note",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEVOICE0001==",
            "timestamp": "1790000020",
            "type": "audio",
            "audio": {
                "mime_type": "audio/ogg; codecs=opus",
                "sha256": "x5SXxskLZDQWcL6ui4LnWehf0a9IOnif/JLtHb83WKk=",
                "id": "700000000000003",
                "voice": True,
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEVOICE0001==",
                "700000000000003",
                1790000020,
                "audio/ogg; codecs=opus",
                "demo-audio",
                kind=MediaKind.VOICE,
            ),
        ),
    ),
    Example(
        name="document",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEDOC00001==",
            "timestamp": "1790000030",
            "type": "document",
            "context": {"from": "15550100001", "id": "wamid.EXAMPLEOUTGOING01=="},
            "document": {
                "caption": "Signed copy",
                "filename": "Verträge 2026 – final (1).pdf",  # noqa: RUF001 - as people name their files
                "mime_type": "application/pdf",
                "sha256": "t+1ugZi5aOFiYu+GK+w/3ifaK72PJISj3n7UJVYA7Zs=",
                "id": "700000000000004",
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEDOC00001==",
                "700000000000004",
                1790000030,
                "application/pdf",
                "demo-document",
                kind=MediaKind.DOCUMENT,
                caption="Signed copy",
                file_name="Verträge 2026 – final (1).pdf",  # noqa: RUF001 - as above
            ),
        ),
    ),
    Example(
        name="sticker",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLESTICKER01==",
            "timestamp": "1790000040",
            "type": "sticker",
            "sticker": {
                "mime_type": "image/webp",
                "sha256": "p07pYUkNaKRGMNS0PpduS1lKmy1EbgoKm8GUpI9HM5k=",
                "id": "700000000000005",
                "animated": True,
            },
        },
        events=(
            announced(
                "wamid.EXAMPLESTICKER01==",
                "700000000000005",
                1790000040,
                "image/webp",
                "demo-sticker",
                kind=MediaKind.STICKER,
            ),
        ),
    ),
    Example(
        name="Flow reply",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEFLOW0001==",
            "timestamp": "1790000050",
            "type": "interactive",
            "context": {"from": "15550100001", "id": "wamid.EXAMPLEOUTGOING02=="},
            "interactive": {
                "type": "nfm_reply",
                "nfm_reply": {
                    "name": "flow",
                    "body": "Sent",
                    "response_json": '{"flow_token":"order-77","photo_picker":[{"file_name":"IMG_0001.jpg",'
                    '"mime_type":"image/jpeg","sha256":"+9OBWiWQrEF9R7eSsrKpqY2VNbKkAcPuY7glWwc0iIQ=",'
                    '"id":"700000000000006"}]}',
                },
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEFLOW0001==",
                "700000000000006",
                1790000050,
                "image/jpeg",
                "demo-flow",
                kind=MediaKind.IMAGE,
                file_name="IMG_0001.jpg",
            ),
        ),
    ),
    Example(
        name="edited image",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEEDIT0001==",
            "timestamp": "1790000060",
            "type": "edit",
            "edit": {
                "original_message_id": IMAGE_ID,
                "message": {
                    "context": {"id": "M0"},
                    "type": "image",
                    "image": {
                        "caption": "Broken pipe, see photo (kitchen)",
                        "mime_type": "image/jpeg",
                        "sha256": "43WrVR+qnLSkOwBTQpFlKZcQpCRZ98vLW5/lsbV/jR0=",
                        "id": "700000000000007",
                    },
                },
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEEDIT0001==",
                "700000000000007",
                1790000060,
                "image/jpeg",
                "demo-edit",
                kind=MediaKind.IMAGE,
                caption="Broken pipe, see photo (kitchen)",
            ),
        ),
    ),
    Example(
        name="unsupported",
        message={
            "from": "15550109999",
            "id": "wamid.EXAMPLEUNSUPP01==",
            "timestamp": "1790000070",
            "type": "unsupported",
            "unsupported": {"type": "poll_creation"},
            "errors": [
                {
                    "code": 131051,
                    "title": "Message type unknown",
                    "message": "Message type unknown",
                    "error_data": {"details": "Message type is currently not supported."},
                }
            ],
        },
        events=(),
    ),
    Example(
        name="group image",
        message={
            "from": "15550108888",
            "from_user_id": "US.10000000000000000002",
            "group_id": "HBgLMTU1NTAxMDAwMDE",
            "id": "wamid.EXAMPLEGROUP0001==",
            "timestamp": "1790000080",
            "type": "image",
            "image": {
                "mime_type": "image/jpeg",
                "sha256": "6GVa9hwRFDV8MNNPEhIOJ6gYKnkmx7bht+szKFwIzLI=",
                "id": "700000000000008",
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEGROUP0001==",
                "700000000000008",
                1790000080,
                "image/jpeg",
                "demo-group",
                kind=MediaKind.IMAGE,
                sender=Sender(wa_id="15550108888", user_id="US.10000000000000000002"),
                customer=Customer(wa_id="15550108888", user_id="US.10000000000000000002"),
                group_id="HBgLMTU1NTAxMDAwMDE",
            ),
        ),
    ),
    Example(
        name="sticker of a user without a phone number",
        contacts=({"profile": {"name": "Grace", "username": "grace.h"}, "user_id": "US.10000000000000000003"},),
        message={
            "from_user_id": "US.10000000000000000003",
            "id": "wamid.EXAMPLEBSUID0001==",
            "timestamp": "1790000090",
            "type": "sticker",
            "sticker": {
                "mime_type": "image/webp",
                "sha256": "p07pYUkNaKRGMNS0PpduS1lKmy1EbgoKm8GUpI9HM5k=",
                "id": "700000000000009",
                "animated": False,
            },
        },
        events=(
            announced(
                "wamid.EXAMPLEBSUID0001==",
                "700000000000009",
                1790000090,
                "image/webp",
                "demo-sticker",
                kind=MediaKind.STICKER,
                sender=Sender(user_id="US.10000000000000000003", name="Grace", username="grace.h"),
                customer=Customer(user_id="US.10000000000000000003"),
            ),
        ),
    ),
]
NEIGHBOUR = "wamid.NEIGHBOUR=="


def contacts_of(example: Example) -> dict[str, Any]:
    return {} if example.contacts is None else {"contacts": list(example.contacts)}


@pytest.mark.parametrize("written", [raw, escaped])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_causes_exactly_its_events(example: Example, written: Callable[[Any], bytes]) -> None:
    body = written(webhook(change(example.message, **contacts_of(example))))

    parsed = parse(body, received_at=RECEIVED_AT)

    assert parsed.events == example.events
    assert parsed.unreadable == ()
    assert parsed.fields == {"messages": 1}


@pytest.mark.parametrize("written", [raw, escaped])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_among_others_causes_the_same_events(example: Example, written: Callable[[Any], bytes]) -> None:
    alerts = {"field": "account_alerts", "value": {"entity_type": "WABA", "entity_id": "100200300400500"}}
    statuses = change(statuses=[{"id": "wamid.OUT", "status": "delivered", "timestamp": "1790000099"}])
    body = written(
        webhook(
            alerts,
            change(text_message(), example.message, message(NEIGHBOUR), **contacts_of(example)),
            statuses,
        )
    )

    parsed = parse(body, received_at=RECEIVED_AT)

    assert parsed.events[:-1] == example.events
    assert [found.message_id for found in media(parsed.events[-1:])] == [NEIGHBOUR]
    assert parsed.unreadable == ()
    assert parsed.fields == {"account_alerts": 1, "messages": 2}


def test_the_batched_example_with_two_numbers_causes_an_event_for_each_medium() -> None:
    body = escaped(
        {
            "object": "whatsapp_business_account",
            "entry": [
                {
                    "id": "100200300400500",
                    "changes": [
                        change(
                            text_message("wamid.EXAMPLEBATCH001=="),
                            message("wamid.EXAMPLEBATCH002=="),
                            statuses=[{"id": "wamid.OUT", "status": "delivered", "recipient_id": "15550109999"}],
                        ),
                        {"field": "account_alerts", "value": {"entity_type": "WABA"}},
                    ],
                },
                {
                    "id": "100200300400501",
                    "changes": [
                        change(
                            message(
                                "wamid.EXAMPLEBATCH003==",
                                **{"from": "15550107777"},
                                type="document",
                                image=None,
                                document={
                                    "filename": "invoice.pdf",
                                    "mime_type": "application/pdf",
                                    "sha256": "t+1ugZi5aOFiYu+GK+w/3ifaK72PJISj3n7UJVYA7Zs=",
                                    "id": "700000000000011",
                                },
                            ),
                            number="200300400500601",
                            contacts=[{"profile": {"name": "Bo"}, "wa_id": "15550107777"}],
                        )
                    ],
                },
            ],
        }
    )

    parsed = parse(body, received_at=RECEIVED_AT)

    assert [(e.phone_number_id, e.message_id, e.kind, e.sender.name) for e in media(parsed.events)] == [
        (NUMBER, "wamid.EXAMPLEBATCH002==", MediaKind.IMAGE, "Ada Example"),
        ("200300400500601", "wamid.EXAMPLEBATCH003==", MediaKind.DOCUMENT, "Bo"),
    ]
    assert all(event.direction is Direction.INBOUND for event in media(parsed.events))


def media(events: tuple[Event, ...]) -> list[MediaReceived]:
    return [event for event in events if isinstance(event, MediaReceived)]
