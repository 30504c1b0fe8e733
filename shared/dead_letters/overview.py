"""The dead letters by queue, code and number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import SecretStr

from shared.broker.letter import Letter
from shared.broker.letters import Verdict, reading
from shared.broker.topology import WorkQueue
from shared.dead_letters.fates import Fate, Fates


@dataclass(frozen=True, kw_only=True)
class Group:
    """Letters of one queue that were given up for the same code and number; `reason` is the newest one's."""

    queue: WorkQueue
    code: str | None
    phone_number_id: str | None
    count: int
    first: datetime | None
    last: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One queue's letters. Those that are settled are in no group: a replay removes them."""

    queue: WorkQueue
    groups: Sequence[Group]
    settled: int


async def overview(url: SecretStr, queue: WorkQueue, *, fates: Fates | None) -> Overview:
    """Look at all letters of a queue. Without `fates` all of them count. Raise as `reading` and `Fates` do."""
    counting = _Counting(queue, fates)
    async with reading(url, queue) as reader:
        await reader.walk(counting)
    return counting.result()


class _Counting:
    def __init__(self, queue: WorkQueue, fates: Fates | None) -> None:
        self._queue = queue
        self._fates = fates
        self._groups: dict[tuple[str | None, str | None], Group] = {}
        self._settled = 0

    async def __call__(self, letters: Sequence[Letter]) -> Sequence[Verdict]:
        fates = [Fate.OPEN] * len(letters) if self._fates is None else await self._fates.of(letters)
        for letter, fate in zip(letters, fates, strict=True):
            if fate is Fate.SETTLED:
                self._settled += 1
            else:
                self._add(letter)
        return [Verdict.KEEP] * len(letters)

    def result(self) -> Overview:
        return Overview(queue=self._queue, groups=tuple(self._groups.values()), settled=self._settled)

    def _add(self, letter: Letter) -> None:
        key, at = (letter.code, letter.phone_number_id), letter.failed_at
        group = self._groups.get(key) or Group(
            queue=self._queue,
            code=letter.code,
            phone_number_id=letter.phone_number_id,
            count=0,
            first=None,
            last=None,
            reason=letter.reason,
        )
        times = [time for time in (at, group.first, group.last) if time is not None]
        is_newest = at is not None and at == max(times)
        self._groups[key] = replace(
            group,
            count=group.count + 1,
            first=min(times, default=None),
            last=max(times, default=None),
            reason=letter.reason if is_newest else group.reason,
        )
