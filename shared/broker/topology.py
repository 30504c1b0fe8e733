"""Exchanges and queues as data, declared idempotently by whoever starts first (ADR 0002: quorum queues).

Arguments of an existing queue never change: a change is a new queue name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractQueue, ExchangeType

from shared.events import IdentityChanged, MediaReceived, MediaStored, MessageRevoked

EXCHANGE = "media.events"

# Looking at a dead letter is a delivery too; -1 ("no limit" on 4.x) makes 3.10 drop at the first requeue.
_NO_DELIVERY_LIMIT = 2147483647
# The broker's own limit is the last net; the consumer gives up long before, with a reason in the headers.
_LAST_NET_DELIVERIES = 100


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A durable quorum queue and what it does with a message nobody could take."""

    name: str
    routing_key: str | None = None
    dead_letter_to: str | None = None
    ttl_seconds: int | None = None
    delivery_limit: int = _LAST_NET_DELIVERIES

    @property
    def arguments(self) -> dict[str, str | int]:
        """AMQP `x-` arguments. Dead-lettering is at-most-once unless strategy and overflow are both stated."""
        arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": self.delivery_limit}
        if self.dead_letter_to is not None:
            arguments |= {
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.dead_letter_to,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
        if self.ttl_seconds is not None:
            arguments["x-message-ttl"] = self.ttl_seconds * 1000
        return arguments


@dataclass(frozen=True, kw_only=True)
class WorkQueue:
    """A queue that one service works off, with the retry queues and the dead-letter queue beside it."""

    name: str
    routing_key: str | None

    @property
    def dead_letters(self) -> str:
        """Where given-up messages wait for a person."""
        return f"{self.name}.dlq"

    @property
    def work(self) -> Queue:
        """The queue that is worked off."""
        return Queue(name=self.name, routing_key=self.routing_key, dead_letter_to=self.dead_letters)

    def retry(self, seconds: int) -> str:
        """Where a message waits `seconds` before it comes back to the work queue."""
        return f"{self.name}.retry.{seconds}s"

    def queues(self, retry_delays: Iterable[int] = ()) -> Sequence[Queue]:
        """Every queue of the family; the retry queues only for those who name their delays."""
        return (
            Queue(name=self.dead_letters, delivery_limit=_NO_DELIVERY_LIMIT),
            self.work,
            *(
                Queue(name=self.retry(seconds), dead_letter_to=self.name, ttl_seconds=seconds)
                for seconds in dict.fromkeys(retry_delays)
            ),
        )


INGEST = WorkQueue(name="ingestor.media-received", routing_key=MediaReceived.routing_key)
IDENTITIES = WorkQueue(name="ingestor.identity-changed", routing_key=IdentityChanged.routing_key)
REVOCATIONS = WorkQueue(name="ingestor.message-revoked", routing_key=MessageRevoked.routing_key)
PREVIEW = WorkQueue(name="previewer.media-stored", routing_key=MediaStored.routing_key)
UNREADABLE = WorkQueue(name="webhook-gateway.unreadable", routing_key=None)


async def declare(channel: AbstractChannel, queues: Iterable[Queue]) -> Sequence[AbstractQueue]:
    """Make the exchange and these queues exist; a robust channel makes them again after a reconnect."""
    made = []
    exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    for queue in queues:
        declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        if queue.routing_key is not None:
            await declared.bind(exchange, queue.routing_key)
        made.append(declared)
    return made
