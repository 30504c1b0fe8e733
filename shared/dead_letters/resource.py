"""The census of one queue's dead letters as a resource of the service that works the queue off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from shared.broker.connection import Broker
from shared.broker.topology import WorkQueue
from shared.clock import system_clock
from shared.dead_letters.adoption import Adoption
from shared.dead_letters.census import Census
from shared.dead_letters.fates import Fates, IsErased
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database
from shared.resources import background
from shared.storage_settings import DatabaseSettings
from shared.updates import Announcer
from shared.web import REFRESHES


@asynccontextmanager
async def open_census(
    app: web.Application,
    settings: DatabaseSettings,
    queue: WorkQueue,
    *,
    service: str,
    broker: Broker,
    database: Database,
    announcer: Announcer,
    is_erased: IsErased | None = None,
) -> AsyncIterator[None]:
    """Gauge `attache_dead_letters`: those that wait for a person."""
    census = Census(
        settings.rabbitmq_url,
        queue,
        broker=broker,
        fates=Fates(database, is_erased=is_erased, clock=system_clock),
        adoption=Adoption(
            queue,
            service=service,
            messages=MessageRepository(database),
            announcer=announcer,
            clock=system_clock,
        ),
    )
    app[REFRESHES].append(census.refresh)
    async with background(asyncio.create_task(census.run())):
        yield
