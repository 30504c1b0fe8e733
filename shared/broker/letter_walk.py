"""Once through a dead-letter queue: what a visitor says of each letter is done, confirmed, and only then acked."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import uuid4

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from shared.broker.envelope import DELIVERY_COUNT
from shared.broker.letter import Key, Letter
from shared.broker.letter_errors import answered
from shared.broker.topology import WorkQueue
from shared.tracing import carried

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
        self._kept: dict[Key, str | None] = {}
        self._alike: Counter[Key] = Counter()

    def is_copy(self, message: AbstractIncomingMessage) -> bool:
        """Whether this walk has put it there itself."""
        return message.headers.get(MARK) == self._marker

    async def settle(self, messages: Sequence[AbstractIncomingMessage]) -> list[AbstractIncomingMessage]:
        """Visit, and do for each what was said; those that are still in hand."""
        letters = [self._letter(message) for message in messages]
        seen: dict[Key, str | None] = {}
        twice: list[bool] = []
        for at, (message, letter) in enumerate(zip(messages, letters, strict=True)):
            twice.append(_is_twin(message, letter, self._kept) or _is_twin(message, letter, seen))
            if not twice[-1]:
                seen.setdefault(letter.key, _mark(letter))
                letters[at] = replace(letter, alike=self._alike[letter.key])
                self._alike[letter.key] += 1
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

    def _letter(self, message: AbstractIncomingMessage) -> Letter:
        letter = Letter.of(self._queue, message)
        if message.message_id or self._marker is None:
            return letter
        # its copy has an id, and must not be taken for another letter of the same body
        return replace(letter, id=f"{letter.id}-{uuid4().hex[:12]}")

    async def _confirmed(self, message: AbstractIncomingMessage, letter: Letter, verdict: Verdict | Move) -> bool:
        """Publish what is to be published; whether the letter as it was taken can be acked."""
        home = letter.queue.dead_letters
        stays = verdict is Verdict.KEEP or (isinstance(verdict, Move) and verdict.to == home)
        if stays:
            self._kept.setdefault(replace(letter, alike=0).key, _mark(letter))
        if verdict is Verdict.REMOVE:
            return True
        if verdict is Verdict.KEEP and self._marker is None:
            return False
        kept = {name: value for name, value in letter.headers.items() if name != DELIVERY_COUNT}
        # whoever has it moved is another trace: it goes on with its own
        headers = {**carried(kept), **verdict.headers} if isinstance(verdict, Move) else kept
        if stays and self._marker is not None:
            headers[MARK] = self._marker
        to = verdict.to if isinstance(verdict, Move) else home
        await self._send(to, _copy(message, letter, headers))
        return True


def _is_twin(message: AbstractIncomingMessage, letter: Letter, others: Mapping[Key, str | None]) -> bool:
    """Whether a killed walk left one as a copy of the other. One walk copies none twice: of a twin the mark differs."""
    return bool(message.message_id) and letter.key in others and others[letter.key] != _mark(letter)


def _mark(letter: Letter) -> str | None:
    value = letter.headers.get(MARK)
    return None if value is None else str(value)


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
