"""Is RabbitMQ there, new enough, and does it take messages?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AuthenticationError, ProbableAuthenticationError
from pydantic import SecretStr

from shared.broker.letter_errors import ReadingFailed, answered
from shared.doctor.check import Answer, fine, wrong

_OLDEST = (3, 10)
_CONNECT_SECONDS = 4.0
_CONFIRM_SECONDS = 1.5
_CLOSE_SECONDS = 0.5
_REFUSALS = (AuthenticationError, ProbableAuthenticationError)
_START = "start RabbitMQ, or correct RABBITMQ_URL; nothing is lost meanwhile"
_ALARM = "on its host: `rabbitmq-diagnostics alarms` says what ran out; make room, and it goes on by itself"


class Refused(ReadingFailed):
    """RabbitMQ does not know the user, or the password is another one."""

    def __init__(self) -> None:
        super().__init__("RabbitMQ refuses user or password")


async def look_at_broker(url: SecretStr) -> Sequence[Answer]:
    """A message goes to a queue of our own, which ends with the connection: only so an alarm shows."""
    place = _place(url)
    try:
        async with connected(url) as connection:
            version = _version(connection)
            if _numbers(version) < _OLDEST:
                return [wrong(f"RabbitMQ {version} is too old", "update it to 3.10 or newer")]
            try:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await answered(_confirmed(connection))
            except TimeoutError:
                return [wrong(f"RabbitMQ {version} takes no messages: its memory or disk alarm is raised", _ALARM)]
    except Refused:
        return [wrong(f"RabbitMQ at {place} refuses user or password", "correct RABBITMQ_URL, or the user in RabbitMQ")]
    except ReadingFailed as error:
        return [wrong(f"RabbitMQ at {place}: {error}", _START)]
    return [fine(f"RabbitMQ {version} at {place} takes messages")]


@asynccontextmanager
async def connected(url: SecretStr) -> AsyncIterator[AbstractConnection]:
    """A connection for a check; `ReadingFailed` when there is none, `Refused` when the password is wrong."""
    try:
        connection = await answered(aio_pika.connect(url.get_secret_value(), timeout=_CONNECT_SECONDS))
    except ReadingFailed as error:
        if isinstance(error.__cause__, _REFUSALS):
            raise Refused from error
        raise
    try:
        yield connection
    finally:
        # an alarm makes RabbitMQ deaf to connections that publish: it is not waited for
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()


async def _confirmed(connection: AbstractConnection) -> None:
    channel = await connection.channel(publisher_confirms=True)
    queue = await channel.declare_queue(exclusive=True, auto_delete=True)
    # RabbitMQ takes one from each connection before it stops to listen
    for _ in range(2):
        await channel.default_exchange.publish(aio_pika.Message(b""), routing_key=queue.name)


def _version(connection: AbstractConnection) -> str:
    transport = connection.transport
    return str(transport.connection.server_properties.get("version", "")) if transport else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) or _OLDEST


def _place(url: SecretStr) -> str:
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"
