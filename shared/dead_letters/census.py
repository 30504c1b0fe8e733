"""How many dead letters of a queue wait for a person: those that are settled do not count, and none lacks a reason."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import structlog
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.letter import Letter
from shared.broker.letters import MOST_IN_HAND, BeingRead, Move, NoSuchLetters, ReadingFailed, Verdict, reading_aside
from shared.broker.topology import WorkQueue
from shared.clock import seconds_since
from shared.dead_letters.adoption import Adoption
from shared.dead_letters.fates import Fate, Fates
from shared.errors import Postponed
from shared.metrics import DEAD_LETTER_OLDEST_SECONDS, DEAD_LETTERS
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 60.0
_SOONEST_SECONDS = 5.0
_TIMES_AS_LONG = 20
_MANY = 1000
_EVERY_SECONDS_OF_MANY = 600.0


class Census:
    """Looks through one queue's letters, by the service that works it off. Every minute, less often when that takes
    long, and soon after their number has changed; of many only every ten minutes, as each walk copies them all.
    Gives way to whoever else reads them: the last count stands then.
    """

    def __init__(self, url: SecretStr, queue: WorkQueue, *, broker: Broker, fates: Fates, adoption: Adoption) -> None:
        self._url = url
        self._queue = queue
        self._broker = broker
        self._fates = fates
        self._adoption = adoption
        self._letters = 0
        self._settled = 0
        self._oldest: datetime | None = None
        self._walked = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        while True:
            started = time.monotonic()
            try:
                await self.once()
            except BeingRead:
                log.debug("dead_letters.read_by_another", queue=self._queue.name)
            except DatabaseError as error:
                log.warning("dead_letters.not_counted", queue=self._queue.name, reason=type(error).__name__)
            except (ReadingFailed, NoSuchLetters, Postponed) as error:
                log.warning("dead_letters.not_counted", queue=self._queue.name, reason=str(error))
            except Exception:  # a defect in counting must not end it
                log.exception("dead_letters.not_counted", queue=self._queue.name)
            await self._pause(took=time.monotonic() - started)

    async def once(self) -> None:
        """Count, and adopt what came without a reason. Raise as `reading` and `Fates` do."""
        await self._broker.publishing_channel()  # waits: there is no use in connecting where nobody answers
        letters = settled = self._walked = 0
        oldest: datetime | None = None
        stop = asyncio.Event()

        async def look(few: Sequence[Letter]) -> Sequence[Verdict | Move]:
            nonlocal letters, settled, oldest
            verdicts = [Verdict.KEEP if letter.is_ours else await self._adopted(letter) for letter in few]
            fates = await self._fates.of(few)
            waiting = [letter for letter, fate in zip(few, fates, strict=True) if fate is not Fate.SETTLED]
            settled += len(few) - len(waiting)
            letters += len(few)
            times = [oldest, *(letter.failed_at for letter in waiting)]
            oldest = min((time for time in times if time is not None), default=None)
            if await is_wanted():
                stop.set()
            return verdicts

        async with reading_aside(self._url, self._queue) as (reader, is_wanted):
            self._walked = reader.total
            await reader.walk(look, stop=stop)
        if stop.is_set():
            raise BeingRead(self._queue)
        self._letters, self._settled, self._oldest = letters, settled, oldest
        DEAD_LETTERS.labels(self._queue.name).set(letters - settled)
        self._show_age()

    async def refresh(self) -> None:
        """Before the gauge is read: what has come since the last census counts at once."""
        there = await self._broker.message_count(self._queue.dead_letters)
        newcomers = max(0, there - self._letters)  # fewer may only be in somebody's hand at this moment
        most = there + MOST_IN_HAND
        DEAD_LETTERS.labels(self._queue.name).set(min(self._letters - self._settled + newcomers, most))
        self._show_age()
        if there != self._letters and (self._walked <= _MANY or most <= _MANY):
            self._changed.set()

    @property
    def is_due(self) -> bool:
        """Whether it is to look again soon, as something has changed."""
        return self._changed.is_set()

    def _show_age(self) -> None:
        """Of newcomers nothing is known until the next census, which is soon."""
        age = 0.0 if self._oldest is None else seconds_since(self._oldest)
        DEAD_LETTER_OLDEST_SECONDS.labels(self._queue.name).set(age)

    async def _adopted(self, letter: Letter) -> Move:
        adopted = await self._adoption.adopt(letter)
        log.error(
            "letter.adopted",
            queue=self._queue.name,
            mediaId=letter.media_id,
            reason=adopted.headers["x-reason"],
            next="list what was given up: make dlq; try it again: make dlq-replay",
        )
        return adopted

    async def _pause(self, *, took: float) -> None:
        least = max(_SOONEST_SECONDS, took * _TIMES_AS_LONG)
        every = _EVERY_SECONDS
        if self._walked > _MANY:
            least, every = _SOONEST_SECONDS, max(_EVERY_SECONDS_OF_MANY, least)
            self._changed.clear()  # what came during the walk is not worth another one
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, every - least)):
                await self._changed.wait()
        self._changed.clear()
