"""A message is deleted by whoever sent it."""

from typing import Any

import pytest

from shared.events import MessageRevoked
from tests.unit.webhook_gateway.examples import EXAMPLES, whole
from tests.unit.webhook_gateway.payloads import RECEIVED_AT, change, message, raw, webhook
from webhook_gateway.whatsapp import parse

BY_NAME = {example.name: example for example in EXAMPLES}


def revoked(payload: Any) -> list[str]:
    parsed = parse(raw(payload), received_at=RECEIVED_AT)
    assert parsed.unreadable == ()
    return [event.message_id for event in parsed.events if isinstance(event, MessageRevoked)]


def test_by_a_customer() -> None:
    payload = whole(BY_NAME["no-media-revoke"])

    assert revoked(payload) == ["wamid.HBgLMTU1NTAxMDk5OTkVAgASGBQzQUFBQUFBQUFBQUFBQUFBQUFBMQA="]


def test_by_the_business_in_its_own_app() -> None:
    assert revoked(whole(BY_NAME["echo-edited"])) == ["wamid.ECHO"]


@pytest.mark.parametrize(
    "odd", [None, "wamid.X", [], {}, {"original_message_id": None}, {"original_message_id": {"id": "wamid.X"}}]
)
def test_what_names_no_message_says_nothing(odd: Any) -> None:
    assert revoked(webhook(change(message(type="revoke", image=None, revoke=odd)))) == []
