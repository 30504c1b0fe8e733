"""What the media-server holds open while it runs. MongoDB and RabbitMQ may come and go: links are served without."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import structlog
from aiohttp import WSCloseCode, web
from yarl import URL

from media_server.gauges import Census, at_risk, overdue
from media_server.merges import follow_merges
from media_server.settings import Settings
from media_server.state import (
    ANNOUNCER,
    CLOCK,
    CONVERSATIONS,
    DATABASE,
    GRAPH,
    INSTANCES,
    LISTING,
    LIVE,
    MESSAGES,
    PUBLISHER,
    REFUSALS,
    RETRYING,
    STOPPING,
)
from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.subscription import Subscription
from shared.broker.topology import INGEST, PREVIEW
from shared.events import MediaErased, MediaUpdated
from shared.graph.client import Graph
from shared.repository.blobs import BlobRepository
from shared.repository.conversations import ConversationRepository
from shared.repository.failed import FailedMedia
from shared.repository.instances import InstanceRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.repository.refusals import Refusals
from shared.resources import background, database_ready, open_database
from shared.retrying import Retrying
from shared.updates import Announcer
from shared.web import CHECKS, REFRESHES, Resource

log = structlog.get_logger(__name__)

SERVICE = "media-server"


def database(settings: Settings) -> Resource:
    """The repositories."""

    async def resource(app: web.Application) -> AsyncIterator[None]:
        async with open_database(app, settings) as opened:
            messages, failed = MessageRepository(opened), FailedMedia(opened)
            app[DATABASE] = opened
            app[MESSAGES] = messages
            app[LISTING] = Listing(opened)
            app[CONVERSATIONS] = ConversationRepository(opened)
            app[INSTANCES] = InstanceRepository(opened, settings.credentials_encryption_key)
            app[REFUSALS] = Refusals(opened)
            app[REFRESHES] += [
                at_risk(failed, app[CLOCK]),
                overdue(messages, app[CLOCK]),
                Census(messages).refresh,
            ]
            merges = follow_merges(app[LIVE], app[LISTING])
            async with background(asyncio.create_task(database_ready(opened)), asyncio.create_task(merges)):
                yield

    return resource


def broker(settings: Settings) -> Resource:
    """The way to publish retries, and the live view's subscription."""

    async def resource(app: web.Application) -> AsyncIterator[None]:
        # without retry queues: it publishes to these two, the services that work them off know their delays
        queues = [*INGEST.queues(), *PREVIEW.queues()]
        async with open_broker(app, Broker(settings.rabbitmq_url, service=SERVICE, queues=queues)) as opened:
            publisher = Publisher(opened)
            announcer = Announcer(publisher, service=SERVICE)
            live = app[LIVE]

            def missed() -> None:
                """Who watched before has missed something: clients come back and fetch it."""
                live.dismiss_all(WSCloseCode.SERVICE_RESTART)

            changes = Subscription(
                broker=opened, event_type=MediaUpdated, service=SERVICE, on_event=live.show, on_subscribed=missed
            )
            erasures = Subscription(
                broker=opened, event_type=MediaErased, service=SERVICE, on_event=live.show_erased, on_subscribed=missed
            )

            async def check() -> None:
                await opened.check()
                await changes.check()
                await erasures.check()

            app[RETRYING] = Retrying(
                messages=app[MESSAGES],
                blobs=BlobRepository(app[DATABASE]),
                refusals=app[REFUSALS],
                publisher=publisher,
                announce=announcer.announce,
                clock=app[CLOCK],
            )
            app[CHECKS]["rabbitmq"] = check
            app[PUBLISHER] = publisher
            app[ANNOUNCER] = announcer
            await asyncio.gather(changes.start(), erasures.start())
            yield
            await asyncio.gather(changes.stop(), erasures.stop())
            await announcer.drain()

    return resource


def graph(settings: Settings) -> Resource:
    """The way to ask Meta whether it takes a token."""

    async def resource(app: web.Application) -> AsyncIterator[None]:
        if settings.whatsapp_allow_http_graph:
            log.warning("graph.plain_http_allowed", next="access tokens travel unencrypted; use https outside of tests")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
            app[GRAPH] = Graph(session, url=URL(settings.whatsapp_graph_url), version=settings.whatsapp_graph_version)
            yield

    return resource


async def say_goodbye(app: web.Application) -> None:
    """For `on_shutdown`: WebSockets and long replays end before the server waits for open requests."""
    app[STOPPING].set()
    app[LIVE].dismiss_all(WSCloseCode.GOING_AWAY)
