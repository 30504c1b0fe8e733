"""What many webhooks are to be, and how they were answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.files import LARGEST_SAMPLE_BYTES
from whatsapp_simulator.sender import Delivery
from whatsapp_simulator.webhooks import MOST_UPDATES


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What to send. `kinds` take turns until there are `count` of them.

    `batch` bounds the updates of one POST. `per_second` is POSTs; None sends as fast as `connections` are answered.
    `duplicates` is the share of POSTs that is sent twice at the same time. `unique` gives each file bytes of its own.
    """

    kinds: Sequence[str]
    count: int = 1
    batch: int = 1
    per_second: float | None = None
    connections: int = 4
    duplicates: float = 0.0
    reorder: bool = False
    customers: int = 1
    size_bytes: int | None = None
    unique: bool = False
    caption: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        checks = {
            f"{', '.join(unknown)}: no such kind": bool(unknown),
            "kinds: none given": not self.kinds,
            "count, connections and customers must be 1 or more": min(self.count, self.connections, self.customers) < 1,
            f"batch must be from 1 to {MOST_UPDATES}": not 1 <= self.batch <= MOST_UPDATES,
            "the rate must be above 0": self.per_second is not None and self.per_second <= 0,
            f"a size must be {LARGEST_SAMPLE_BYTES} or more": self.size_bytes is not None
            and self.size_bytes < LARGEST_SAMPLE_BYTES,
            "duplicates must be from 0 to 1": not 0 <= self.duplicates <= 1,
        }
        problem = next((words for words, wrong in checks.items() if wrong), None)
        if problem is not None:
            raise ValueError(problem)


@dataclass(kw_only=True)
class Sent:
    """What was sent so far, and how it was answered."""

    posts: int = 0
    updates: int = 0
    attachments: int = 0
    duplicates: int = 0
    refused: int = 0
    elapsed_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    answer_seconds: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether every webhook was answered 200 in the end."""
        return self.refused == 0

    def answered_within(self, share: float) -> float:
        """The seconds within which this share of the attempts was answered."""
        ordered = sorted(self.answer_seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def note(self, delivery: Delivery) -> None:
        """Count one POST."""
        self.posts += 1
        self.refused += not delivery.accepted
        self.statuses.update(delivery.statuses)
        self.answer_seconds.extend(delivery.seconds)
