"""Database and store as resources of a service: opened, probed, measured, closed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import Gauge

from shared.repository.mongo import Database, DatabaseError, connect, ensure_indexes, ping
from shared.storage.filesystem import FilesystemStore
from shared.storage_settings import DatabaseSettings, StorageSettings
from shared.web import CHECKS, REFRESHES

log = structlog.get_logger(__name__)

_WAIT_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_NEXT = "start MongoDB, or correct MONGODB_URI; nothing is lost meanwhile"
# defined here and not in `shared.metrics`: a service without a store must not report that it has no room
STORAGE_BYTES_FREE = Gauge("attache_storage_bytes_free", "Free space where attachments are kept.")


@asynccontextmanager
async def open_database(app: web.Application, settings: DatabaseSettings) -> AsyncIterator[Database]:
    """The database, not yet connected; readiness check `mongodb`."""
    client = connect(settings.mongodb_uri)
    database = client[settings.mongodb_database]
    app[CHECKS]["mongodb"] = lambda: _answers(database)
    try:
        async with background(asyncio.create_task(_tell_when_away(database))):
            yield database
    finally:
        # it says goodbye to the server, and must not hold up all others when none answers
        await asyncio.to_thread(client.close)


async def database_ready(database: Database, prepare: Callable[[], Awaitable[None]] | None = None) -> None:
    """Wait for MongoDB as long as it takes, saying so, make its indexes exist, and `prepare` what stands on it."""
    while True:
        try:
            await _answers(database)
            await ensure_indexes(database)
            if prepare is not None:
                await prepare()
        except (DatabaseError, ConnectionError) as error:
            log.warning("database.waiting", reason=type(error).__name__, retryInSeconds=_WAIT_SECONDS, next=_NEXT)
            await asyncio.sleep(_WAIT_SECONDS)
        else:
            log.info("database.ready")
            return


async def _answers(database: Database) -> None:
    """Raise with a text for people when it does not, soon: a probe is asked no longer than that."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await ping(database)
    except (TimeoutError, ConnectionError) as error:
        msg = f"MongoDB does not answer; {_NEXT}"
        raise ConnectionError(msg) from error


async def _tell_when_away(database: Database) -> None:
    """One line when it goes away and one when it is back. Who waits for it to come at all is told by whoever waits."""
    was_there = away = False
    while True:
        try:
            await _answers(database)
            if was_there and away:
                await ensure_indexes(database)  # an empty one may stand in its place
        except (DatabaseError, ConnectionError):
            if was_there and not away:
                log.warning("database.lost", next=_NEXT)
            away = True
        else:
            if was_there and away:
                log.info("database.back")
            was_there, away = True, False
        await asyncio.sleep(_WAIT_SECONDS)


def open_store(app: web.Application, settings: StorageSettings) -> FilesystemStore:
    """The object store; readiness check `storage`, gauge of its free space."""
    store = FilesystemStore(Path(settings.storage_url))
    app[CHECKS]["storage"] = store.check

    async def measure_free_space() -> None:
        STORAGE_BYTES_FREE.set(await store.free_bytes())

    app[REFRESHES].append(measure_free_space)
    return store


@asynccontextmanager
async def background(*tasks: "asyncio.Task[None]") -> AsyncIterator[None]:
    """Tasks that end with the context. One that ends before with an error is told in the log."""
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("service.task_failed", exc_info=error, next="restart the service; it does not do its work any more")
