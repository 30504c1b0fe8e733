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

from ingestor.attempts import Attempts
from ingestor.download import Downloader
from ingestor.fairness import FairShare
from ingestor.fetch import Fetcher
from ingestor.graph import Graph
from ingestor.handler import IngestHandler
from ingestor.hosts import AllowedHosts, PublicAddresses
from ingestor.identities import IdentityHandler
from ingestor.reconcile import Reconciler
from ingestor.register import Register
from ingestor.settings import Settings
from ingestor.settlement import Settlement
from shared.broker.connection import Broker
from shared.broker.consumer import Consumer
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.retry import RetryPolicy
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW
from shared.clock import system_clock
from shared.errors import StorageUnavailable
from shared.events import IdentityChanged, MediaReceived
from shared.repository.blobs import BlobRepository
from shared.repository.conversations import ConversationRepository
from shared.repository.instances import InstanceRepository
from shared.repository.messages import MessageRepository
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
            queues = (*INGEST.queues(delays), *IDENTITIES.queues(delays), *PREVIEW.queues())
            database = await stack.enter_async_context(open_database(app, settings))
            broker = await stack.enter_async_context(
                open_broker(
                    app, Broker(settings.rabbitmq_url, service=SERVICE, queues=queues), works_off=(INGEST, IDENTITIES)
                )
            )
            session = await stack.enter_async_context(_session(settings))
            store = open_store(app, settings)

            publisher = Publisher(broker)
            announcer = Announcer(publisher, service=SERVICE)
            stack.push_async_callback(announcer.drain)
            messages = MessageRepository(database)
            conversations = ConversationRepository(database)
            instances = InstanceRepository(database, settings.credentials_encryption_key)
            attempts = Attempts(instances)
            policy = RetryPolicy(delays=delays)
            lifetime = timedelta(hours=settings.media_lifetime_hours)
            graph_url = URL(settings.whatsapp_graph_url)
            hosts = AllowedHosts(suffixes=settings.whatsapp_media_hosts, graph=graph_url)
            handler = IngestHandler(
                register=Register(
                    messages=messages, conversations=conversations, announcer=announcer, lifetime=lifetime
                ),
                messages=messages,
                fetcher=Fetcher(
                    graph=Graph(session, url=graph_url, version=settings.whatsapp_graph_version),
                    downloader=Downloader(session, hosts=hosts),
                    instances=instances,
                    blobs=BlobRepository(database),
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
                    policy=policy,
                    clock=system_clock,
                ),
                policy=policy,
                prefetch=1,
                service=SERVICE,
            )
            reconciler = Reconciler(
                messages=messages,
                publisher=publisher,
                announcer=announcer,
                clock=system_clock,
                seconds=settings.reconcile_seconds,
            )

            app[CHECKS]["consumers"] = lambda: _all_taken(ingest, identities)

            async def prepare() -> None:
                await _seed(settings, instances)
                await attempts.reload_numbers()

            async def work() -> None:
                await database_ready(database, prepare)
                with suppress(StorageUnavailable):  # it has its own readiness check
                    await store.sweep(older_than_seconds=_ABANDONED_SECONDS)
                await ingest.start()
                await identities.start()
                await reconciler.run()

            await stack.enter_async_context(background(asyncio.create_task(work())))
            yield
            await asyncio.gather(ingest.stop(grace_seconds=GRACE_SECONDS), identities.stop(grace_seconds=GRACE_SECONDS))

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


async def _all_taken(*consumers: Consumer[MediaReceived] | Consumer[IdentityChanged]) -> None:
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
