"""`attache dlq list` and `attache dlq show`: what was given up and why. Looking changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import aio_pika
import typer
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from rich.console import Console
from rich.table import Table

from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, UNREADABLE, WorkQueue
from shared.cli.settings import BrokerSettings
from shared.settings import load_settings

T = TypeVar("T")

_QUEUES = {queue.name: queue for queue in (UNREADABLE, INGEST, IDENTITIES, PREVIEW)}
_MOST_LOOKED_AT = 100  # held back from everybody else while we look
_GET_SECONDS = 5.0

app = typer.Typer(no_args_is_help=True, help="Dead letters: what was given up, and why.")


@dataclass(frozen=True, kw_only=True)
class Look:
    """Some letters of one queue, oldest first, and how many there are in all."""

    queue: WorkQueue
    total: int
    letters: tuple[AbstractIncomingMessage, ...]


@app.command("list")
def list_letters() -> None:
    """Count the dead letters of each queue by reason, with the newest one."""
    looks = _looking(lambda channel: _all(channel))
    table = Table("queue", "code", "number", "letters", "newest", "reason of the newest", title="Dead letters")
    for look in looks:
        groups: dict[tuple[str, str], list[AbstractIncomingMessage]] = {}
        for letter in look.letters:
            groups.setdefault((_text(letter, "x-error-code"), _text(letter, "x-phone-number-id")), []).append(letter)
        for (code, number), letters in groups.items():
            newest = max(letters, key=lambda letter: _text(letter, "x-failed-at"))
            row = (str(len(letters)), _text(newest, "x-failed-at"), _text(newest, "x-reason"))
            table.add_row(look.queue.name, code, number, *row)
        if look.total > len(look.letters):
            table.add_row(
                look.queue.name, "", "", f"{look.total} in all", "", f"the first {len(look.letters)} are listed"
            )
    if table.row_count:
        Console().print(table)
    else:
        typer.echo("There are no dead letters.")


@app.command()
def show(
    queue: Annotated[str, typer.Argument(help=f"One of {', '.join(_QUEUES)}.")],
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LOOKED_AT, help="How many letters, oldest first.")] = 10,
) -> None:
    """Print the headers and the raw bodies of a queue's dead letters. They hold personal data."""
    if queue not in _QUEUES:
        raise typer.BadParameter(f"{queue!r} is no queue of Attache; these are: {', '.join(_QUEUES)}")
    look = _looking(lambda channel: _look(channel, _QUEUES[queue], limit=limit))
    for number, letter in enumerate(look.letters, start=1):
        typer.echo(f"--- {number} of {look.total}  {letter.message_id}")
        for name in sorted(letter.headers):
            typer.echo(f"{name}: {_text(letter, name)}")
        typer.echo(f"\n{letter.body.decode('utf-8', 'backslashreplace')}\n")
    if not look.letters:
        typer.echo(f"There are no dead letters of {queue}.")


async def _all(channel: AbstractChannel) -> list[Look]:
    return [await _look(channel, queue, limit=_MOST_LOOKED_AT) for queue in _QUEUES.values()]


async def _look(channel: AbstractChannel, queue: WorkQueue, *, limit: int) -> Look:
    """Take letters without acking them; they go back when the channel is closed."""
    source = await channel.get_queue(queue.dead_letters)
    total = source.declaration_result.message_count or 0
    letters: list[AbstractIncomingMessage] = []
    while len(letters) < min(limit, total):
        letter = await source.get(fail=False, timeout=_GET_SECONDS)
        if letter is None:  # somebody else looks, replays or removes them at this moment
            break
        letters.append(letter)
    return Look(queue=queue, total=total, letters=tuple(letters))


def _looking(look: Callable[[AbstractChannel], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with _channel() as channel:
            return await look(channel)

    try:
        return asyncio.run(connected())
    except ChannelNotFoundEntity:
        typer.echo("The queues are not there yet: no service of Attache has been started on this RabbitMQ.", err=True)
    except (AMQPError, OSError) as error:
        typer.echo(
            f"RabbitMQ does not answer ({type(error).__name__}); is it running, is RABBITMQ_URL right?", err=True
        )
    raise typer.Exit(1)


@asynccontextmanager
async def _channel() -> AsyncIterator[AbstractChannel]:
    settings = load_settings(BrokerSettings)
    async with await aio_pika.connect(settings.rabbitmq_url.get_secret_value()) as connection:
        yield await connection.channel(publisher_confirms=False)


def _text(letter: AbstractIncomingMessage, header: str) -> str:
    value = letter.headers.get(header)
    return "" if value is None else str(value)
