"""Messages: those that customers write, those that the business writes in its app, and those of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from whatsapp_simulator.contents import MessageContent
from whatsapp_simulator.encoding import present
from whatsapp_simulator.parties import BusinessNumber, Customer
from whatsapp_simulator.updates import WebhookError

ECHOES = "smb_message_echoes"
HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One entry of `messages[]`, or with `field=ECHOES` of `message_echoes[]`.

    `outbound`: the business wrote it, and `sender` is the customer to whom. `in_contacts=False` leaves the customer
    out of `contacts[]`. `number_timestamp` sends the time as a number, as old payloads do.
    """

    number: BusinessNumber
    id: str
    timestamp: int
    sender: Customer
    content: MessageContent
    group_id: str | None = None
    context: Mapping[str, object] | None = None
    referral: Mapping[str, object] | None = None
    errors: Sequence[WebhookError] = ()
    field: str = "messages"
    outbound: bool = False
    in_contacts: bool = True
    number_timestamp: bool = False

    @property
    def alone(self) -> bool:
        return False

    def as_json(self) -> dict[str, object]:
        business = {"from": self.number.display_phone_number}
        parties = business | self.sender.as_addressee() if self.outbound else self.sender.as_sender()
        timestamp = self.timestamp if self.number_timestamp else str(self.timestamp)
        return (
            parties
            | present(group_id=self.group_id)
            | {"id": self.id, "timestamp": timestamp, "type": self.content.type}
            | present(context=self.context, referral=self.referral)
            | present(**{self.content.type: self.content.body()})
            | present(errors=[error.as_json() for error in self.errors] or None)
        )

    def add_to(self, value: dict[str, Any]) -> None:
        contact = self.sender.contact() if self.in_contacts and not self.outbound else {}
        contacts = value.setdefault("contacts", []) if contact else []
        if contact not in contacts:
            contacts.append(contact)
        value.setdefault("message_echoes" if self.field == ECHOES else "messages", []).append(self.as_json())


def echo(message: Message) -> Message:
    """The same, written by the business in its WhatsApp app (coexistence)."""
    return replace(message, field=ECHOES, outbound=True)


@dataclass(frozen=True, kw_only=True)
class HistoryChunk:
    """Messages from before the number joined, or with `refusal` the news that the business shares none."""

    number: BusinessNumber
    messages: Sequence[Message] = ()
    phase: int = 0
    chunk_order: int = 1
    progress: int = 100
    status: str = "READ"
    refusal: WebhookError | None = None

    @property
    def field(self) -> str:
        return HISTORY

    @property
    def alone(self) -> bool:
        return True

    def as_json(self) -> dict[str, object]:
        if self.refusal is not None:
            return {"errors": [self.refusal.as_json()]}
        threads: dict[str, list[object]] = {}
        for message in self.messages:
            entry = message.as_json() | {"history_context": {"status": self.status}}
            threads.setdefault(message.sender.wa_id or message.sender.user_id or "", []).append(entry)
        return {
            "metadata": {"phase": self.phase, "chunk_order": self.chunk_order, "progress": self.progress},
            "threads": [{"id": who, "messages": messages} for who, messages in threads.items()],
        }

    def add_to(self, value: dict[str, Any]) -> None:
        value.setdefault("history", []).append(self.as_json())
