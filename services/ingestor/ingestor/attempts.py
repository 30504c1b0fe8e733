"""Counting attempts, without a label value for every number that ever sent something."""

from ingestor.metrics import INGEST_ATTEMPTS
from shared.errors import ErrorCode
from shared.media import Attachment
from shared.repository.instances import InstanceRepository


class Attempts:
    """Counts by configured number; all others are `other`, so that the metric stays small."""

    def __init__(self, instances: InstanceRepository) -> None:
        self._instances = instances
        self._configured: frozenset[str] = frozenset()

    async def reload_numbers(self) -> None:
        """Learn which numbers are configured."""
        self._configured = frozenset([instance.id async for instance in self._instances.all()])

    def count(
        self,
        outcome: str,
        attachment: Attachment,
        *,
        code: ErrorCode | None = None,
        provider_status: int | None = None,
    ) -> None:
        """One attempt of `attachment` ended: stored, linked, skipped, retry or failed."""
        number = attachment.phone_number_id
        INGEST_ATTEMPTS.labels(
            outcome,
            code.value if code else "",
            "" if provider_status is None else str(provider_status),
            number if number in self._configured else "other",
        ).inc()
