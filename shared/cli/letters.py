"""What the commands about dead letters share: how a queue is named, and what is said when letters cannot be had."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from pydantic import Field

from shared.broker.letters import BeingRead, NoSuchLetters, ReadingFailed
from shared.broker.topology import WorkQueue
from shared.cli.settings import PipelineSettings
from shared.dead_letters.queues import QUEUES, UnknownQueue, queue_named
from shared.errors import Postponed
from shared.fernet_keys import FERNET_KEYS_EXPECTED, FernetKeys
from shared.repository.mongo import DatabaseError

T = TypeVar("T")

QUEUE_HELP = f"One of {', '.join(QUEUES)}."


class LetterSettings(PipelineSettings):
    """For commands that compare letters with documents."""

    credentials_encryption_key: FernetKeys | None = Field(default=None, description=FERNET_KEYS_EXPECTED)


def queue(name: str) -> WorkQueue:
    """The `parser` of a typer argument or option."""
    try:
        return queue_named(name)
    except UnknownQueue as error:
        raise typer.BadParameter(str(error)) from None


Queue = Annotated[WorkQueue, typer.Argument(parser=queue, metavar="QUEUE", help=QUEUE_HELP)]


def told(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work; when the letters cannot be had, say why and exit with 1."""
    try:
        return asyncio.run(_run(work))
    except (BeingRead, NoSuchLetters, ReadingFailed, Postponed, DatabaseError) as error:
        typer.echo(why(error), err=True)
    raise typer.Exit(1)


def none_of(queue: WorkQueue, which: str = "") -> str:
    """That there are none of a queue."""
    return f"There are no dead letters of {queue.name}{which}."


def why(error: Exception) -> str:
    """For people: what happened, and what to do."""
    if isinstance(error, DatabaseError):
        return (
            f"MongoDB does not answer ({type(error).__name__}). Is it running, is MONGODB_URI right? "
            "What was not done is still there; repeat the command."
        )
    text = str(error)
    if isinstance(error, ReadingFailed):
        return f"{text}. Is it running, is RABBITMQ_URL right? What was not done is still there; repeat the command."
    return f"{text[:1].upper()}{text[1:]}."


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
