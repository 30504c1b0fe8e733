"""The previewer put together: settings in, an application out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from aiohttp import web

from previewer.confined import tell_confinement
from previewer.handler import PreviewHandler
from previewer.render_missing import RenderMissing
from previewer.sandbox import Sandbox
from previewer.settings import Settings
from shared.broker.connection import Broker
from shared.broker.consumer import Consumer
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.retry import RetryPolicy
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.dead_letters.resource import open_census
from shared.errors import ErrorCode
from shared.events import MediaStored
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.messages import MessageRepository
from shared.resources import background, database_ready, open_database, open_store
from shared.updates import Announcer
from shared.web import CHECKS, GRACE_SECONDS, new_app

SERVICE = "previewer"


def build_app(settings: Settings) -> web.Application:
    """Connects when started, not before."""

    async def pipeline(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            store = open_store(app, settings)
            # each worker has a folder of the store to work in, so that files need not be copied
            sandbox = Sandbox(workers=settings.preview_workers, limits=settings.limits, place=store.workspace)
            stack.push_async_callback(sandbox.close)
            await sandbox.start()
            tell_confinement(sandbox.missing)
            queues = (*PREVIEW.queues(settings.media_retry_delays), *INGEST.queues())
            database = await stack.enter_async_context(open_database(app, settings))
            broker = await stack.enter_async_context(
                open_broker(app, Broker(settings.rabbitmq_url, service=SERVICE, queues=queues))
            )
            publisher = Publisher(broker)
            announcer = Announcer(publisher, service=SERVICE)
            stack.push_async_callback(announcer.drain)
            await stack.enter_async_context(
                open_census(
                    app, settings, PREVIEW, service=SERVICE, broker=broker, database=database, announcer=announcer
                )
            )
            policy = RetryPolicy(delays=settings.media_retry_delays)
            consumer = Consumer(
                broker=broker,
                publisher=publisher,
                queue=PREVIEW,
                event_type=MediaStored,
                handler=PreviewHandler(
                    messages=MessageRepository(database),
                    render_missing=RenderMissing(blobs=BlobRepository(database), store=store, sandbox=sandbox),
                    release=Release(database=database, store=store, clock=system_clock),
                    announcer=announcer,
                    policy=policy,
                    clock=system_clock,
                ),
                policy=policy,
                prefetch=settings.prefetch,
                service=SERVICE,
                poison_code=ErrorCode.PREVIEW_CRASHED,
            )

            app[CHECKS]["consumer"] = consumer.check

            async def work() -> None:
                await database_ready(database)
                await consumer.start()

            await stack.enter_async_context(background(asyncio.create_task(work())))
            yield
            await consumer.stop(grace_seconds=GRACE_SECONDS)

    return new_app([pipeline])
