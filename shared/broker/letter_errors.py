"""Why dead letters cannot be read, and asking RabbitMQ so that it is told."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError
from aiormq.exceptions import AMQPError, ChannelLockedResource

from shared.broker.topology import WorkQueue

T = TypeVar("T")

ANSWER_SECONDS = 10.0
UNANSWERED = (AMQPError, OSError, RuntimeError, TimeoutError)


class BeingRead(Exception):
    """Somebody else reads these dead letters at this moment."""

    def __init__(self, queue: WorkQueue) -> None:
        super().__init__(
            f"the dead letters of {queue.name} are being read by somebody else at this moment; "
            "wait until that is done, and give the same command again"
        )
        self.queue = queue


class NoSuchLetters(Exception):
    """There is no such dead-letter queue: the services that declare it have never been started."""

    def __init__(self, queue: WorkQueue) -> None:
        super().__init__(
            f"the queue {queue.dead_letters} is not there yet: no service that declares it has been started on this "
            "RabbitMQ"
        )


class ReadingFailed(Exception):
    """RabbitMQ went away, is blocked, or a queue to move letters to is missing. What was not done is still there."""


async def answered(call: Awaitable[T]) -> T:
    """What RabbitMQ answers, in bounded time, or `ReadingFailed`. A refusal is passed on."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await call
    except (ChannelLockedResource, ChannelNotFoundEntity, DeliveryError):
        raise
    except TimeoutError:
        msg = f"RabbitMQ gave no answer within {ANSWER_SECONDS:g} s"
        raise ReadingFailed(msg) from None
    except UNANSWERED as error:
        msg = f"RabbitMQ does not answer ({type(error).__name__})"
        raise ReadingFailed(msg) from error
    except asyncio.CancelledError:
        # a connection that breaks cancels what waits for it, as if we had wanted that
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        msg = "the connection to RabbitMQ broke"
        raise ReadingFailed(msg) from None
