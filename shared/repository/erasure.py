"""What is to be erased with a conversation, a person, an attachment or a message: names, documents, conversations."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from shared.events import IdentityChanged, MediaReceived, MessageRevoked
from shared.keys import parse
from shared.media import Original
from shared.repository import erased_names
from shared.repository.conversations import NOBODY, WA, ConversationRepository, identities
from shared.repository.lineages import PARENT, USER, Lineage, Lineages
from shared.repository.mongo import Database, Document


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to go. `names` become tombstones, `documents` is a query on the collection `messages`."""

    names: tuple[str, ...]
    documents: Document
    conversations: tuple[str, ...] = ()
    person: Document | None = None  # as they stand among the participants of groups
    mentions: frozenset[str] = frozenset()  # by which a webhook that cannot be read may give it away
    for_ever: bool = False  # it cannot be sent once more, so its tombstones need no time
    whole_messages: bool = True  # with a document goes its message, whatever else may be attached to it


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A document that is to go, however somebody may have mangled it by hand.

    `message` is its number and wamid, `announced` the digest that Meta announced.
    """

    id: str
    conversation_id: str | None
    message: tuple[str, str] | None
    original: Original | None
    announced: str | None


@dataclass(frozen=True, kw_only=True)
class Files:
    """Contents that a target refers to: digests that only it has, and those that others have too."""

    only: frozenset[str] = field(default_factory=frozenset)
    shared: frozenset[str] = field(default_factory=frozenset)


class ErasureRepository:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]
        self._conversations = database["conversations"]
        self._lineages = Lineages(database)
        self._names = ConversationRepository(database)

    async def conversation(self, conversation_id: str) -> Target | None:
        """A conversation with all that were merged into it; None when there is none of this id."""
        goes_on = await self._names.surviving(conversation_id)
        root: Document | None = await self._conversations.find_one({"_id": goes_on})
        if root is None:
            return None
        number = root["phoneNumberId"]
        lineages = await self._lineages.known_by(number, root.get("identities", ()))
        lineage = next((each for each in lineages if goes_on in _ids([each])), Lineage(root=root))
        request = erased_names.of_request("conversation", conversation_id)
        return Target(
            names=(request, *erased_names.of_conversation(number, lineage.names)),
            documents={"conversationId": {"$in": [conversation_id, *_ids([lineage])]}},
            conversations=(lineage.id,),
            mentions=frozenset(name.partition(":")[2] for name in lineage.names) - {""},
        )

    async def sender(self, *, phone: str | None = None, user_id: str | None = None) -> Target:
        """A person on all numbers: the conversations with them, and what they sent in groups.

        Everything that was sent under the phone number or the user id that is asked for. Of other names that lead to
        the same conversations, a phone number counts only where no user id stands beside it (it may be recycled).
        """
        asked = [WA + phone] if phone else [USER + (user_id or ""), PARENT + (user_id or "")]
        lineages = await self._of_person(asked)
        names = [erased_names.of_request("sender", phone or user_id or ""), *erased_names.of_sender(asked)]
        for lineage in lineages:
            names += erased_names.of_conversation(lineage.root["phoneNumberId"], lineage.names)
            names += erased_names.of_alias(lineage.names)
        known = {*asked, *(name for lineage in lineages for name in lineage.names)}
        users = _values(known, USER)
        person: Document = {
            "$or": [
                {"waId": {"$in": _values(asked, WA)}},
                {"userId": {"$in": users}},
                {"waId": {"$in": _values(known, WA)}, "userId": None},
            ]
        }
        by_them = [{f"sender.{key}": value for key, value in each.items()} for each in person["$or"]]
        return Target(
            names=tuple(names),
            documents={"$or": [{"conversationId": {"$in": _ids(lineages)}}, *by_them]},
            conversations=tuple(lineage.id for lineage in lineages),
            person=person,
            mentions=frozenset(name.partition(":")[2] for name in known),
        )

    async def attachment(self, media_or_message_id: str) -> Target | None:
        """One attachment by our id, or all of a message by its wamid; None when there is no such document."""
        by_id = await self._messages.find_one({"_id": media_or_message_id}, {"_id": 1})
        query = {"_id" if by_id else "messageId": media_or_message_id}
        numbers = await self._messages.distinct("phoneNumberId", query)
        if not numbers:
            return None
        names = [erased_names.of_request("id", media_or_message_id)]
        if by_id is None:
            names += [erased_names.of_message(number, media_or_message_id) for number in numbers]
        wamids = await self._messages.distinct("messageId", query)
        mentions = frozenset([media_or_message_id, *wamids])
        return Target(
            names=tuple(names), documents=query, for_ever=True, whole_messages=by_id is None, mentions=mentions
        )

    def again(self, kind: str, value: str) -> Target:
        """What was asked for before, and is not known any more: whatever an erasure that was cut off has left."""
        return Target(
            names=(erased_names.of_request(kind, value),),
            documents={"conversationId": value} if kind == "conversation" else {"_id": value},
            conversations=(value,) if kind == "conversation" else (),
            for_ever=True,
            whole_messages=kind == "conversation",
            mentions=frozenset([value]),
        )

    async def has(self, target: Target, media_id: str) -> bool:
        """Whether an attachment is among its documents."""
        return bool(await self._messages.count_documents({"$and": [{"_id": media_id}, target.documents]}, limit=1))

    async def has_all_of(self, target: Target, event: MessageRevoked) -> bool:
        """Whether the revoked message is among what goes, with all that is attached to it."""
        message = {"phoneNumberId": event.phone_number_id, "messageId": event.message_id}
        query = {"$and": [message, target.documents]}
        return target.whole_messages and bool(await self._messages.count_documents(query, limit=1))

    async def documents(self, target: Target, *, before: datetime, received_by: datetime, limit: int) -> list[Doomed]:
        """Some of its documents: sent before, or here already. None are left when it is empty."""
        query = {"$and": [target.documents, _in_time(before, received_by)]}
        fields = dict.fromkeys(
            ("conversationId", "phoneNumberId", "messageId", "media.storage.original", "media.declared"), 1
        )
        return [_doomed(document) async for document in self._messages.find(query, fields).limit(limit)]

    async def delete(self, doomed: Doomed) -> Doomed | None:
        """The document as it was when it went; None when it was gone already."""
        found: Document | None = await self._messages.find_one_and_delete({"_id": doomed.id})
        return None if found is None else _doomed(found)

    async def get(self, media_id: str) -> Doomed | None:
        """One document."""
        found: Document | None = await self._messages.find_one({"_id": media_id})
        return None if found is None else _doomed(found)

    async def has_any(self, target: Target) -> bool:
        """Whether anything of it is here: a conversation, a document, a name among the participants of a group."""
        if target.conversations or await self._messages.count_documents(target.documents, limit=1):
            return True
        return target.person is not None and bool(
            await self._conversations.count_documents(_joined_by(target.person), limit=1)
        )

    async def count(self, target: Target) -> int:
        """How many documents would go."""
        return await self._messages.count_documents(target.documents)

    async def files(self, target: Target) -> Files:
        """Whose files would go, and whose would stay because documents of others have them too."""
        digest = "media.storage.original.sha256"
        mine = self._messages.aggregate(
            [
                {"$match": {"$and": [target.documents, {digest: {"$exists": True}}]}},
                {"$group": {"_id": f"${digest}", "count": {"$sum": 1}}},
            ]
        )
        shared: set[str] = set()
        only: set[str] = set()
        async for group in mine:
            used = await self._messages.count_documents({digest: group["_id"]})
            (shared if used > group["count"] else only).add(group["_id"])
        return Files(only=frozenset(only), shared=frozenset(shared))

    async def empty_conversation(self, conversation_id: str) -> bool:
        """Remove a conversation that has no document any more, with all that were merged into it; True: removed.

        Marked first, then looked at, then removed if it is still marked: a message that comes in meanwhile takes the
        mark away, or finds after its insert that the conversation is gone, and makes it anew (`ingestor.register`).
        """
        goes_on = await self._names.surviving(conversation_id)
        mark = uuid4().hex
        await self._conversations.update_one({"_id": goes_on}, {"$set": {"erasing": mark}})
        ids = [goes_on, *[each async for each in self._merged_into(goes_on)]]
        marked = {"_id": goes_on, "erasing": mark}
        if await self._messages.count_documents({"conversationId": {"$in": ids}}, limit=1):
            await self._conversations.update_one(marked, {"$unset": {"erasing": ""}})
            return False
        removed = (await self._conversations.delete_one(marked)).deleted_count
        if not removed and await self._conversations.count_documents({"_id": goes_on}, limit=1):
            return False
        # also what an eraser that was killed here has left
        return removed + (await self._conversations.delete_many({"_id": {"$in": ids}})).deleted_count > 0

    async def forget_comer(self, event: MediaReceived) -> Sequence[str]:
        """Of an event that may have come halfway: the conversations that it may have made, to be removed when empty.

        From a group, its sender is taken out of the participants, unless a document of theirs is in it.
        """
        known_by = identities(event.customer, event.group_id) or NOBODY
        query = {
            "phoneNumberId": event.phone_number_id,
            "identities": {"$in": list(known_by)},
            "mergedInto": {"$exists": False},  # else it was not made by a message
        }
        found = [row["_id"] async for row in self._conversations.find(query, {"_id": 1})]
        said = [
            {key: value} for key, value in (("waId", event.sender.wa_id), ("userId", event.sender.user_id)) if value
        ]
        for conversation_id in found if event.group_id and said else ():
            theirs = [{f"sender.{key}": value for key, value in each.items()} for each in said]
            if not await self._messages.count_documents({"conversationId": conversation_id, "$or": theirs}, limit=1):
                await self._conversations.update_one(
                    {"_id": conversation_id}, {"$pull": {"participants": {"$or": said}}}
                )
        return found

    async def made_by(self, event: IdentityChanged) -> Sequence[str]:
        """The conversations that are known by nothing but the names of this change."""
        names = [*identities(event.before, None), *identities(event.after, None)]
        query = {
            "phoneNumberId": event.phone_number_id,
            "identities": {"$in": names, "$not": {"$elemMatch": {"$nin": names}}},
        }
        return [row["_id"] async for row in self._conversations.find(query, {"_id": 1})]

    async def forget_participant(self, target: Target) -> int:
        """Take the person out of the groups in which others go on; from how many."""
        if target.person is None:
            return 0
        result = await self._conversations.update_many(
            _joined_by(target.person),
            {"$pull": {"participants": target.person}},
        )
        return result.modified_count

    async def _of_person(self, asked: Sequence[str]) -> list[Lineage]:
        numbers = await self._conversations.distinct("phoneNumberId", {"identities": {"$in": list(asked)}})
        return [lineage for number in numbers for lineage in await self._lineages.known_by(number, asked)]

    async def _merged_into(self, conversation_id: str) -> AsyncIterator[str]:
        parents = [conversation_id]
        passed = {conversation_id}
        while parents:
            found = self._conversations.find({"mergedInto": {"$in": parents}}, {"_id": 1})
            parents = [row["_id"] async for row in found if row["_id"] not in passed]
            passed.update(parents)
            for each in parents:
                yield each


def of_message(phone_number_id: str, message_id: str) -> Target:
    """All attachments of a message, also those that are still to come."""
    return Target(
        names=(erased_names.of_message(phone_number_id, message_id),),
        documents={"phoneNumberId": phone_number_id, "messageId": message_id},
        for_ever=True,
    )


def _joined_by(person: Document) -> Document:
    return {"participants": {"$elemMatch": person}, "groupId": {"$exists": True}}


def _in_time(before: datetime, received_by: datetime) -> Document:
    # what was here when somebody asked goes as well, however wrong a clock was
    return {"$or": [{"sentAt": {"$lt": before}}, {"receivedAt": {"$lte": received_by}}, {"sentAt": None}]}


def _doomed(document: Document) -> Doomed:
    media = document.get("media")
    number, message_id = document.get("phoneNumberId"), document.get("messageId")
    announced = _within(media, "declared", "sha256")
    return Doomed(
        id=document["_id"],
        conversation_id=document.get("conversationId"),
        message=(number, message_id) if isinstance(number, str) and isinstance(message_id, str) else None,
        original=_original(_within(media, "storage", "original")),
        announced=announced if isinstance(announced, str) else None,
    )


def _original(shown: Any) -> Original | None:
    try:
        original = Original.model_validate(shown)
    except ValidationError:
        return None
    named = parse(original.key)
    # the file that goes is the one that the document shows
    return original if named is None else original.model_copy(update={"sha256": named.sha256})


def _within(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _ids(lineages: Iterable[Lineage]) -> list[str]:
    return [document["_id"] for lineage in lineages for document in lineage.documents]


def _values(names: Iterable[str], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
