"""The collection `messages`: insert or find, and changes by compare-and-set on `revision` and `status`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from opentelemetry.trace import Span, SpanKind
from pydantic import ValidationError
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.media import FINAL, NEXT, Attachment, MediaStatus
from shared.moves import Move
from shared.repository.mongo import GAUGE_MS, Database, Document
from shared.tracing import span

log = structlog.get_logger(__name__)

_CENSUS_MS = 60_000
# a state that an attachment may come back to
_NOT_SHOWN: Mapping[MediaStatus, Document] = {MediaStatus.STORED: {"media.facts": {"$in": [None, {}]}}}


class IllegalMove(RuntimeError):
    """A defect of ours: this status does not follow that one."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What has just been written: the document as it is now, and the status before (none for a new one)."""

    attachment: Attachment
    previous: MediaStatus | None


class MessageRepository:
    """Documents of attachments. Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def get(self, media_id: str) -> Attachment | None:
        """The document, or None."""
        return _attachment(await self._messages.find_one({"_id": media_id}))

    async def insert(self, document: Attachment) -> Change | None:
        """Create the document at revision 1, or None when it exists already. `updatedAt` is the database's clock."""
        fields = document.to_document()
        fields["media"].pop("updatedAt")
        fields["media"]["revision"] = 1
        is_new = {"$eq": [{"$type": "$media"}, "missing"]}
        try:
            with _asking("update"):
                result = await self._messages.update_one(
                    {"_id": document.id},
                    [
                        # a literal: what a customer wrote must not be read as an expression
                        {"$replaceWith": {"$cond": [is_new, {"$literal": fields}, "$$ROOT"]}},
                        {"$set": {"media.updatedAt": {"$ifNull": ["$media.updatedAt", "$$NOW"]}}},
                    ],
                    upsert=True,
                )
        except DuplicateKeyError:  # another inserted it in the same instant
            return None
        if result.upserted_id is None:
            return None
        created = await self.get(document.id)
        if created is None or created.media.revision != 1:  # changed by another since: what was inserted is told
            created = document
        return Change(attachment=created, previous=None)

    async def change(self, current: Attachment, move: Move) -> Change | None:
        """Carry out `move` on exactly the document that was read; None when it has changed since (read again).

        Each change is one revision. Raises `IllegalMove` for a move that the states do not allow.
        """
        if move.to not in NEXT[current.media.status]:
            msg = f"{current.media.status} cannot become {move.to}"
            raise IllegalMove(msg)
        update: dict[str, Any] = {
            "$set": {"media.status": move.to.value, **{f"media.{name}": value for name, value in move.set.items()}},
            "$inc": {"media.revision": 1},
            "$currentDate": {"media.updatedAt": True},
        }
        if move.drop:
            update["$unset"] = {f"media.{name}": "" for name in move.drop}
        with _asking("findAndModify"):
            found = await self._messages.find_one_and_update(
                _unchanged(current), update, return_document=ReturnDocument.AFTER
            )
        changed = _attachment(found)
        return None if changed is None else Change(attachment=changed, previous=current.media.status)

    async def move_conversation(self, *, source: str, target: str) -> AsyncIterator[Change]:
        """Give the documents of a merged conversation to the one that goes on; one revision each."""
        update = {
            "$set": {"conversationId": target},
            "$inc": {"media.revision": 1},
            "$currentDate": {"media.updatedAt": True},
        }
        while True:
            moved = _attachment(
                await self._messages.find_one_and_update(
                    {"conversationId": source}, update, return_document=ReturnDocument.AFTER
                )
            )
            if moved is None:
                return
            yield Change(attachment=moved, previous=moved.media.status)

    async def wake_later(self, current: Attachment, wake_at: datetime) -> bool:
        """Move only the safety net, which nobody sees: no revision. False when the document has changed since.

        Also the claim by which one of several reconcilers takes a stranded document.
        """
        result = await self._messages.update_one(
            _unchanged(current) | {"media.wakeAt": current.media.wake_at}, {"$set": {"media.wakeAt": wake_at}}
        )
        return result.matched_count == 1

    async def stranded(self, now: datetime) -> AsyncIterator[Attachment]:
        """Not final, and `wakeAt` absent or past; nearest deadline first. What cannot be read is left out.

        One that was set to `pending` by hand while it was `stored` still has its `wakeAt`, and an original.
        """
        open_states = [status.value for status in MediaStatus if status not in FINAL]
        query = {
            "media.status": {"$in": open_states},
            "$or": [
                {"media.wakeAt": None},
                {"media.wakeAt": {"$lte": now}},
                {"media.status": MediaStatus.PENDING.value, "media.storage.original": {"$exists": True}},
            ],
        }
        found = self._messages.find(query).sort("media.deadline", ASCENDING)
        async for document in found.allow_disk_use(True):
            if (attachment := readable(document)) is not None:
                yield attachment

    async def count_by_status(self) -> Mapping[MediaStatus, int]:
        """How many documents are in each state, for the gauge."""
        # each from an index alone; grouping would read every document
        return {
            status: await self._messages.count_documents({"media.status": status.value}, maxTimeMS=_CENSUS_MS)
            for status in MediaStatus
        }

    async def count_overdue(self, *, received_before: datetime) -> Mapping[MediaStatus, int]:
        """How many whose webhook came before that are not in a final state yet, for each such state.

        Not those whose previews are made anew: they show what they had.
        """
        return {
            status: await self._messages.count_documents(
                {"media.status": status.value, "receivedAt": {"$lt": received_before}} | _NOT_SHOWN.get(status, {}),
                maxTimeMS=GAUGE_MS,
            )
            for status in MediaStatus
            if status not in FINAL
        }


def _asking(operation: str) -> AbstractContextManager[Span]:
    """The span of one call; the query stays out of it."""
    attributes = {
        "db.system.name": "mongodb",
        "db.collection.name": "messages",
        "db.operation.name": operation,
    }
    return span(f"{operation} messages", kind=SpanKind.CLIENT, attributes=attributes)


def readable(document: Document) -> Attachment | None:
    """The document of a list; None, and a line in the log, when somebody has broken it by hand."""
    try:
        return Attachment.model_validate(document)
    except ValidationError as error:
        log.error(
            "document.unreadable", mediaId=str(document["_id"]), reason=str(error), next="correct it in the database"
        )
        return None


def _unchanged(current: Attachment) -> Document:
    return {
        "_id": current.id,
        "media.revision": current.media.revision,
        "media.status": current.media.status.value,
    }


def _attachment(document: Document | None) -> Attachment | None:
    return None if document is None else Attachment.model_validate(document)
