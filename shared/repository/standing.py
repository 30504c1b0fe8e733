"""Where attachments stand: as much of their documents as it takes to judge a letter about them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.media import FailureStage, MediaStatus
from shared.repository.mongo import Database, Document

_FIELDS = {"media.status": 1, "media.deadline": 1, "media.failure.stage": 1, "media.storage.original.sha256": 1}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """`status` and `stage` are plain texts: people write to documents by hand, and may mistype."""

    status: str
    stage: str | None
    deadline: datetime | None
    has_original: bool

    @property
    def failed_at_ingest(self) -> bool:
        """Whether only a download helps. A failure without a stage is one of ingestion."""
        failed = self.status == MediaStatus.FAILED.value and self.stage != FailureStage.PREVIEW.value
        return failed or self.status == MediaStatus.SKIPPED.value

    @property
    def failed_at_preview(self) -> bool:
        """Whether another preview may help."""
        at_preview = self.status == MediaStatus.FAILED.value and self.stage == FailureStage.PREVIEW.value
        return at_preview and self.has_original


class Standings:
    """Read-only. May raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def of(self, ids: Iterable[str]) -> Mapping[str, Standing]:
        """Those that exist, by our id."""
        if not (wanted := list(dict.fromkeys(ids))):
            return {}
        found = self._messages.find({"_id": {"$in": wanted}}, _FIELDS)
        return {document["_id"]: _standing(document) async for document in found}


def _standing(document: Document) -> Standing:
    media = document.get("media") or {}
    deadline = media.get("deadline")
    return Standing(
        status=str(media.get("status")),
        stage=(media.get("failure") or {}).get("stage"),
        deadline=deadline if isinstance(deadline, datetime) else None,
        has_original=bool((media.get("storage") or {}).get("original")),
    )
