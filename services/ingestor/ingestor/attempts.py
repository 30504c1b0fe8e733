"""Counting attempts, without a label value for every number that ever sent something."""

from collections.abc import Iterable

from ingestor.metrics import INGEST_ATTEMPTS, INGEST_RESULTS
from shared.errors import ErrorCode
from shared.events import MediaReceived
from shared.media import Attachment

_ENDS = frozenset({"stored", "linked", "skipped", "failed"})


class Attempts:
    """Counts by configured number; all others are `other`, so that the metric stays small."""

    def __init__(self) -> None:
        self._configured: frozenset[str] = frozenset()
        for outcome in _ENDS:  # at 0 from the start: increase() sees no first event of a series that begins with it
            for attempt in ("first", "later"):
                INGEST_RESULTS.labels(outcome, attempt)

    def configure(self, numbers: Iterable[str]) -> None:
        """Learn which numbers are configured."""
        self._configured = frozenset(numbers)

    def count(
        self,
        outcome: str,
        attachment: Attachment | MediaReceived,
        *,
        code: ErrorCode | None = None,
        provider_status: int | None = None,
    ) -> None:
        """One attempt of `attachment` ended: stored, linked, skipped, retry, failed or erased."""
        number = attachment.phone_number_id
        INGEST_ATTEMPTS.labels(
            outcome,
            code.value if code else "",
            "" if provider_status is None else str(provider_status),
            number if number in self._configured else "other",
        ).inc()
        if outcome in _ENDS and isinstance(attachment, Attachment):
            INGEST_RESULTS.labels(outcome, "first" if attachment.media.attempts <= 1 else "later").inc()
