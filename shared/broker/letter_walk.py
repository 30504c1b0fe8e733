"""Once through a dead-letter queue: what a visitor says of each letter is done, confirmed, and only then acked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from shared.broker.envelope import DELIVERY_COUNT
from shared.broker.letter import Key, Letter
from shared.broker.letter_errors import answered
from shared.broker.topology import WorkQueue

MARK = "x-walk"
"""Header of a letter that was put back: by which walk. Of no meaning to anybody else."""


class Verdict(Enum):
    """What is to become of a letter that was looked at."""

    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True, kw_only=True)
class Move:
    """The letter goes to this queue, under its own id and with these headers only."""

    to: str
    headers: Mapping[str, Any]


Visit = Callable[[Sequence[Letter]], Awaitable[Sequence[Verdict | Move]]]
"""Looks at a few letters and says for each what is to become of it."""


Send = Callable[[str, Message], Awaitable[None]]
"""Publishes into a queue, and returns when it is confirmed."""


class Walk:
    """Once through the queue. With a `marker`, letters that stay are published again and carry it; else held."""

    def __init__(self, queue: WorkQueue, visit: Visit, send: Send, *, marker: str | None) -> None:
        self._queue = queue
        self._send = send
        self._visit = visit
        self._marker = marker
        self._kept: set[Key] = set()

    def is_copy(self, message: AbstractIncomingMessage) -> bool:
        """Whether this walk has put it there itself."""
        return message.headers.get(MARK) == self._marker

    async def settle(self, messages: Sequence[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        """Visit, and do for each what was said; those that are still in hand."""
        letters = [Letter.of(self._queue, message) for message in messages]
        seen: set[Key] = set()
        twice: list[bool] = []
        for letter in letters:
            twice.append(letter.key in self._kept or letter.key in seen)
            seen.add(letter.key)
        shown = [letter for letter, again in zip(letters, twice, strict=True) if not again]
        verdicts = iter(await self._visit(shown)) if shown else iter(())
        said = [Verdict.REMOVE if again else next(verdicts) for again in twice]
        outcomes = await asyncio.gather(
            *(self._confirmed(*each) for each in zip(messages, letters, said, strict=True)), return_exceptions=True
        )
        done = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is True]
        for message in done:
            await answered(message.ack())
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is False]

    async def _confirmed(self, message: AbstractIncomingMessage, letter: Letter, verdict: Verdict | Move) -> bool:
        """Publish what is to be published; whether the letter as it was taken can be acked."""
        home = letter.queue.dead_letters
        stays = verdict is Verdict.KEEP or (isinstance(verdict, Move) and verdict.to == home)
        if stays:
            self._kept.add(letter.key)
        if verdict is Verdict.REMOVE:
            return True
        if verdict is Verdict.KEEP and self._marker is None:
            return False
        kept = {name: value for name, value in letter.headers.items() if name != DELIVERY_COUNT}
        headers = dict(verdict.headers if isinstance(verdict, Move) else kept)
        if stays and self._marker is not None:
            headers[MARK] = self._marker
        to = verdict.to if isinstance(verdict, Move) else home
        await self._send(to, _copy(message, letter, headers))
        return True


def _copy(message: AbstractIncomingMessage, letter: Letter, headers: Mapping[str, Any]) -> Message:
    return Message(
        message.body,
        type=message.type,
        message_id=letter.id,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        content_type=message.content_type or "application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        headers=dict(headers),
    )
