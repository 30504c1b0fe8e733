"""Concurrency by lot: several take turns, one call to the database each, in an order that can be repeated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import Any

Step = Callable[[], Awaitable[None]]
Job = Callable[[], Awaitable[None]]


class Killed(BaseException):
    """The process is gone between two writes."""


class Stepwise:
    """A collection that asks before each of its calls."""

    def __init__(self, collection: Any, step: Step) -> None:
        self._collection = collection
        self._step = step

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._step()
            return await getattr(self._collection, name)(*args, **kwargs)

        return call

    def find(self, *args: Any) -> "_Found":
        return _Found(self._collection.find(*args), self._step)

    def aggregate(self, *args: Any) -> "_Found":
        return _Found(self._collection.aggregate(*args), self._step)


class _Found:
    """A cursor that is read in one step."""

    def __init__(self, cursor: Any, step: Step) -> None:
        self._cursor = cursor
        self._step = step

    def limit(self, count: int) -> "_Found":
        return _Found(self._cursor.limit(count), self._step)

    async def __aiter__(self) -> AsyncIterator[Any]:
        await self._step()
        for document in await self._cursor.to_list(None):
            yield document


class Turns:
    """Lets one of several jobs at a time do its next step, drawn by lot; now and then one is killed."""

    def __init__(self, seed: int, *, deaths: int) -> None:
        self._random = Random(seed)  # noqa: S311 - a schedule that can be repeated
        self._deaths = deaths
        self._waiting: list[asyncio.Future[None]] = []
        self._players = 0

    async def step(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._next()
        await turn

    async def play(self, jobs: Sequence[Job]) -> None:
        """Do all of them at the same time; those that were killed are done again."""
        while jobs:
            self._players = len(jobs)
            survived = await asyncio.gather(*(self._done(job) for job in jobs))
            jobs = [job for job, done in zip(jobs, survived, strict=True) if not done]

    async def _done(self, job: Job) -> bool:
        try:
            await job()
        except Killed:
            return False
        finally:
            self._players -= 1
            self._next()
        return True

    def _next(self) -> None:
        if not self._waiting or len(self._waiting) < self._players:
            return
        turn = self._waiting.pop(self._random.randrange(len(self._waiting)))
        if self._deaths and self._random.random() < 0.08:
            self._deaths -= 1
            turn.set_exception(Killed())
        else:
            turn.set_result(None)
