"""Everything of one running Attache that an end-to-end test looks at from outside."""

import asyncio
import hashlib
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from pymongo import MongoClient

from local_stack import Stack, stack
from local_stack.demo.secrets import DemoSecrets, environment
from tests.infrastructure import TestServers, fresh_broker
from whatsapp_simulator import ADA, Simulator
from whatsapp_simulator.webhooks import Customer, Message

LIMIT_BYTES = 5_000_000

JSON = dict[str, Any]
T = TypeVar("T")
FINAL = frozenset({"ready", "skipped", "failed"})


class Frames:
    """What the operator's screen was told, in order."""

    def __init__(self) -> None:
        self.received: list[JSON] = []

    def of(self, wamid: str) -> list[JSON]:
        """The messages of this attachment, in the order in which they came."""
        return [frame["message"] for frame in self.received if frame.get("message", {}).get("messageId") == wamid]


@dataclass(frozen=True, kw_only=True)
class World:
    """A running stack with its settings, simulator, API (as operator), database and files."""

    stack: Stack
    settings: Mapping[str, str]
    simulator: Simulator
    api: aiohttp.ClientSession
    database: MongoClient[JSON]
    database_name: str
    uploads: Path
    frames: Frames = field(default_factory=Frames)

    @property
    def messages(self) -> Any:
        """The collection."""
        return self.database[self.database_name]["messages"]

    async def send(
        self,
        sample: str,
        *,
        sender: Customer = ADA,
        faults: Sequence[Any] = (),
        seed: int | None = None,
        **options: Any,
    ) -> Message:
        """Send one sample as a signed webhook and make sure it was accepted; `seed` makes its bytes its own."""
        media = self.simulator.add_sample(
            sample, size_bytes=None if seed is None else 40_000, seed=seed or 0, faults=faults
        )
        message = self.simulator.message(self.simulator.attachment(media), sender=sender, **options)
        await self.deliver(message)
        return message

    async def deliver(self, *messages: Message) -> None:
        """One POST, answered 200."""
        delivery = await self.simulator.send(*messages)
        assert delivery.accepted, delivery

    def document(self, wamid: str) -> JSON | None:
        """The document of this attachment, straight from the database."""
        found: JSON | None = self.messages.find_one({"messageId": wamid})
        return found

    async def ended(self, wamid: str, *, seconds: float = 30) -> JSON:
        """The document once it is in a final state."""

        def final() -> JSON | None:
            document = self.document(wamid)
            return document if document is not None and document["media"]["status"] in FINAL else None

        return await self.until(final, seconds=seconds)

    async def shown(self, media_id: str) -> JSON:
        """The message as the API shows it."""
        async with self.api.get(f"/api/messages/{media_id}") as response:
            assert response.status == 200, await response.text()
            answer: JSON = await response.json()
            return answer

    async def framed(self, wamid: str, status: str) -> list[JSON]:
        """The frames of this attachment, once one says `status`."""

        def told() -> list[JSON] | None:
            frames = self.frames.of(wamid)
            return frames if any(frame["media"]["status"] == status for frame in frames) else None

        return await self.until(told)

    async def logged(self, wamid: str, *, revision: int) -> list[JSON]:
        """The lines `message_media_updated` of all services, by revision, once this one is there."""

        def written() -> list[JSON] | None:
            lines = self._updates(wamid)
            return lines if any(line["revision"] == revision for line in lines) else None

        return await self.until(written)

    async def fetched(self, url: str) -> tuple[int, bytes, dict[str, str]]:
        """A signed link, followed as a browser does: without the operator's token."""
        async with aiohttp.ClientSession() as browser, browser.get(self.stack.url("media-server") + url) as response:
            return response.status, await response.read(), dict(response.headers)

    async def until(self, found: Callable[[], T | None], *, seconds: float = 30) -> T:
        """What `found` returns as soon as it is not None; fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while (value := found()) is None:
            assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
            await asyncio.sleep(0.02)
        return value

    async def until_told(self, found: Callable[[], Awaitable[T | None]], *, seconds: float = 30) -> T:
        """The same, for what has to be asked for."""
        deadline = time.monotonic() + seconds
        while (value := await found()) is None:
            assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
            await asyncio.sleep(0.02)
        return value

    def originals(self) -> list[Path]:
        """Every original on disk; each has the name of its own digest."""
        files = [path for path in (self.uploads / "incoming").rglob("*") if path.is_file()]
        for path in files:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name.partition(".")[0]
        return files

    def _updates(self, wamid: str) -> list[JSON]:
        lines = [
            line
            for service in self.stack.names
            for line in self.stack.log_entries(service)
            if line.get("event") == "message_media_updated" and line.get("messageId") == wamid
        ]
        return sorted(lines, key=lambda line: (line["revision"], line["timestamp"]))


@asynccontextmanager
async def running_world(servers: TestServers, data: Path, **changed: str) -> AsyncIterator[World]:
    """The four real processes on real servers, and a simulated Meta that is subscribed to them.

    `changed` are settings that this world has otherwise.
    """
    made_up = DemoSecrets.new()
    name = f"e2e-{secrets.token_hex(6)}"
    with fresh_broker(servers) as broker_url, MongoClient[JSON](servers.mongodb_uri) as database:
        async with Simulator(
            app_secret=made_up.app_secret, verify_token=made_up.verify_token, access_token=made_up.access_token
        ) as simulator:
            settings = environment(
                made_up,
                simulator,
                rabbitmq_url=broker_url,
                mongodb_uri=servers.mongodb_uri,
                limit_bytes=LIMIT_BYTES,
            ) | {
                "MONGODB_DATABASE": name,
                "STORAGE_URL": str(data / "uploads"),
                "MEDIA_RETRY_DELAYS": "1,2,3",
                "RECONCILE_SECONDS": "1",
                **changed,
            }
            headers = {"Authorization": f"Bearer {made_up.operator_token}"}
            async with (
                stack(data, settings) as services,
                aiohttp.ClientSession(services.url("media-server"), headers=headers) as api,
            ):
                assert await simulator.subscribe(f"{services.url('webhook-gateway')}/webhooks/whatsapp")
                running = World(
                    stack=services,
                    settings=settings,
                    simulator=simulator,
                    api=api,
                    database=database,
                    database_name=name,
                    uploads=data / "uploads",
                )
                async with listening(running):
                    yield running
        database.drop_database(name)


@asynccontextmanager
async def listening(world: World) -> AsyncIterator[None]:
    """Keep the frames of `/api/events` for as long as the context lasts.

    On a loop of its own: that of a world of many tests stands still while tests with another one run, and the
    media-server closes, as it should, on a client that answers no ping.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    client = _listening(world)
    try:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.__aenter__(), loop))
        yield
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.__aexit__(None, None, None), loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def _listening(world: World) -> AsyncIterator[None]:
    headers = {"Authorization": f"Bearer {world.settings['OPERATOR_TOKEN']}"}
    async with (
        aiohttp.ClientSession(world.stack.url("media-server"), headers=headers) as operator,
        operator.ws_connect("/api/events") as socket,
    ):

        async def listen() -> None:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    world.frames.received.append(frame.json())

        task = asyncio.create_task(listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
