"""What a replay can do for a letter. The document is the truth: once that goes on elsewhere, the letter is settled."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum

from shared.broker.letter import Letter
from shared.broker.topology import PREVIEW
from shared.clock import Clock
from shared.events import MediaReceived
from shared.repository.mongo import Database
from shared.repository.standing import Standing, Standings

IsErased = Callable[[MediaReceived], Awaitable[bool]]
"""`Tombstones.cover`; as a function, because not every service can open the tombstones."""


class Fate(StrEnum):
    """What would become of a letter that is replayed."""

    OPEN = "open"  # it is worked off once more
    EXPIRED = "expired"  # Meta has deleted the media: it stays until a person removes it
    SETTLED = "settled"  # its attachment goes on elsewhere, is done, or was erased: it is removed


def fate_of(letter: Letter, standing: Standing | None, *, erased: bool, now: datetime) -> Fate:
    """Of one letter, by the document it is about (None: there is none)."""
    if letter.media_id is None:  # not about one attachment, or not readable: only its consumer can judge it
        return Fate.OPEN
    if letter.queue == PREVIEW:
        return Fate.OPEN if standing is not None and standing.failed_at_preview else Fate.SETTLED
    if standing is None:
        return Fate.SETTLED if erased else Fate.OPEN
    if not standing.failed_at_ingest:
        return Fate.SETTLED
    return Fate.EXPIRED if standing.deadline is not None and standing.deadline <= now else Fate.OPEN


class Fates:
    """Judges letters by the database. Without `is_erased` what was erased is taken for open.

    May raise `DatabaseError`, and what `is_erased` raises.
    """

    def __init__(self, database: Database, *, is_erased: IsErased | None, clock: Clock) -> None:
        self._standings = Standings(database)
        self._is_erased = is_erased
        self._clock = clock

    async def of(self, letters: Sequence[Letter]) -> Sequence[Fate]:
        """One for each letter."""
        standings = await self._standings.of(letter.media_id for letter in letters if letter.media_id is not None)
        fates = []
        for letter in letters:
            standing = standings.get(letter.media_id) if letter.media_id is not None else None
            erased = standing is None and await self._erased(letter)
            fates.append(fate_of(letter, standing, erased=erased, now=self._clock()))
        return fates

    async def _erased(self, letter: Letter) -> bool:
        event = letter.event
        return self._is_erased is not None and isinstance(event, MediaReceived) and await self._is_erased(event)
