"""Counting attempts, without a label value for every number that ever sent something."""

from collections.abc import Iterable

from ingestor.metrics import INGEST_ATTEMPTS
from shared.errors import ErrorCode
from shared.events import MediaReceived
from shared.media import Attachment


class Attempts:
    """Counts by configured number; all others are `other`, so that the metric stays small."""

    def __init__(self) -> None:
        self._configured: frozenset[str] = frozenset()

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
