"""The legal moves of an attachment, each as data: which status, what else changes. The repository carries them out.

`wakeAt` is set by every move to a state that is not final: by then somebody looks, if nothing has happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.broker.retry import DeadLetter, given_up
from shared.media import Facts, Failure, FailureStage, MediaStatus, Original, Rendition

LEASE = timedelta(seconds=960)
"""How long a claimed attempt may be silent: the handler's wall limit and a minute."""
SOON = timedelta(minutes=1)
"""How long a document that was moved may wait for its event to be published, which then makes it `QUEUED`."""
QUEUED = timedelta(minutes=15)
"""How long an event may wait in a queue before somebody looks whether it got lost."""
GRACE = timedelta(minutes=5)
"""How late a planned attempt may be."""
_LONGEST_WAIT = timedelta(hours=6)


def look_again(*, unchanged_since: datetime, now: datetime) -> datetime:
    """When to look after republishing: in 15 min, and twice as late each time while nothing changes, up to 6 h."""
    return now + min(max(QUEUED, now - unchanged_since), _LONGEST_WAIT)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change of `media`: its next status, fields to set and fields to drop (camelCase, relative to `media`)."""

    to: MediaStatus
    set: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()


def begin_attempt(attempt: int, *, now: datetime) -> Move:
    """Claim: this attempt is under way."""
    return Move(
        to=MediaStatus.PENDING,
        set={"attempts": attempt, "wakeAt": now + LEASE},
        drop=("nextAttemptAt", "failure"),
    )


def wait_for_retry(failure: Failure, *, delay_seconds: int, now: datetime) -> Move:
    """The attempt failed and the next one is planned."""
    due = now + timedelta(seconds=delay_seconds)
    return Move(
        to=MediaStatus.PENDING,
        set={"failure": failure.to_document(), "nextAttemptAt": due, "wakeAt": due + GRACE},
    )


def mark_stored(original: Original, *, now: datetime) -> Move:
    """The verified original is in the store."""
    return Move(
        to=MediaStatus.STORED,
        set={"storage.original": original.to_document(), "wakeAt": now + QUEUED},
        drop=("nextAttemptAt", "failure"),
    )


def mark_ready(renditions: Mapping[str, Rendition], facts: Facts) -> Move:
    """Every rendition that this kind of file has exists."""
    return Move(
        to=MediaStatus.READY,
        set={
            "storage.renditions": {name: rendition.to_document() for name, rendition in renditions.items()},
            "facts": facts.to_document(),
        },
        drop=("nextAttemptAt", "wakeAt", "failure"),
    )


def mark_skipped(failure: Failure, *, size_bytes: int | None) -> Move:
    """Larger than the limit: deliberately not downloaded. The size Meta told is kept for the operator."""
    known = {} if size_bytes is None else {"declared.sizeBytes": size_bytes}
    return Move(
        to=MediaStatus.SKIPPED,
        set={"failure": failure.to_document(), **known},
        drop=("nextAttemptAt", "wakeAt"),
    )


def mark_failed(failure: Failure) -> Move:
    """Given up."""
    return Move(to=MediaStatus.FAILED, set={"failure": failure.to_document()}, drop=("nextAttemptAt", "wakeAt"))


def preview_waits(failure: Failure, *, delay_seconds: int, now: datetime) -> Move:
    """The preview failed for a passing reason and is tried again."""
    due = now + timedelta(seconds=delay_seconds)
    return Move(
        to=MediaStatus.STORED,
        set={"failure": failure.to_document(), "nextAttemptAt": due, "wakeAt": due + GRACE},
    )


def ingest_again(*, now: datetime) -> Move:
    """The download is to be done (again): attempts start from the beginning, and no original is promised meanwhile."""
    return Move(
        to=MediaStatus.PENDING,
        set={"attempts": 0, "wakeAt": now + SOON, "storage": {"renditions": {}}, "facts": {}},
        drop=("nextAttemptAt", "failure"),
    )


def store_again(*, now: datetime) -> Move:
    """The original is gone again before anybody was told of it: the same attempt is not over."""
    return Move(
        to=MediaStatus.PENDING,
        set={"wakeAt": now + LEASE, "storage": {"renditions": {}}},
        drop=("nextAttemptAt", "failure"),
    )


def preview_again(*, now: datetime) -> Move:
    """Somebody wants the preview tried again; the original stays where it is."""
    return Move(to=MediaStatus.STORED, set={"wakeAt": now + SOON}, drop=("nextAttemptAt", "failure"))


def failure_of(
    cause: DeadLetter | Exception, *, stage: FailureStage, at: datetime, instance_version: int | None = None
) -> Failure:
    """What the document says about giving up (`DeadLetter`) or about the attempt that has just failed."""
    letter = cause if isinstance(cause, DeadLetter) else given_up(cause)
    return Failure(
        stage=stage,
        code=letter.code,
        message=letter.reason,
        provider_status=letter.provider_status,
        provider_code=letter.provider_code,
        instance_version=instance_version,
        at=at,
    )
