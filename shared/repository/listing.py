"""What people read: pages of messages and conversations, newest first, by opaque cursors."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import Field
from pymongo import DESCENDING

from shared.errors import ErrorCode
from shared.media import Attachment, MediaStatus, Sender
from shared.model import Model, UtcTime
from shared.repository.messages import readable
from shared.repository.mongo import Database, Document

T = TypeVar("T")


class BadCursor(ValueError):
    """The cursor is not one that an earlier page gave."""


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some items, and the cursor of what comes after them (None at the end)."""

    items: Sequence[T]
    next_cursor: str | None


class Conversation(Model):
    """A conversation as the API lists it; counts are read from the documents."""

    id: str = Field(alias="_id")
    phone_number_id: str
    participants: list[Sender] = Field(default_factory=list)
    group_id: str | None = None
    last_message_at: UtcTime
    message_count: int = 0
    failed_count: int = 0


class Listing:
    """Read-only views. Every method may raise `DatabaseError`, and `BadCursor`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]
        self._conversations = database["conversations"]

    async def messages(
        self,
        *,
        conversation_id: str | None = None,
        status: MediaStatus | None = None,
        phone_number_id: str | None = None,
        code: ErrorCode | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Attachment]:
        """By (`sentAt`, `id`) descending; each filter that is given applies."""
        query: Document = {
            name: value
            for name, value in (
                ("conversationId", conversation_id),
                ("media.status", status and status.value),
                ("phoneNumberId", phone_number_id),
                ("media.failure.code", code and code.value),
            )
            if value is not None
        }
        documents = await _page(self._messages, query, by="sentAt", limit=limit, cursor=cursor)
        return Page(
            items=[item for document in documents[:limit] if (item := readable(document)) is not None],
            next_cursor=_cursor(documents, by="sentAt", limit=limit),
        )

    async def conversations(self, *, limit: int, cursor: str | None = None) -> Page[Conversation]:
        """By (`lastMessageAt`, `id`) descending; merged ones are not listed."""
        query: Document = {"mergedInto": {"$exists": False}}
        documents = await _page(self._conversations, query, by="lastMessageAt", limit=limit, cursor=cursor)
        counts = await self._counts([document["_id"] for document in documents[:limit]])
        return Page(
            items=[
                Conversation.model_validate(document | counts.get(document["_id"], {}))
                for document in documents[:limit]
            ],
            next_cursor=_cursor(documents, by="lastMessageAt", limit=limit),
        )

    async def conversation_exists(self, conversation_id: str) -> bool:
        """Whether the id was ever given out, merged or not."""
        return bool(await self._conversations.count_documents({"_id": conversation_id}, limit=1))

    async def merged(self, conversation_ids: Collection[str]) -> set[str]:
        """Those of them that have been merged into another one."""
        query = {"_id": {"$in": list(conversation_ids)}, "mergedInto": {"$exists": True}}
        return {document["_id"] async for document in self._conversations.find(query, {"_id": 1})}

    async def updated_since(self, since: datetime, *, limit: int) -> Sequence[Attachment]:
        """What changed after `since`, oldest change first."""
        found = self._messages.find({"media.updatedAt": {"$gt": since}}).sort("media.updatedAt").limit(limit)
        return [item async for document in found if (item := readable(document)) is not None]

    async def _counts(self, conversation_ids: Sequence[str]) -> dict[str, Document]:
        failed = {"$cond": [{"$eq": ["$media.status", MediaStatus.FAILED.value]}, 1, 0]}
        groups = self._messages.aggregate(
            [
                {"$match": {"conversationId": {"$in": list(conversation_ids)}}},
                {"$group": {"_id": "$conversationId", "messageCount": {"$sum": 1}, "failedCount": {"$sum": failed}}},
            ]
        )
        return {group.pop("_id"): group async for group in groups}


async def _page(collection: Any, query: Document, *, by: str, limit: int, cursor: str | None) -> list[Document]:
    if cursor is not None:
        moment, last_id = _position(cursor)
        query = query | {"$or": [{by: {"$lt": moment}}, {by: moment, "_id": {"$lt": last_id}}]}
    # one more than asked for tells whether there is a next page
    found = collection.find(query).sort([(by, DESCENDING), ("_id", DESCENDING)]).limit(limit + 1)
    return [document async for document in found]


def _cursor(documents: Sequence[Document], *, by: str, limit: int) -> str | None:
    if len(documents) <= limit:
        return None
    last = documents[limit - 1]
    position = json.dumps([round(last[by].timestamp() * 1000), last["_id"]])
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        milliseconds, last_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(last_id, str) or not isinstance(milliseconds, int):
            raise BadCursor
        return datetime.fromtimestamp(milliseconds / 1000, UTC), last_id
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        msg = "the cursor is not one that an earlier page gave"
        raise BadCursor(msg) from error
