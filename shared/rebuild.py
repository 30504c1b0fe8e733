"""Previews are made anew where a recipe has changed: a few at a time, so that new ones wait for no more than these.

Each file is rendered once; then every other attachment that has it is told the same.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import StrEnum

from shared.media import Attachment, MediaStatus
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, DatabaseError
from shared.repository.previewed import Content, Previewed, Showing, Wanted
from shared.retrying import Contended, NothingToRetry, Retrying

_STALLED_SECONDS = 60.0
_MOST_TROUBLES = 10  # one after another: then it is not the files
_FIRST_LOOK, _LATER_LOOK = 0.05, 1.0  # seconds between two looks whether it is done


class Outcome(StrEnum):
    """What became of an attachment; the text stands in the table."""

    REBUILT = "show the previews of today"
    FAILED = "failed: no preview can be made of their files; what they showed stays (why: log line preview.failed)"
    SAME_FILE = "left as they are, as the same file failed in another attachment"
    GIVEN_UP = "left as they are, as their files took decoders down (--failed tries them again)"
    WAITING = "wait for another attempt, as the store was away or the machine too busy"
    MOVED_ON = "moved on or erased in the meantime"
    CHANGING = "changing at this moment, or broken by hand in the database; left"
    UNDER_WAY = "under way still: the previewer makes them"


class Rebuild:
    """Make one for each rebuild. `stop` ends it after those in hand were set going; the same again goes on.

    `progress` is told of each attachment that is dealt with, `stalled` when nothing has ended for a minute. When what
    was ready comes to nothing many times in a row it stops by itself, and `in_trouble` says so: with a previewer that
    fails at everything, or without its store, every attachment would lose its `ready`.
    """

    def __init__(
        self,
        *,
        database: Database,
        retrying: Retrying,
        at_once: int,
        progress: Callable[[int], None],
        stalled: Callable[[], None],
        stop: asyncio.Event,
    ) -> None:
        self._previewed = Previewed(database)
        self._messages = MessageRepository(database)
        self._retrying = retrying
        self._at_once = at_once
        self._progress = progress
        self._stalled = stalled
        self._stop = stop
        self._last_end = 0.0
        self._troubles = 0
        self.in_trouble = False
        self.tried = 0
        self.counts: Counter[Outcome] = Counter()

    async def run(self, wanted: Wanted) -> None:
        """Raise `DatabaseError`; what was done until then is counted, and done."""
        async with aclosing(self._contents(wanted)) as contents:
            next_one = asyncio.Lock()  # a generator can be asked by one at a time
            self._last_end = asyncio.get_running_loop().time()

            async def take() -> None:
                while not self._stop.is_set():
                    async with next_one:
                        content = await anext(contents, None)
                    if content is None:
                        return
                    try:
                        await self._of(content)
                    except DatabaseError:
                        self._stop.set()  # the others would wait for it one after another
                        raise

            ended = await asyncio.gather(*(take() for _ in range(self._at_once)), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure

    async def _contents(self, wanted: Wanted) -> AsyncGenerator[Content, None]:
        async for _, contents in self._previewed.batches(wanted):
            for content in contents:
                yield content

    async def _of(self, content: Content) -> None:
        if content.given_up:
            self.counts[Outcome.GIVEN_UP] += len(content.attachments)
            return
        if content.failed_before:
            self.counts[Outcome.SAME_FILE] += len(content.attachments)
            return
        rendered = not content.is_outdated
        for number, showing in enumerate(content.attachments):
            if self._stop.is_set():
                return
            outcome = await self._rebuilt(showing.id)
            self._count(outcome, 1)
            self._look_for_trouble(outcome, showing)
            if outcome is Outcome.FAILED and not rendered:  # the others would fail alike, and lose what they show
                self._count(Outcome.SAME_FILE, len(content.attachments) - number - 1)
                return
            rendered = rendered or outcome is Outcome.REBUILT

    async def _rebuilt(self, media_id: str) -> Outcome:
        try:
            going = await self._retrying.rebuild(media_id)
        except NothingToRetry:
            return Outcome.MOVED_ON
        except (Contended, ValueError):
            return Outcome.CHANGING
        return Outcome.MOVED_ON if going is None else await self._end_of(going)

    async def _end_of(self, going: Attachment) -> Outcome:
        pause = _FIRST_LOOK
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._stop.wait()
            except TimeoutError:
                pause = min(2 * pause, _LATER_LOOK)
            current = await self._messages.get(going.id)
            if current is None:
                return Outcome.MOVED_ON
            match current.media.status:
                case MediaStatus.READY:
                    return Outcome.REBUILT
                case MediaStatus.FAILED:
                    return Outcome.FAILED
                case MediaStatus.STORED if current.media.next_attempt_at is None:
                    if self._stop.is_set():
                        return Outcome.UNDER_WAY
                case MediaStatus.STORED:
                    return Outcome.WAITING
                case _:
                    return Outcome.MOVED_ON
            self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last_end > _STALLED_SECONDS:
            self._last_end = now
            self._stalled()

    def _look_for_trouble(self, outcome: Outcome, showing: Showing) -> None:
        if outcome is Outcome.REBUILT:
            self._troubles = 0
        elif outcome is Outcome.WAITING or (outcome is Outcome.FAILED and not showing.failed):
            self._troubles += 1
            if self._troubles >= _MOST_TROUBLES and not self._stop.is_set():
                self.in_trouble = True
                self._stop.set()

    def _count(self, outcome: Outcome, count: int) -> None:
        self.counts[outcome] += count
        self.tried += count
        self._last_end = asyncio.get_running_loop().time()
        self._progress(count)
