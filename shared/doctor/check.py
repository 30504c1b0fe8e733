"""What a check is and what it says: pure."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"  # nobody looked, as nobody asked for it: says nothing about how it is
    WARNING = "warning"  # nothing is broken yet, or it could not be looked at; somebody should know
    WRONG = "wrong"  # something does not work, and will not without a person


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One thing that a check has seen, in a sentence; `next_step` is what to do about it. Holds no secret."""

    verdict: Verdict
    says: str
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One kind of trouble. `look` answers in its own words; whatever it raises is told as what cannot be looked at."""

    name: str
    look: Callable[[], Awaitable[Sequence[Answer]]]


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What a check said."""

    name: str
    answers: Sequence[Answer]


_NAMED = 3


def listed(names: Sequence[str]) -> str:
    """The first few of them; the others are counted."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def fine(says: str) -> Answer:
    """All is well."""
    return Answer(verdict=Verdict.OK, says=says)


def skipped(says: str) -> Answer:
    """Nobody looked."""
    return Answer(verdict=Verdict.SKIPPED, says=says)


def warning(says: str, next_step: str | None = None) -> Answer:
    """Somebody should know."""
    return Answer(verdict=Verdict.WARNING, says=says, next_step=next_step)


def wrong(says: str, next_step: str) -> Answer:
    """Something does not work: it never comes without what to do."""
    return Answer(verdict=Verdict.WRONG, says=says, next_step=next_step)
