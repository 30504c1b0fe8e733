"""Ingestors without their queue, on a real MongoDB, a real folder and Meta as the simulator shows it.

Events are delivered by hand, and time is set by hand.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.fernet import Fernet
from pydantic import SecretStr
from yarl import URL

from ingestor.admission import Admission
from ingestor.attempts import Attempts
from ingestor.download import Downloader
from ingestor.fairness import FairShare
from ingestor.fetch import Fetcher
from ingestor.handler import IngestHandler
from ingestor.heal import Healer
from ingestor.hosts import AllowedHosts
from ingestor.probe import Probe
from ingestor.reconcile import Reconciler
from ingestor.register import Register
from ingestor.room import Room
from ingestor.settlement import Settlement
from ingestor.throttle import Throttle
from shared.broker.connection import Broker
from shared.broker.consumer import Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import Decision, RetryPolicy
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.erase import Eraser
from shared.events import Event, MediaReceived, decode
from shared.graph.client import Graph
from shared.media import Attachment, Declared, MediaKind
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.conversations import ConversationRepository
from shared.repository.healable import HealableMedia
from shared.repository.instances import InstanceRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.refusals import Refusals
from shared.repository.tombstones import Tombstones
from shared.storage.filesystem import FilesystemStore
from shared.updates import Announcer
from tests import images
from tests.amqp import Onlooker, onlooker, running_broker
from tests.builders import make_media_received
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, Fault, Kind, Media, Simulator

PHOTO = images.jpeg(64, 48)
LIMIT = 100_000
LIFETIME = timedelta(hours=168)
NUMBER = DEMO_NUMBER.phone_number_id
DELAYS = (5, 30, 120, 600, 3600, 21600)


class SetClock:
    """The machine's time, set forward at will."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead


@dataclass(frozen=True, kw_only=True)
class Ingestor:
    """One of several: what it remembers is its own, what it writes is everybody's."""

    handler: IngestHandler
    healer: Healer
    reconciler: Reconciler
    asked: asyncio.Event

    async def deliver(
        self, event: MediaReceived, *, attempt: int = 1, redelivered: bool = False
    ) -> Sequence[Event] | Decision:
        """As the consumer does: what the event caused, or what is to become of it."""
        delivery = Delivery(attempt=attempt, redelivered=redelivered, correlation_id="abc")
        try:
            return await self.handler.handle(event, delivery)
        except Exception as error:
            return await self.handler.settle(event, error, delivery)


@dataclass(kw_only=True)
class World:
    """One ingestor (`another` makes more) and everything around it."""

    meta: Simulator
    messages: MessageRepository
    instances: InstanceRepository
    refusals: Refusals
    database: Database
    store: FilesystemStore
    folder: Path
    clock: SetClock
    broker: Broker
    broker_url: str
    announcer: Announcer
    outside: Onlooker
    updates: str
    tombstones: Tombstones
    session: aiohttp.ClientSession
    ingestor: Ingestor = field(init=False)

    def __post_init__(self) -> None:
        self.ingestor = self.another()

    @property
    def handler(self) -> IngestHandler:
        """The first ingestor's."""
        return self.ingestor.handler

    def another(self, *, instances: InstanceRepository | None = None) -> Ingestor:
        """One more ingestor on the same database, folder and broker."""
        database, clock, announcer = self.database, self.clock, self.announcer
        instances = instances or self.instances
        publisher, attempts, asked = Publisher(self.broker), Attempts(), asyncio.Event()
        graph_url = URL(self.meta.base_url)
        graph = Graph(self.session, url=graph_url, version="v25.0")
        healable, blobs = HealableMedia(database), BlobRepository(database)
        release = Release(database=database, store=self.store, clock=clock)
        admission = Admission(
            graph=graph,
            refusals=self.refusals,
            instances=instances,
            throttle=Throttle(delays=DELAYS, clock=clock),
            clock=clock,
            on_news=asked.set,
        )
        handler = IngestHandler(
            register=Register(
                messages=self.messages,
                conversations=ConversationRepository(database),
                announcer=announcer,
                tombstones=self.tombstones,
                eraser=Eraser(
                    database=database,
                    tombstones=self.tombstones,
                    release=release,
                    publisher=publisher,
                    clock=clock,
                ),
                attempts=attempts,
                lifetime=LIFETIME,
            ),
            messages=self.messages,
            fetcher=Fetcher(
                graph=graph,
                admission=admission,
                downloader=Downloader(self.session, hosts=AllowedHosts(suffixes=("fbsbx.com",), graph=graph_url)),
                instances=instances,
                blobs=blobs,
                store=self.store,
                max_bytes=LIMIT,
            ),
            settlement=Settlement(
                messages=self.messages,
                announcer=announcer,
                attempts=attempts,
                policy=RetryPolicy(delays=DELAYS),
                clock=clock,
                lifetime=LIFETIME,
            ),
            announcer=announcer,
            attempts=attempts,
            clock=clock,
            fair_share=FairShare(places=8),
            room=Room(self.store, floor_bytes=0),
            blobs=blobs,
            release=release,
            max_bytes=LIMIT,
        )
        healer = Healer(
            healable=healable,
            messages=self.messages,
            instances=instances,
            refusals=self.refusals,
            probe=Probe(graph=graph, admission=admission, instances=instances, healable=healable, clock=clock),
            publisher=publisher,
            announcer=announcer,
            attempts=attempts,
            clock=clock,
            seconds=30,
            asked=asked,
        )
        reconciler = Reconciler(
            messages=self.messages, publisher=publisher, announcer=announcer, clock=clock, seconds=30
        )
        return Ingestor(handler=handler, healer=healer, reconciler=reconciler, asked=asked)

    def announced(self, media: Media, *, digest: bool = True, **fields: Any) -> MediaReceived:
        """The event of a message with this media, received now."""
        now = self.clock()
        declared = Declared(mime_type=media.mime_type, sha256=media.sha256 if digest else None)
        return make_media_received(
            **{
                "phone_number_id": media.number.phone_number_id,
                "message_id": f"wamid.{media.id}",
                "provider_media_id": media.id,
                "kind": MediaKind(media.kind.value),
                "declared": declared,
                "sent_at": now,
                "received_at": now,
            }
            | fields
        )

    async def deliver(
        self, event: MediaReceived, *, attempt: int = 1, redelivered: bool = False
    ) -> Sequence[Event] | Decision:
        """To the first ingestor."""
        return await self.ingestor.deliver(event, attempt=attempt, redelivered=redelivered)

    async def saved(self, token: str, *, number: str = NUMBER, is_default: bool = False) -> int:
        """A new token of this number at Meta and here; its version."""
        self.meta.tokens.replace(number, token)
        instance = await self.instances.save(
            number, display_name="", access_token=SecretStr(token), is_default=is_default
        )
        return instance.version

    async def document(self, event: MediaReceived) -> Attachment:
        found = await self.messages.get(event.media_id)
        assert found is not None
        return found

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    async def told(self, count: int) -> list[dict[str, Any]]:
        """The next `media.updated` events."""
        return [json.loads((await self.outside.take(self.updates)).body) for _ in range(count)]

    async def queued(self, count: int) -> list[MediaReceived]:
        """The next events in the work queue, which are then all."""
        taken = [decode(MediaReceived, (await self.outside.take(INGEST.name)).body) for _ in range(count)]
        assert await self.outside.is_empty(INGEST.name)
        return taken


@asynccontextmanager
async def running_world(
    *, mongodb_uri: str, mongodb_database: str, broker_url: str, folder: Path
) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    await ensure_indexes(database)
    keys = [SecretStr(Fernet.generate_key().decode())]
    instances, tombstones = InstanceRepository(database, keys), Tombstones(database, keys)
    await instances.seed_default(NUMBER, SecretStr(DEMO_ACCESS_TOKEN))
    await tombstones.open()
    async with (
        Simulator(app_secret="app-secret") as meta,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session,
        running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())) as broker,
        onlooker(broker_url) as outside,
    ):
        announcer = Announcer(Publisher(broker), service="ingestor")
        yield World(
            meta=meta,
            messages=MessageRepository(database),
            instances=instances,
            refusals=Refusals(database),
            database=database,
            store=FilesystemStore(folder),
            folder=folder,
            clock=SetClock(),
            broker=broker,
            broker_url=broker_url,
            announcer=announcer,
            outside=outside,
            updates=await outside.bound_to("media.updated"),
            tombstones=tombstones,
            session=session,
        )
        await announcer.drain()
    client.close()


def photo(world: World, *faults: Fault, content: bytes = PHOTO, **fields: Any) -> Media:
    return world.meta.add_media(content, kind=Kind.IMAGE, mime_type="image/jpeg", faults=faults, **fields)
