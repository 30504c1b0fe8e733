"""How many dead letters of a queue wait for a person: those that are settled do not count, and none lacks a reason."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import structlog
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.letter import Letter
from shared.broker.letters import BeingRead, Move, NoSuchLetters, ReadingFailed, Verdict, reading
from shared.broker.topology import WorkQueue
from shared.dead_letters.adoption import Adoption
from shared.dead_letters.fates import Fate, Fates
from shared.errors import Postponed
from shared.metrics import DEAD_LETTERS
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 60.0
_SOONEST_SECONDS = 5.0
_TIMES_AS_LONG = 20


class Census:
    """Looks through one queue's letters, by the service that works it off. Every minute, less often when that takes
    long, and soon after their number has changed. While somebody else reads them the last count stands.
    """

    def __init__(self, url: SecretStr, queue: WorkQueue, *, broker: Broker, fates: Fates, adoption: Adoption) -> None:
        self._url = url
        self._queue = queue
        self._broker = broker
        self._fates = fates
        self._adoption = adoption
        self._letters = 0
        self._settled = 0
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
        letters = settled = 0

        async def look(few: Sequence[Letter]) -> Sequence[Verdict | Move]:
            nonlocal letters, settled
            verdicts = [Verdict.KEEP if letter.is_ours else await self._adopted(letter) for letter in few]
            settled += list(await self._fates.of(few)).count(Fate.SETTLED)
            letters += len(few)
            return verdicts

        async with reading(self._url, self._queue, patience_seconds=0) as reader:
            await reader.walk(look)
        self._letters, self._settled = letters, settled
        DEAD_LETTERS.labels(self._queue.name).set(letters - settled)

    async def refresh(self) -> None:
        """Before the gauge is read: what has come since the last census counts at once."""
        there = await self._broker.message_count(self._queue.dead_letters)
        newcomers = max(0, there - self._letters)  # fewer may only be in somebody's hand at this moment
        DEAD_LETTERS.labels(self._queue.name).set(self._letters - self._settled + newcomers)
        if there != self._letters:
            self._changed.set()

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
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, _EVERY_SECONDS - least)):
                await self._changed.wait()
        self._changed.clear()
