"""What the media-server holds open while it runs. MongoDB and RabbitMQ may come and go: links are served without."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import WSCloseCode, web

from media_server.metrics import DOCUMENTS
from media_server.retry import Retrying
from media_server.settings import Settings
from media_server.state import CLOCK, CONVERSATIONS, LISTING, LIVE, MESSAGES, RETRYING
from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.subscription import Subscription
from shared.broker.topology import INGEST, PREVIEW
from shared.events import MediaUpdated
from shared.repository.conversations import ConversationRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.resources import background, database_ready, open_database
from shared.updates import Announcer
from shared.web import CHECKS, REFRESHES, Resource

SERVICE = "media-server"


def database(settings: Settings) -> Resource:
    """The repositories."""

    async def resource(app: web.Application) -> AsyncIterator[None]:
        async with open_database(app, settings) as opened:
            messages = MessageRepository(opened)

            async def count() -> None:
                for status, number in (await messages.count_by_status()).items():
                    DOCUMENTS.labels(status.value).set(number)

            app[MESSAGES] = messages
            app[LISTING] = Listing(opened)
            app[CONVERSATIONS] = ConversationRepository(opened)
            app[REFRESHES].append(count)
            async with background(asyncio.create_task(database_ready(opened))):
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
            subscription = Subscription(
                broker=opened,
                event_type=MediaUpdated,
                service=SERVICE,
                on_event=live.show,
                # who watched before has missed something: clients come back and fetch it
                on_subscribed=lambda: live.dismiss_all(WSCloseCode.SERVICE_RESTART),
            )

            async def check() -> None:
                await opened.check()
                await subscription.check()

            app[RETRYING] = Retrying(
                messages=app[MESSAGES], publisher=publisher, announce=announcer.announce, clock=app[CLOCK]
            )
            app[CHECKS]["rabbitmq"] = check
            await subscription.start()
            yield
            await subscription.stop()
            await announcer.drain()

    return resource


async def say_goodbye(app: web.Application) -> None:
    """For `on_shutdown`: WebSockets end before the server waits for open requests."""
    app[LIVE].dismiss_all(WSCloseCode.GOING_AWAY)
