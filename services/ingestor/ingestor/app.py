"""The ingestor put together: settings in, an application out."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from ingestor.admission import Admission
from ingestor.attempts import Attempts
from ingestor.download import Downloader
from ingestor.fairness import FairShare
from ingestor.fetch import Fetcher
from ingestor.handler import IngestHandler
from ingestor.heal import Healer
from ingestor.hosts import AllowedHosts, PublicAddresses
from ingestor.identities import IdentityHandler
from ingestor.leftovers import Leftovers
from ingestor.metrics import STORAGE_BYTES_FLOOR
from ingestor.probe import Probe
from ingestor.reconcile import Reconciler
from ingestor.register import Register
from ingestor.revocations import RevocationHandler
from ingestor.room import Room
from ingestor.settings import Settings
from ingestor.settlement import Settlement
from ingestor.throttle import Throttle
from shared.broker.connection import Broker
from shared.broker.consumer import Consumer
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.retry import RetryPolicy
from shared.broker.subscription import Subscription
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, REVOCATIONS
from shared.clock import system_clock
from shared.dead_letters.resource import open_census
from shared.erase import Eraser
from shared.errors import StorageUnavailable
from shared.events import IdentityChanged, InstanceUpdated, MediaReceived, MessageRevoked
from shared.graph.client import Graph
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.conversations import ConversationRepository
from shared.repository.healable import HealableMedia
from shared.repository.instances import InstanceRepository
from shared.repository.messages import MessageRepository
from shared.repository.refusals import Refusals
from shared.repository.tombstones import Tombstones
from shared.resources import background, database_ready, open_database, open_store
from shared.updates import Announcer
from shared.web import CHECKS, GRACE_SECONDS, new_app

log = structlog.get_logger(__name__)

SERVICE = "ingestor"
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_ABANDONED_SECONDS = 3600.0
"""Unfinished files of killed processes; several times the longest handler."""


def build_app(settings: Settings) -> web.Application:
    """Connects when started, not before."""

    async def pipeline(app: web.Application) -> AsyncIterator[None]:
        if settings.whatsapp_allow_http_graph:
            log.warning("graph.plain_http_allowed", next="access tokens travel unencrypted; use https outside of tests")
        async with AsyncExitStack() as stack:
            delays = settings.media_retry_delays
            own = (INGEST, IDENTITIES, REVOCATIONS)
            queues = (*(queue for family in own for queue in family.queues(delays)), *PREVIEW.queues())
            database = await stack.enter_async_context(open_database(app, settings))
            broker = await stack.enter_async_context(
                open_broker(
                    app,
                    Broker(settings.rabbitmq_url, service=SERVICE, queues=queues),
                    works_off=(IDENTITIES, REVOCATIONS),  # the census counts those of INGEST
                )
            )
            session = await stack.enter_async_context(_session(settings))
            store = open_store(app, settings)
            release = Release(database=database, store=store, clock=system_clock)
            room = Room(store, floor_bytes=settings.storage_min_free_bytes)
            STORAGE_BYTES_FLOOR.set(settings.storage_min_free_bytes)
            app[CHECKS]["storage"] = room.check

            publisher = Publisher(broker)
            announcer = Announcer(publisher, service=SERVICE)
            stack.push_async_callback(announcer.drain)
            messages = MessageRepository(database)
            conversations = ConversationRepository(database)
            instances = InstanceRepository(database, settings.credentials_encryption_key)
            attempts = Attempts()
            tombstones = Tombstones(database, settings.credentials_encryption_key)
            app[CHECKS]["tombstones"] = tombstones.check
            await stack.enter_async_context(
                open_census(
                    app,
                    settings,
                    INGEST,
                    service=SERVICE,
                    broker=broker,
                    database=database,
                    announcer=announcer,
                    is_erased=tombstones.cover,
                )
            )
            eraser = Eraser(
                database=database, tombstones=tombstones, release=release, publisher=publisher, clock=system_clock
            )
            policy = RetryPolicy(delays=delays)
            lifetime = timedelta(hours=settings.media_lifetime_hours)
            graph_url = URL(settings.whatsapp_graph_url)
            hosts = AllowedHosts(suffixes=settings.whatsapp_media_hosts, graph=graph_url)
            graph = Graph(session, url=graph_url, version=settings.whatsapp_graph_version)
            blobs, refusals, healing = BlobRepository(database), Refusals(database), asyncio.Event()
            admission = Admission(
                graph=graph,
                refusals=refusals,
                instances=instances,
                throttle=Throttle(delays=delays, clock=system_clock),
                clock=system_clock,
                on_news=healing.set,
            )
            handler = IngestHandler(
                register=Register(
                    messages=messages,
                    conversations=conversations,
                    announcer=announcer,
                    tombstones=tombstones,
                    eraser=eraser,
                    attempts=attempts,
                    lifetime=lifetime,
                ),
                messages=messages,
                fetcher=Fetcher(
                    graph=graph,
                    admission=admission,
                    downloader=Downloader(session, hosts=hosts),
                    instances=instances,
                    blobs=blobs,
                    store=store,
                    max_bytes=settings.media_max_original_bytes,
                ),
                settlement=Settlement(
                    messages=messages,
                    announcer=announcer,
                    attempts=attempts,
                    policy=policy,
                    clock=system_clock,
                    lifetime=lifetime,
                ),
                announcer=announcer,
                attempts=attempts,
                clock=system_clock,
                fair_share=FairShare(places=max(1, settings.prefetch * 3 // 4)),
                room=room,
                blobs=blobs,
                release=release,
                max_bytes=settings.media_max_original_bytes,
            )
            ingest = Consumer(
                broker=broker,
                publisher=publisher,
                queue=INGEST,
                event_type=MediaReceived,
                handler=handler,
                policy=policy,
                prefetch=settings.prefetch,
                service=SERVICE,
            )
            identities = Consumer(
                broker=broker,
                publisher=publisher,
                queue=IDENTITIES,
                event_type=IdentityChanged,
                handler=IdentityHandler(
                    conversations=conversations,
                    messages=messages,
                    announcer=announcer,
                    tombstones=tombstones,
                    eraser=eraser,
                    policy=policy,
                    clock=system_clock,
                ),
                policy=policy,
                prefetch=1,
                service=SERVICE,
            )
            revocations = Consumer(
                broker=broker,
                publisher=publisher,
                queue=REVOCATIONS,
                event_type=MessageRevoked,
                handler=RevocationHandler(
                    eraser=eraser, on_revoke=settings.whatsapp_on_revoke, policy=policy, clock=system_clock
                ),
                policy=policy,
                prefetch=1,
                service=SERVICE,
            )
            leftovers = Leftovers(release, seconds=settings.reconcile_seconds)
            reconciler = Reconciler(
                messages=messages,
                publisher=publisher,
                announcer=announcer,
                clock=system_clock,
                seconds=settings.reconcile_seconds,
            )
            healable = HealableMedia(database)
            healer = Healer(
                healable=healable,
                messages=messages,
                instances=instances,
                refusals=refusals,
                probe=Probe(
                    graph=graph, admission=admission, instances=instances, healable=healable, clock=system_clock
                ),
                publisher=publisher,
                announcer=announcer,
                attempts=attempts,
                clock=system_clock,
                seconds=settings.reconcile_seconds,
                asked=healing,
            )
            credentials = Subscription(
                broker=broker,
                event_type=InstanceUpdated,
                service=SERVICE,
                on_event=lambda _: healing.set(),
                on_subscribed=healing.set,
            )

            app[CHECKS]["consumers"] = lambda: _all_taken(ingest, identities, revocations)

            async def prepare() -> None:
                await tombstones.open()
                await _seed(settings, instances)
                attempts.configure((await instances.effective()).own)

            async def work() -> None:
                await database_ready(database, prepare)
                with suppress(StorageUnavailable):  # it has its own readiness check
                    await store.sweep(older_than_seconds=_ABANDONED_SECONDS)
                await ingest.start()
                await identities.start()
                await revocations.start()
                await credentials.start()
                await asyncio.gather(reconciler.run(), healer.run(), leftovers.run())

            await stack.enter_async_context(
                background(asyncio.create_task(room.keep(ingest)), asyncio.create_task(work()))
            )
            yield
            await credentials.stop()
            await asyncio.gather(
                *(each.stop(grace_seconds=GRACE_SECONDS) for each in (ingest, identities, revocations))
            )

    return new_app([pipeline])


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Pooled connections to Meta: no cookies, no decompression, no environment proxies, no private addresses."""
    graph = URL(settings.whatsapp_graph_url)
    connector = aiohttp.TCPConnector(
        limit=0,  # the consumer's prefetch is the limit
        resolver=PublicAddresses(exempt=graph.host),
        family=socket.AF_UNSPEC,
    )
    timeout = aiohttp.ClientTimeout(
        total=None, connect=_CONNECT_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
    )
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        yield session


async def _all_taken(
    *consumers: Consumer[MediaReceived] | Consumer[IdentityChanged] | Consumer[MessageRevoked],
) -> None:
    for consumer in consumers:
        await consumer.check()


async def _seed(settings: Settings, instances: InstanceRepository) -> None:
    number, token = settings.whatsapp_phone_number_id, settings.whatsapp_access_token
    if number is None or token is None:
        return
    if not await instances.seed_default(number, token):
        log.warning(
            "instance.differs_from_environment",
            phoneNumberId=number,
            next="the stored token is used; to replace it: make instance-set NUMBER=…",
        )
