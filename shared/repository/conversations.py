"""The collection `conversations`: which conversation an attachment belongs to, however Meta names the customer.

A conversation is (number, customer or group). A customer has up to three identities (phone digits, user id, parent
user id), each of which belongs to one conversation of a number: a unique index sees to it, whatever races there are.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from shared.clock import system_clock
from shared.ids import new_conversation_id
from shared.media import Customer, Sender
from shared.repository.mongo import Database, Document

_WA = "wa:"
_USER = "user:"
_PARENT = "parent:"
_GROUP = "group:"
_MOST_PARTICIPANTS = 32  # a group has at most 8 at a time (Meta); some leave, others come
_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The conversation, and every one that was ever merged into it: whatever documents they still have are its own.

    Not only those merged just now: whoever was to move the documents then may have been killed before it did.
    """

    conversation_id: str
    merged: Sequence[str] = ()


def identities(customer: Customer, group_id: str | None) -> tuple[str, ...]:
    """What a conversation is known by: the group alone, else every identity of the customer that Meta gave."""
    if group_id:
        return (_GROUP + group_id,)
    named = ((_WA, customer.wa_id), (_USER, customer.user_id), (_PARENT, customer.parent_user_id))
    return tuple(prefix + value for prefix, value in named if value)


class ConversationRepository:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._conversations = database["conversations"]

    async def resolve(
        self, *, phone_number_id: str, customer: Customer, group_id: str | None, sent_at: datetime
    ) -> Resolved:
        """Find or make the conversation, tying identities together as the webhook did.

        A message that names nobody at all gets a conversation of the unknown of its number.
        """
        known_by = identities(customer, group_id) or ("unknown",)
        for _ in range(_TRIES):
            try:
                return await self._resolved(phone_number_id, known_by, sent_at)
            except DuplicateKeyError:  # another webhook tied one of these identities in the same instant: look again
                continue
        raise _restless()

    async def renamed(self, *, phone_number_id: str, before: Customer, after: Customer) -> Resolved | None:
        """Meta says that one customer's identity changed from `before` to `after`; None when neither is known.

        Unlike in `resolve`, another user id is not somebody else here: it is the new name of the same customer.
        """
        old, new = identities(before, None), identities(after, None)
        for _ in range(_TRIES):
            matches = [document async for document in self._matching(phone_number_id, (*old, *new))]
            if not matches:
                return None
            try:
                return await self._merge(matches[0], matches[1:], (*new, *old))
            except DuplicateKeyError:
                continue
        raise _restless()

    async def seen(self, conversation_id: str, *, sender: Sender, sent_at: datetime) -> None:
        """A message of this conversation has been registered: keep who took part and when it last moved."""
        update: dict[str, Any] = {"$max": {"lastMessageAt": sent_at}}
        participant = sender.to_document()
        if participant:
            same = [
                {"$eq": [f"$$p.{key}", {"$literal": participant[key]}]}
                for key in ("waId", "userId")
                if key in participant
            ]
            others = {
                "$filter": {
                    "input": {"$ifNull": ["$participants", []]},
                    "as": "p",
                    "cond": {"$not": [{"$or": same}]} if same else {"$ne": ["$$p", {"$literal": participant}]},
                }
            }
            newest = {"$slice": [{"$concatArrays": [others, [{"$literal": participant}]]}, -_MOST_PARTICIPANTS]}
            last = {"$max": ["$lastMessageAt", sent_at]}
            await self._conversations.update_one(
                {"_id": conversation_id}, [{"$set": {"participants": newest, "lastMessageAt": last}}]
            )
            return
        await self._conversations.update_one({"_id": conversation_id}, update)

    async def surviving(self, conversation_id: str) -> str:
        """The id under which the conversation goes on: its own, or that of the one it was merged into."""
        for _ in range(_TRIES):
            document: Document | None = await self._conversations.find_one({"_id": conversation_id}, {"mergedInto": 1})
            if document is None or "mergedInto" not in document:
                return conversation_id
            conversation_id = document["mergedInto"]
        return conversation_id

    async def _resolved(self, number: str, known_by: Sequence[str], sent_at: datetime) -> Resolved:
        matches = [document async for document in self._matching(number, known_by)]
        if not matches:
            return Resolved(conversation_id=await self._create(number, known_by, sent_at))
        keep = _right_one(matches, known_by)
        if keep is None:  # the phone number was given to somebody new: it moves, the old conversation keeps its owner
            await self._release(matches, known_by, keep=None)
            return Resolved(conversation_id=await self._create(number, known_by, sent_at))
        others = [document for document in matches if document["_id"] != keep["_id"]]
        same_customer = [document for document in others if not _somebody_else(document, known_by)]
        await self._release([d for d in others if d not in same_customer], known_by, keep=keep["_id"])
        return await self._merge(keep, same_customer, known_by)

    async def _merge(self, keep: Document, younger: Sequence[Document], known_by: Sequence[str]) -> Resolved:
        """Let `keep` go on as the conversation of all of them, known by every name that any of them had."""
        inherited = [identity for document in younger for identity in document["identities"]]
        for document in younger:
            # the mark goes first: whoever comes now under an old identity finds it gone and looks again
            await self._conversations.update_one(
                {"_id": document["_id"]}, {"$set": {"mergedInto": keep["_id"]}, "$unset": {"identities": ""}}
            )
            # and who was merged into it before goes along, so that one look finds them all
            await self._conversations.update_many(
                {"mergedInto": document["_id"]}, {"$set": {"mergedInto": keep["_id"]}}
            )
        missing = [i for i in dict.fromkeys([*known_by, *inherited]) if i not in keep["identities"]]
        if missing:
            await self._conversations.update_one(
                {"_id": keep["_id"]}, {"$addToSet": {"identities": {"$each": missing}}}
            )
        merged = self._conversations.find({"mergedInto": keep["_id"]}, {"_id": 1})
        return Resolved(conversation_id=keep["_id"], merged=tuple([document["_id"] async for document in merged]))

    def _matching(self, number: str, known_by: Sequence[str]) -> AsyncIterator[Document]:
        query = {"phoneNumberId": number, "identities": {"$in": list(known_by)}}
        return self._conversations.find(query).sort([("createdAt", ASCENDING), ("_id", ASCENDING)])

    async def _create(self, number: str, known_by: Sequence[str], sent_at: datetime) -> str:
        conversation_id = new_conversation_id()
        group = known_by[0].removeprefix(_GROUP) if known_by[0].startswith(_GROUP) else None
        await self._conversations.insert_one(
            {
                "_id": conversation_id,
                "phoneNumberId": number,
                "identities": list(known_by),
                "participants": [],
                "lastMessageAt": sent_at,
                "createdAt": system_clock(),
            }
            | ({"groupId": group} if group else {})
        )
        return conversation_id

    async def _release(self, documents: Sequence[Document], known_by: Sequence[str], *, keep: str | None) -> None:
        """Take the moved identities away from those who no longer own them."""
        for document in documents:
            if document["_id"] != keep:
                await self._conversations.update_one(
                    {"_id": document["_id"]}, {"$pull": {"identities": {"$in": list(known_by)}}}
                )


def _restless() -> RuntimeError:
    return RuntimeError("the identities of a customer change faster than they can be followed")


def _right_one(matches: Sequence[Document], known_by: Sequence[str]) -> Document | None:
    """The conversation with the same user id, else the oldest that does not belong to somebody else."""
    users = {identity for identity in known_by if identity.startswith(_USER)}
    by_user = [document for document in matches if users & set(document["identities"])]
    free = [document for document in matches if not _somebody_else(document, known_by)]
    candidates = [document for document in matches if document in by_user or document in free]
    return candidates[0] if candidates else None


def _somebody_else(document: Document, known_by: Sequence[str]) -> bool:
    """It has a user id, and it is not this one's."""
    theirs = {identity for identity in document["identities"] if identity.startswith(_USER)}
    ours = {identity for identity in known_by if identity.startswith(_USER)}
    return bool(theirs) and bool(ours) and not theirs & ours
