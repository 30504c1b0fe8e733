"""The gateway's real routes on a publisher that keeps what it is given."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

from aio_pika import Message
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from shared.broker.publisher import PublishFailed
from shared.events import Event
from tests.unit.webhook_gateway.payloads import APP_SECRET, RECEIVED_AT, signed
from webhook_gateway.app import gateway
from webhook_gateway.settings import MIB, Settings

PATH = "/webhooks/whatsapp"
Client = TestClient[web.Request, web.Application]


@dataclass
class MemoryPublisher:
    """Confirms at once and keeps what it was given; or refuses."""

    away: bool = False
    full: str | None = None  # a queue that takes nothing
    published: list[tuple[str, list[Event]]] = field(default_factory=list)
    sent: list[tuple[str, Message]] = field(default_factory=list)

    async def publish(self, events: Iterable[Event], *, correlation_id: str) -> None:
        batch = list(events)
        if batch and self.away:
            raise PublishFailed("not confirmed")
        if batch:
            self.published.append((correlation_id, batch))

    async def send(self, queue: str, message: Message) -> None:
        if self.away or queue == self.full:
            raise PublishFailed("not confirmed")
        self.sent.append((queue, message))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one webhook led to."""

    status: int
    events: list[Event]
    parked: list[Message]


@asynccontextmanager
async def running_gateway(publisher: MemoryPublisher, *, max_body_bytes: int = 4 * MIB) -> AsyncIterator[Client]:
    """Served on loopback."""
    settings = Settings(
        whatsapp_app_secret=f"older-secret,{APP_SECRET}",
        whatsapp_verify_token="verify-me",
        webhook_max_body_bytes=max_body_bytes,
    )
    async with TestClient(TestServer(gateway(settings, publisher, clock=lambda: RECEIVED_AT))) as client:
        yield client


async def answered(client: Client, publisher: MemoryPublisher, body: bytes) -> Answer:
    """The answer to this body, signed, and what was published and parked because of it."""
    publisher.published.clear()
    publisher.sent.clear()
    async with client.post(PATH, data=BytesIO(body), headers=signed(body)) as response:
        status = response.status
    return Answer(
        status=status,
        events=[event for _, events in publisher.published for event in events],
        parked=[message for _, message in publisher.sent],
    )
