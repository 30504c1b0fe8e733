"""Which letters are meant."""

from dataclasses import dataclass
from datetime import datetime

from shared.broker.letter import Letter
from shared.broker.topology import WorkQueue
from shared.dead_letters.queues import QUEUES


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Each that is given applies. `id`: the letter's own, our id of its attachment, or the wamid. `until` is included.

    `limit` is how many are set going at most.
    """

    queue: WorkQueue | None = None
    code: str | None = None
    phone_number_id: str | None = None
    id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    @property
    def queues(self) -> tuple[WorkQueue, ...]:
        """Where to look."""
        return (self.queue,) if self.queue is not None else tuple(QUEUES.values())

    def has(self, letter: Letter) -> bool:
        """Whether this letter is meant. One that says neither when it failed nor when it was sent has no age."""
        at = letter.failed_at
        return (
            (self.code is None or letter.code == self.code)
            and (self.phone_number_id is None or letter.phone_number_id == self.phone_number_id)
            and (self.id is None or letter.names(self.id))
            and (self.since is None or (at is not None and at >= self.since))
            and (self.until is None or (at is not None and at <= self.until))
        )
