"""Webhook payloads as Meta builds them, from plain data. Pure: no clock, no network, no randomness.

Optional keys are left out unless given, as Meta does. Everything that a payload is built of can be imported from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from whatsapp_simulator.attachments import Attachment, Kind
from whatsapp_simulator.calls import Call
from whatsapp_simulator.contents import (
    Edit,
    Flow,
    MediaPlaceholder,
    MessageContent,
    Other,
    Revoke,
    SystemNotice,
    Text,
    Unsupported,
)
from whatsapp_simulator.encoding import escape
from whatsapp_simulator.messages import ECHOES, HISTORY, HistoryChunk, Message, echo
from whatsapp_simulator.parties import BusinessNumber, Customer
from whatsapp_simulator.updates import AccountError, FieldChange, Status, Update, WebhookError

__all__ = [
    "ECHOES",
    "HISTORY",
    "MOST_BYTES",
    "MOST_UPDATES",
    "AccountError",
    "Attachment",
    "BusinessNumber",
    "Call",
    "Customer",
    "Edit",
    "FieldChange",
    "Flow",
    "HistoryChunk",
    "Kind",
    "MediaPlaceholder",
    "Message",
    "MessageContent",
    "Other",
    "Revoke",
    "Status",
    "SystemNotice",
    "Text",
    "Unsupported",
    "Update",
    "WebhookError",
    "WebhookTooLarge",
    "body_of",
    "echo",
    "envelope",
]

MOST_UPDATES = 1000
"""The most that Meta puts into one POST."""
MOST_BYTES = 3 * 1024 * 1024
"""The largest body that Meta sends."""


class WebhookTooLarge(ValueError):
    """More than Meta ever puts into one POST: 1000 updates, 3 MB."""


def body_of(updates: Sequence[Update]) -> bytes:
    """What is sent for these updates, byte for byte."""
    body = escape(envelope(updates))
    if len(updates) > MOST_UPDATES or len(body) > MOST_BYTES:
        raise WebhookTooLarge(f"{len(updates)} updates, {len(body)} bytes")
    return body


def envelope(updates: Sequence[Update]) -> dict[str, object]:
    """The body of one POST: an entry for each run of updates of one WABA, in it a change for each run of one number
    and field."""
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {"id": waba_id, "changes": list(_changes(of_waba))}
            for waba_id, of_waba in groupby(updates, key=lambda update: update.number.waba_id)
        ],
    }


def _changes(updates: Iterator[Update]) -> Iterator[dict[str, object]]:
    def place(update: Update) -> tuple[BusinessNumber, str, int]:
        return update.number, update.field, id(update) if update.alone else 0

    for (number, field, _), run in groupby(updates, key=place):
        value: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": number.display_phone_number,
                "phone_number_id": number.phone_number_id,
            },
        }
        for update in run:
            update.add_to(value)
        yield {"field": field, "value": value}
