"""What the business has sent through Graph, and what becomes of it."""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.parties import BusinessNumber, Customer
from whatsapp_simulator.token_bucket import TokenBuckets
from whatsapp_simulator.updates import Status, WebhookError

WINDOW_SECONDS = 24 * 3600
_MOST_KEPT = 10_000
_MESSAGES_PER_SECOND = 80
_PAIR_BURST, _PAIR_PER_SECOND = 45, 1 / 6


@dataclass(frozen=True, kw_only=True)
class OutboundMessage:
    """A message that was accepted, which is not yet delivered. `payload` is the request's body as it came."""

    id: str
    number: BusinessNumber
    to: str
    sent_at: int
    payload: Mapping[str, Any]
    failure: WebhookError | None = None

    def status(self, status: str) -> Status:
        """The status that tells of it."""
        is_user_id = "to" not in self.payload
        return Status(
            number=self.number,
            id=self.id,
            timestamp=self.sent_at,
            status=status,
            recipient_id=None if is_user_id else self.to,
            recipient_user_id=self.to if is_user_id else None,
            errors=(self.failure,) if self.failure is not None and status == "failed" else (),
            biz_opaque_callback_data=self.payload.get("biz_opaque_callback_data"),
        )


class Outbox:
    """The accepted messages, newest last, and the limits that they are held to."""

    def __init__(self, clock: Clock) -> None:
        self.on_accepted: Callable[[OutboundMessage], None] = lambda message: None
        self._clock = clock
        self._messages: deque[OutboundMessage] = deque(maxlen=_MOST_KEPT)
        self._heard_at: dict[tuple[str, str], float] = {}
        self._throughput = TokenBuckets(clock, burst=_MESSAGES_PER_SECOND, per_second=_MESSAGES_PER_SECOND)
        self._pairs = TokenBuckets(clock, burst=_PAIR_BURST, per_second=_PAIR_PER_SECOND)

    def all(self) -> tuple[OutboundMessage, ...]:
        """The newest 10,000, oldest first."""
        return tuple(self._messages)

    def clear(self) -> None:
        """Forget the messages; the limits stay."""
        self._messages.clear()

    def heard_from(self, number: BusinessNumber, customer: Customer) -> None:
        """The customer wrote: for 24 hours the business may write anything."""
        for identity in (customer.wa_id, customer.user_id):
            if identity:
                self._heard_at[number.phone_number_id, identity] = self._clock.now()

    def limit_hit(self, number: BusinessNumber, to: str) -> int | None:
        """The code of the limit that one more message to this user would break."""
        if not self._throughput.take(number.phone_number_id):
            return 130429
        if not self._pairs.take(f"{number.phone_number_id} {to}"):
            return 131056
        return None

    def accept(self, number: BusinessNumber, to: str, payload: Mapping[str, Any]) -> OutboundMessage:
        """Take the message; outside the 24 hours it will fail, unless it is a template."""
        free_form = payload.get("type") != "template" and payload.get("recipient_type") != "group"
        heard_at = self._heard_at.get((number.phone_number_id, to), float("-inf"))
        late = free_form and self._clock.now() >= heard_at + WINDOW_SECONDS
        message = OutboundMessage(
            id=new_message_id(),
            number=number,
            to=to,
            sent_at=int(self._clock.now()),
            payload=payload,
            failure=_TOO_LATE if late else None,
        )
        self._messages.append(message)
        self.on_accepted(message)
        return message


def new_message_id(prefix: str = "wamid.") -> str:
    """An id as WhatsApp makes them: base64, so that `/`, `+` and `=` occur in them."""
    return prefix + base64.b64encode(secrets.token_bytes(40)).decode("ascii")


_TOO_LATE = WebhookError(
    code=131047,
    title="Re-engagement message",
    details="Message failed to send because more than 24 hours have passed since the customer last replied.",
)
