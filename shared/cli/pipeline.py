"""What commands that move documents work with: the database, a way to publish, and a way to tell of each change."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import typer
from pymongo.errors import OperationFailure

from shared.broker.connection import Broker
from shared.broker.letter_errors import ReadingFailed
from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST, PREVIEW
from shared.cli.logs import SERVICE, log_to_stderr
from shared.cli.rabbitmq import knock
from shared.cli.settings import PipelineSettings
from shared.repository.mongo import Database, DatabaseError, connect, ping
from shared.settings import load_settings
from shared.updates import Announcer

T = TypeVar("T")

_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """An open connection to both servers."""

    database: Database
    publisher: Publisher
    announcer: Announcer


def with_pipeline(work: Callable[[Pipeline], Awaitable[T]]) -> T:
    """Do the work; when a server is away, say so and exit with 1.

    Both servers have answered before the work begins. Changes of state are logged as JSON on stderr; on a terminal
    only errors are, as lines would tear the progress bar.
    """
    settings = load_settings(PipelineSettings)
    log_to_stderr(settings)

    async def connected() -> T:
        async with _opened(settings) as pipeline:
            return await work(pipeline)

    try:
        return asyncio.run(connected())
    except DatabaseError as error:
        reason = _told(error)
    except _Away as error:
        reason = str(error)
    typer.echo(reason, err=True)
    raise typer.Exit(1)


def _told(error: DatabaseError) -> str:
    if isinstance(error, OperationFailure) and not error.timeout:
        return (
            f"MongoDB refuses what it was asked ({type(error).__name__}, code {error.code}); its log says why. May the "
            "user of MONGODB_URI read and write, was a document changed by hand?"
        )
    return f"MongoDB does not answer any more ({type(error).__name__}); give the same command again"


class _Away(Exception):
    """A server does not answer; nothing has been changed yet."""


@asynccontextmanager
async def _opened(settings: PipelineSettings) -> AsyncIterator[Pipeline]:
    client = connect(settings.mongodb_uri)
    # without retry queues: it publishes to these two, the services that work them off know their delays
    broker = Broker(settings.rabbitmq_url, service=SERVICE, queues=[*INGEST.queues(), *PREVIEW.queues()])
    try:
        database = client[settings.mongodb_database]
        try:
            await ping(database)
        except ConnectionError as error:
            msg = f"{error}; nothing was changed. Is it running, is MONGODB_URI right?"
            raise _Away(msg) from error
        try:
            await knock(settings.rabbitmq_url)
        except ReadingFailed as error:
            msg = f"{error}; nothing was changed. Is it running, is RABBITMQ_URL right?"
            raise _Away(msg) from error
        await broker.start()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await broker.publishing_channel()
        except TimeoutError:
            msg = "RabbitMQ does not answer; nothing was changed. Is it running, is RABBITMQ_URL right?"
            raise _Away(msg) from None
        publisher = Publisher(broker)
        announcer = Announcer(publisher, service=SERVICE)
        yield Pipeline(database=database, publisher=publisher, announcer=announcer)
        await announcer.drain()
    finally:
        await broker.close()
        client.close()
