"""Calls and their recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.encoding import present
from whatsapp_simulator.parties import BusinessNumber, Customer


@dataclass(frozen=True, kw_only=True)
class Call:
    """The end of a call, with its recording if there is one."""

    number: BusinessNumber
    id: str
    timestamp: int
    customer: Customer
    recording: Attachment | None = None
    by_business: bool = False

    @property
    def field(self) -> str:
        return "calls"

    @property
    def alone(self) -> bool:
        return False

    def as_json(self) -> dict[str, object]:
        business, customer = self.number.display_phone_number, self.customer.wa_id
        caller, called = (business, customer) if self.by_business else (customer, business)
        recording = {"type": "audio", "audio": self.recording.body()} if self.recording else None
        return (
            {"id": self.id}
            | present(**{"from": caller}, to=called)
            | {"event": "terminate", "timestamp": str(self.timestamp)}
            | {"direction": "BUSINESS_INITIATED" if self.by_business else "USER_INITIATED"}
            | present(call_recording=recording)
        )

    def add_to(self, value: dict[str, Any]) -> None:
        value.setdefault("calls", []).append(self.as_json())
