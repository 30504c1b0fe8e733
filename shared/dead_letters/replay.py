"""Replaying dead letters: each is worked off once more, from the beginning, and is gone only when that is certain.

First it is frozen which letters are meant; then exactly those are replayed. What is given up meanwhile, or once more,
stays. The document moves first: killed after that, the reconciler sets it going, and the letter is settled.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog
from pydantic import SecretStr

from shared.broker.envelope import ATTEMPT, REPLAYED
from shared.broker.letter import Key, Letter
from shared.broker.letters import MOST_AT_ONCE, LetterReader, Move, NoSuchLetters, Verdict, reading
from shared.clock import system_clock
from shared.dead_letters.fates import Fate, Fates
from shared.dead_letters.selection import Selection
from shared.ids import new_correlation_id
from shared.media import Attachment
from shared.moves import QUEUED
from shared.repository.blobs import BlobRepository
from shared.repository.messages import Change, MessageRepository
from shared.repository.mongo import Database, DatabaseError
from shared.repository.tombstones import Tombstones
from shared.retrying import second_try, set_back
from shared.tracing import span

T = TypeVar("T")

log = structlog.get_logger(__name__)

SLOWEST_PER_SECOND = 0.1
"""Slower than this, letters in hand would outlast RabbitMQ's patience."""
_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of the letters; of a dry run, what would. `remaining`: letters left in the queues looked at.

    `unclear`: the document is broken, or changed all the time; they remain, as the `expired` do.
    """

    replayed: int
    already_done: int
    expired: int
    unclear: int
    remaining: int


class Replay:
    """Make one for each replay.

    `announce` tells changes of documents. `progress` is told how many of how many are dealt with. `stop` ends it after
    the letters in hand; the same replay again goes on with the rest.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        database: Database,
        keys: Sequence[SecretStr],
        announce: Callable[[Change], None],
        progress: Callable[[int, int], None] = lambda done, of: None,
        stop: asyncio.Event | None = None,
    ) -> None:
        self._url = url
        self._messages = MessageRepository(database)
        self._blobs = BlobRepository(database)
        self._fates = Fates(database, is_erased=Tombstones(database, keys).cover, clock=system_clock)
        self._announce = announce
        self._progress = progress
        self._stop = stop or asyncio.Event()
        self._counts: Counter[Fate] = Counter()
        self._unclear = 0
        self._seen = 0
        self._frozen: dict[str, set[Key]] = {}
        self._in_hand: list[Attachment] = []
        self._set_going: set[tuple[str, str]] = set()

    async def run(self, selection: Selection, *, per_second: float | None = None) -> Replayed:
        """Raise as `reading` and `Fates` do; what was done until then is done."""
        async with AsyncExitStack() as stack:
            readers = await self._readers(stack, selection)
            for reader in readers:
                await self._freeze(reader, selection)
                # not held while other queues are replayed: RabbitMQ takes back what nobody acks for half an hour
                await reader.give_back()
            for reader in readers:
                if self._frozen[reader.queue.name]:
                    await self._replay(reader, selection, per_second)
        return self._result()

    async def dry_run(self, selection: Selection) -> Replayed:
        """What `run` would do now; changes nothing."""
        async with AsyncExitStack() as stack:
            for reader in await self._readers(stack, selection):
                await self._freeze(reader, selection, judge=True)
        if selection.limit is not None:
            self._counts[Fate.OPEN] = min(selection.limit, self._counts[Fate.OPEN])
        return self._result()

    async def _readers(self, stack: AsyncExitStack, selection: Selection) -> list[LetterReader]:
        readers, missing = [], None
        for queue in selection.queues:
            try:
                readers.append(await stack.enter_async_context(reading(self._url, queue)))
            except NoSuchLetters as error:
                missing = error
        if not readers and missing is not None:
            raise missing
        return readers

    async def _freeze(self, reader: LetterReader, selection: Selection, *, judge: bool = False) -> None:
        frozen = self._frozen.setdefault(reader.queue.name, set())

        async def look(letters: Sequence[Letter]) -> Sequence[Verdict]:
            self._seen += len(letters)
            meant = [letter for letter in letters if selection.has(letter)]
            frozen.update(letter.key for letter in meant)
            if judge:
                self._counts.update(await self._fates.of(meant))
            return [Verdict.KEEP] * len(letters)

        await reader.walk(look, stop=self._stop)

    async def _replay(self, reader: LetterReader, selection: Selection, per_second: float | None) -> None:
        frozen, pace = self._frozen[reader.queue.name], _Pace(per_second)

        async def visit(letters: Sequence[Letter]) -> Sequence[Verdict | Move]:
            await self._published()
            await pace.wait(self._stop)
            meant = [letter for letter in letters if letter.key in frozen and not self._stop.is_set()]
            verdicts: dict[Key, Verdict | Move] = {}
            while meant and (places := self._places(selection, len(meant))):
                few, meant = meant[:places], meant[places:]
                frozen.difference_update(letter.key for letter in few)
                said = await _all(self._verdict(letter) for letter in few)
                verdicts.update(zip((letter.key for letter in few), said, strict=True))
            pace.went(sum(isinstance(verdict, Move) for verdict in verdicts.values()))
            self._progress(self._dealt_with, self._dealt_with + sum(map(len, self._frozen.values())))
            return [verdicts.get(letter.key, Verdict.KEEP) for letter in letters]

        try:
            await reader.walk(visit, at_most=pace.at_once, stop=self._stop)
        except BaseException:
            await self._wake(system_clock())
            raise
        await self._published()

    def _places(self, selection: Selection, waiting: int) -> int:
        """How many may be set going still: what is settled or too late takes no place of the limit."""
        return waiting if selection.limit is None else min(waiting, selection.limit - self._counts[Fate.OPEN])

    async def _verdict(self, letter: Letter) -> Verdict | Move:
        correlation_id = letter.correlation_id or new_correlation_id()
        with (
            structlog.contextvars.bound_contextvars(correlationId=correlation_id),
            span("replay letter", attributes={"attache.correlation_id": correlation_id}, carrier=letter.headers),
        ):
            for _ in range(_TRIES):
                (fate,) = await self._fates.of([letter])
                if letter.media_id is not None and (letter.queue.name, letter.media_id) in self._set_going:
                    fate = Fate.SETTLED  # by another letter of the same attachment, and given up again already
                if fate is not Fate.OPEN:
                    self._counts[fate] += 1
                    return Verdict.REMOVE if fate is Fate.SETTLED else Verdict.KEEP
                if await self._set_back(letter):
                    self._counts[Fate.OPEN] += 1
                    return Move(to=letter.queue.name, headers={ATTEMPT: 1, REPLAYED: True})
        log.error("letter.not_replayed", mediaId=letter.media_id, next="look at its document, and replay once more")
        self._unclear += 1
        return Verdict.KEEP

    async def _set_back(self, letter: Letter) -> bool:
        """The document begins anew; False when it is to be judged again, as it has changed or cannot be read."""
        if letter.media_id is None:
            return True
        try:
            current = await self._messages.get(letter.media_id)
        except ValueError:
            return False
        if current is None:
            return True  # there was no document yet when it failed
        again = second_try(current, now=system_clock())
        if again is None or again.event.routing_key != letter.queue.routing_key:
            return False
        change = await set_back(current, again, messages=self._messages, blobs=self._blobs)
        if change is None:
            return False
        self._in_hand.append(change.attachment)
        self._set_going.add((letter.queue.name, letter.media_id))
        self._announce(change)
        return True

    async def _published(self) -> None:
        """What was in hand is confirmed, and may wait in its queue for a while."""
        await self._wake(system_clock() + QUEUED)
        self._in_hand.clear()

    async def _wake(self, at: datetime) -> None:
        """When the reconciler is to look: at once for what was perhaps not published."""
        for attachment in self._in_hand:
            try:
                await self._messages.wake_later(attachment, at)
            except DatabaseError as error:
                log.warning("letter.not_woken", mediaId=attachment.id, reason=type(error).__name__)

    @property
    def _dealt_with(self) -> int:
        return self._counts.total() + self._unclear

    def _result(self) -> Replayed:
        replayed, already_done = self._counts[Fate.OPEN], self._counts[Fate.SETTLED]
        return Replayed(
            replayed=replayed,
            already_done=already_done,
            expired=self._counts[Fate.EXPIRED],
            unclear=self._unclear,
            remaining=self._seen - replayed - already_done,
        )


async def _all(calls: Iterable[Coroutine[None, None, T]]) -> Sequence[T]:
    """What all of them answer; an error only when each has come to its end."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


class _Pace:
    """No more than so many a second, without a limit when that is None."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._due = 0.0
        self.at_once = MOST_AT_ONCE if per_second is None else max(1, min(MOST_AT_ONCE, int(per_second)))

    async def wait(self, stop: asyncio.Event) -> None:
        """Until the next may go, or it is over."""
        seconds = self._due - asyncio.get_running_loop().time()
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await stop.wait()
            except TimeoutError:
                return

    def went(self, count: int) -> None:
        if self._per_second is not None:
            self._due = max(self._due, asyncio.get_running_loop().time()) + count / self._per_second
