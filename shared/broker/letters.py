"""Reading a dead-letter queue: one reader at a time, few letters in hand, and none lost or doubled whatever happens.

Where RabbitMQ puts a message that is given back differs between its versions (3.10: at the end, if the queue has a
delivery limit), so nothing here depends on it. A queue that can be held in one hand is only looked at. In a longer one
a letter that stays is published again at the end, confirmed, and only then acked; after a whole walk the order is as
before. Killed in between, a letter is there twice for a while: the next walk sees that and removes the second.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError
from pydantic import SecretStr

from shared.broker.letter import Letter
from shared.broker.letter_errors import (
    ANSWER_SECONDS,
    UNANSWERED,
    BeingRead,
    NoSuchLetters,
    ReadingFailed,
    answered,
)
from shared.broker.letter_lock import ASIDE, READER, is_locked, lock
from shared.broker.letter_walk import Move, Verdict, Visit, Walk
from shared.broker.topology import WorkQueue

__all__ = [
    "BeingRead",
    "LetterReader",
    "Move",
    "NoSuchLetters",
    "ReadingFailed",
    "Verdict",
    "Visit",
    "reading",
    "reading_aside",
]

MOST_IN_HAND = 100
"""Letters that are taken and not acked at any moment."""
_MOST_BYTES_IN_HAND = 32 * 1024**2
# RabbitMQ sends 32 commands of a channel ahead to a quorum queue; of what exceeds that, nacks change their order, and
# acks are forgotten when the channel closes soon after. A confirm or a get is answered after all that came before it.
MOST_AT_ONCE = 25
"""Letters that a visit sees at most."""
_PATIENCE_SECONDS = 3.0
_PATIENCE_WITH_A_COUNT_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_LOOKS = 20


@asynccontextmanager
async def reading(
    url: SecretStr, queue: WorkQueue, *, patience_seconds: float = _PATIENCE_SECONDS
) -> AsyncIterator["LetterReader"]:
    """The one reader of a queue's dead letters. One that reads aside is asked to give way, and waited for.

    Raise `BeingRead` when another does not end within `patience_seconds`, `NoSuchLetters`, `ReadingFailed`.
    """
    async with _connected(url, queue) as connection:
        await lock(connection, queue, READER, patience_seconds=patience_seconds)
        await lock(connection, queue, ASIDE, patience_seconds=_PATIENCE_WITH_A_COUNT_SECONDS)
        async with _opened(connection, queue) as reader:
            yield reader


@asynccontextmanager
async def reading_aside(
    url: SecretStr, queue: WorkQueue
) -> AsyncIterator[tuple["LetterReader", Callable[[], Awaitable[bool]]]]:
    """The same for work that nobody waits for. It asks often whether it is wanted away, and then ends soon.

    Raise `BeingRead` at once when there is a reader of either kind.
    """
    async with _connected(url, queue) as connection:
        await lock(connection, queue, ASIDE, patience_seconds=0)
        # only after that: of two who come at the same time each sees the other, and this one goes
        if await is_locked(connection, queue, READER):
            raise BeingRead(queue)
        async with _opened(connection, queue) as reader:
            yield reader, lambda: is_locked(connection, queue, READER)


@asynccontextmanager
async def _connected(url: SecretStr, queue: WorkQueue) -> AsyncIterator[AbstractConnection]:
    connection = await answered(
        aio_pika.connect(
            url.get_secret_value(),
            timeout=ANSWER_SECONDS,
            client_properties={"connection_name": f"reader of {queue.dead_letters}"},
        )
    )
    try:
        yield connection
    finally:
        # whatever is still in hand goes back with the connection; a broker that is blocked does not say goodbye
        with suppress(*UNANSWERED):
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.close()


@asynccontextmanager
async def _opened(connection: AbstractConnection, queue: WorkQueue) -> AsyncIterator["LetterReader"]:
    channel = await answered(connection.channel(publisher_confirms=True, on_return_raises=True))
    try:
        source = await answered(channel.get_queue(queue.dead_letters))
    except ChannelNotFoundEntity:
        raise NoSuchLetters(queue) from None
    reader = LetterReader(channel, source, queue)
    yield reader
    await reader.give_back()


class LetterReader:
    """Made by `reading`. Every method may raise `ReadingFailed`."""

    def __init__(self, channel: AbstractChannel, source: AbstractQueue, queue: WorkQueue) -> None:
        self._channel = channel
        self._source = source
        self.queue = queue
        self._held: list[AbstractIncomingMessage] | None = None  # the whole queue, when it fits into one hand
        self.total = source.declaration_result.message_count or 0
        """How many letters there were when the reading began."""

    async def walk(self, visit: Visit, *, at_most: int = MOST_AT_ONCE, stop: asyncio.Event | None = None) -> None:
        """Show every letter that is there now to `visit`, oldest first, a few (`at_most`) at a time; do what it says.

        What comes or comes back meanwhile is left for later. `stop` ends the walk after the letters in hand.
        """
        at_most = min(at_most, MOST_AT_ONCE)
        if self._held is None:
            first = await self._take(MOST_IN_HAND)
            if not first.is_all:
                await self._walk_long(first.messages, visit, at_most=at_most, stop=stop)
                return
            self._held = first.messages
        waiting, self._held = self._held, []
        walk = Walk(self.queue, visit, self._send, marker=None)
        try:
            while waiting and not (stop is not None and stop.is_set()):
                few, waiting = waiting[:at_most], waiting[at_most:]
                kept = await walk.settle(few)
                self._held += kept
                if len(kept) < len(few):
                    await self._acks_are_done()
        finally:
            self._held += waiting

    async def first(self) -> Sequence[Letter]:
        """The letters that fit into one hand, oldest first if RabbitMQ keeps their order; all of them stay."""
        hand = await self._take(MOST_IN_HAND)
        self._held = hand.messages
        letters = [Letter.of(self.queue, message) for message in hand.messages]
        await self.give_back()
        return letters

    async def give_back(self) -> None:
        """What is in hand goes back, in its order."""
        held, self._held = self._held or [], None
        for start in range(0, len(held), MOST_AT_ONCE):
            few = held[start : start + MOST_AT_ONCE]
            before = await self._count()
            for message in few:
                await answered(message.nack(requeue=True))
            for _ in range(_LOOKS):
                if await self._count() >= before + len(few):
                    break
                await asyncio.sleep(_LOOK_SECONDS)

    async def _walk_long(
        self, first: list[AbstractIncomingMessage], visit: Visit, *, at_most: int, stop: asyncio.Event | None
    ) -> None:
        left = await self._count() + len(first)
        walk = Walk(self.queue, visit, self._send, marker=uuid4().hex)
        hand = first
        while hand:
            left -= len(hand)
            for few in (hand[start : start + at_most] for start in range(0, len(hand), at_most)):
                if stop is not None and stop.is_set():
                    return
                await walk.settle(few)
            hand = (await self._take(min(left, at_most), until=walk.is_copy)).messages

    async def _count(self) -> int:
        there = await answered(self._channel.declare_queue(self._source.name, passive=True))
        return there.declaration_result.message_count or 0

    async def _take(self, most: int, *, until: Callable[[AbstractIncomingMessage], bool] = lambda _: False) -> "_Hand":
        taken: list[AbstractIncomingMessage] = []
        size = 0
        while len(taken) < most and size < _MOST_BYTES_IN_HAND:
            message = await self._next()
            if message is None:
                return _Hand(messages=taken, is_all=True)
            if until(message):  # once around, though not as many as were counted: somebody has taken letters out
                await answered(message.nack(requeue=True))
                return _Hand(messages=taken, is_all=True)
            taken.append(message)
            size += len(message.body)
        return _Hand(messages=taken, is_all=await self._count() == 0)

    async def _next(self) -> AbstractIncomingMessage | None:
        return await answered(self._source.get(fail=False, timeout=None))

    async def _acks_are_done(self) -> None:
        newcomer = await self._next()  # all others are in hand
        if newcomer is not None:
            await answered(newcomer.nack(requeue=True))

    async def _send(self, queue: str, message: Message) -> None:
        """Publish, and return when it is confirmed."""
        try:
            await answered(self._channel.default_exchange.publish(message, queue, mandatory=True))
        except DeliveryError:
            msg = f"RabbitMQ does not take messages for {queue}; start the services, which declare it"
            raise ReadingFailed(msg) from None


@dataclass(frozen=True, kw_only=True)
class _Hand:
    """Letters taken at once. `is_all`: there were no more."""

    messages: list[AbstractIncomingMessage]
    is_all: bool
