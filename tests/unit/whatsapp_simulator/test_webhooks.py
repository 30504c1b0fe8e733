from __future__ import annotations

from typing import Any

import pytest

from whatsapp_simulator import (
    ADA,
    DEMO_NUMBER,
    Attachment,
    BusinessNumber,
    Customer,
    Kind,
    Message,
    Status,
    Text,
    envelope,
)

DIGEST = "EnT8FwdwvowzSN7ca4ym4/8E+UT86GbBqWvEIrpjUQY="


def make_message(
    content: Attachment | Text, *, message_id: str = "wamid.A==", sender: Customer = ADA, group_id: str | None = None
) -> Message:
    return Message(
        number=DEMO_NUMBER, id=message_id, timestamp=1790000000, sender=sender, content=content, group_id=group_id
    )


def values(payload: Any) -> list[Any]:
    return [change["value"] for entry in payload["entry"] for change in entry["changes"]]


def test_an_image_is_the_references_example() -> None:
    url = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=700000000000001"
    image = Attachment(
        kind=Kind.IMAGE,
        media_id="700000000000001",
        mime_type="image/jpeg",
        sha256=DIGEST,
        caption="Broken pipe, see photo",
        url=url,
    )

    payload = envelope([make_message(image)])

    assert payload == {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "100200300400500",
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "15550100001",
                                "phone_number_id": "200300400500600",
                            },
                            "contacts": [
                                {
                                    "profile": {"name": "Ada Example"},
                                    "wa_id": "15550109999",
                                    "user_id": "US.10000000000000000001",
                                }
                            ],
                            "messages": [
                                {
                                    "from": "15550109999",
                                    "from_user_id": "US.10000000000000000001",
                                    "id": "wamid.A==",
                                    "timestamp": "1790000000",
                                    "type": "image",
                                    "image": {
                                        "caption": "Broken pipe, see photo",
                                        "mime_type": "image/jpeg",
                                        "sha256": DIGEST,
                                        "id": "700000000000001",
                                        "url": url,
                                    },
                                }
                            ],
                        },
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("kind", "type_", "own"),
    [
        (Kind.VOICE, "audio", {"voice": True}),
        (Kind.AUDIO, "audio", {"voice": False}),
        (Kind.STICKER, "sticker", {"animated": False}),
        (Kind.VIDEO, "video", {}),
        (Kind.DOCUMENT, "document", {}),
    ],
)
def test_each_kind_has_its_type_and_keys(kind: Kind, type_: str, own: dict[str, bool]) -> None:
    content = Attachment(kind=kind, media_id="7", mime_type="application/pdf", sha256=None)

    (value,) = values(envelope([make_message(content)]))

    assert value["messages"][0]["type"] == type_
    assert value["messages"][0][type_] == {"mime_type": "application/pdf", "id": "7"} | own


def test_a_customer_who_hides_the_phone_number_is_known_by_user_id_only() -> None:
    grace = Customer(name="Grace", username="grace.h", user_id="US.3")

    (value,) = values(envelope([make_message(Text(text="hi"), sender=grace, group_id="HBg")]))

    assert value["contacts"] == [{"profile": {"name": "Grace", "username": "grace.h"}, "user_id": "US.3"}]
    assert "from" not in value["messages"][0]
    assert value["messages"][0]["group_id"] == "HBg"


def test_an_unknown_customer_has_no_contact() -> None:
    (value,) = values(envelope([make_message(Text(text="hi"), sender=Customer())]))

    assert "contacts" not in value


def test_a_batch_is_grouped_by_account_and_number() -> None:
    other = BusinessNumber(phone_number_id="2", waba_id="200")
    second = Message(number=other, id="b", timestamp=2, sender=ADA, content=Text(text="b"))
    delivered = Status(number=DEMO_NUMBER, id="out", timestamp=3, status="delivered", recipient_id="15550109999")
    updates: list[Message | Status] = [
        make_message(Text(text="a")),
        make_message(Text(text="c"), message_id="wamid.C=="),
        delivered,
        second,
    ]

    first_value, second_value = values(envelope(updates))

    assert [message["text"]["body"] for message in first_value["messages"]] == ["a", "c"]
    assert len(first_value["contacts"]) == 1
    assert first_value["statuses"] == [
        {"id": "out", "status": "delivered", "timestamp": "3", "recipient_id": "15550109999"}
    ]
    assert second_value["metadata"]["phone_number_id"] == "2"
