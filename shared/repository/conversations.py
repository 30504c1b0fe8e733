"""The collection `conversations`: which conversation an attachment belongs to, however Meta names the customer.

A conversation is (number, customer or group). A customer has up to three identities (phone digits, user id, parent
user id) at a time, each of which leads to one live conversation of a number. How they are kept: `lineages`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from shared.clock import system_clock
from shared.ids import new_conversation_id
from shared.media import Customer, Sender
from shared.repository.lineages import PARENT, USER, Lineage, Lineages
from shared.repository.mongo import Database, Document
from shared.repository.ties import Tie, tied

WA = "wa:"
_GROUP = "group:"
NOBODY = ("unknown",)
_MOST_PARTICIPANTS = 32  # a group has at most 8 at a time (Meta); some leave, others come
_TRIES = 200  # each one that fails means that another change came through


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The conversation, and every one that was ever merged into it: whatever documents they still have are its own.

    Not only those merged just now: whoever was to move the documents then may have been killed before it did.
    """

    conversation_id: str
    merged: Sequence[str] = ()

    @classmethod
    def of(cls, lineage: Lineage) -> "Resolved":
        """As it was read."""
        return cls(conversation_id=lineage.id, merged=tuple(document["_id"] for document in lineage.merged))


def identities(customer: Customer, group_id: str | None) -> tuple[str, ...]:
    """What a conversation is known by: the group alone, else every identity of the customer, the surest first."""
    if group_id:
        return (_GROUP + group_id,)
    named = ((USER, customer.user_id), (PARENT, customer.parent_user_id), (WA, customer.wa_id))
    return tuple(prefix + value for prefix, value in named if value)


class ConversationRepository:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._conversations = database["conversations"]
        self._lineages = Lineages(database)

    async def resolve(
        self, *, phone_number_id: str, customer: Customer, group_id: str | None, sent_at: datetime
    ) -> Resolved:
        """Find or make the conversation, tying identities together as the webhook did.

        A message that names nobody at all gets a conversation of the unknown of its number.
        """
        known_by = identities(customer, group_id) or NOBODY
        shown = {"lastMessageAt": sent_at} | ({"groupId": group_id} if group_id else {})
        return await self._tied_together(phone_number_id, (), known_by, shown)

    async def renamed(self, *, phone_number_id: str, before: Customer, after: Customer) -> Resolved | None:
        """Meta says that one customer's identity changed from `before` to `after`; None when neither names anybody.

        Unlike in `resolve`, another user id is not somebody else here: it is the new name of the same customer. When
        neither is known yet, their messages may still be on the way: what was said is kept, in a conversation that
        nobody sees before its first message.
        """
        old, new = identities(before, None), identities(after, None)
        if not old and not new:
            return None
        return await self._tied_together(phone_number_id, old, new, {"mergedInto": None})

    async def seen(self, conversation_id: str, *, sender: Sender, sent_at: datetime) -> None:
        """A message of this conversation has been registered: keep who took part and when it last moved."""
        last = {"$max": ["$lastMessageAt", sent_at]}
        update: list[Document] = [
            {"$set": {"lastMessageAt": last, **_participants(sender)}},
            # an eraser that found it empty leaves it to this message
            {"$unset": ["mergedInto", "erasing"]},
        ]
        while True:
            result = await self._conversations.update_one({"_id": conversation_id, "mergedInto": None}, update)
            goes_on = conversation_id if result.matched_count else await self.surviving(conversation_id)
            if goes_on == conversation_id:
                return
            conversation_id = goes_on

    async def lives(self, conversation_id: str) -> bool:
        """Whether a document that has just been written is in a conversation that is there and stays."""
        return bool(await self._conversations.count_documents({"_id": conversation_id, "erasing": None}, limit=1))

    async def surviving(self, conversation_id: str) -> str:
        """The id under which the conversation goes on: its own, or that of the one it was merged into."""
        passed: set[str] = set()
        while conversation_id not in passed:  # else somebody linked them in a circle by hand
            passed.add(conversation_id)
            document: Document | None = await self._conversations.find_one({"_id": conversation_id}, {"mergedInto": 1})
            conversation_id = (document or {}).get("mergedInto") or conversation_id
        return conversation_id

    async def _tied_together(self, number: str, old: Sequence[str], new: Sequence[str], shown: Document) -> Resolved:
        """Look, make the one change that is next, and look again, until the names are as they should be."""
        for _ in range(_TRIES):
            found = await self._lineages.known_by(number, {*old, *new})
            tie = tied(found, old, new)
            try:
                done = await self._step(number, tie, shown)
            except DuplicateKeyError:  # another webhook tied one of these identities in the same instant
                continue
            if done is not None:
                return done
        msg = "the identities of a customer change faster than they can be followed"
        raise RuntimeError(msg)

    async def _step(self, number: str, tie: Tie, shown: Document) -> Resolved | None:
        if tie.taken:
            for lineage, names in tie.taken:
                await self._lineages.release(lineage, names)
            return None
        if not tie.same_customer:
            return Resolved(conversation_id=await self._create(number, tie.missing, shown))
        oldest, *younger = sorted(tie.same_customer, key=lambda lineage: lineage.age)
        if younger:
            await self._lineages.merge(oldest, younger[0])
            return None
        if tie.missing and not await self._lineages.add(oldest, tie.missing):
            return None
        return Resolved.of(oldest)

    async def _create(self, number: str, names: Sequence[str], shown: Document) -> str:
        conversation_id = new_conversation_id()
        document = {
            "_id": conversation_id,
            "phoneNumberId": number,
            "identities": list(names),
            "participants": [],
            "createdAt": system_clock(),
            "version": 1,
        }
        await self._conversations.insert_one(document | shown)
        return conversation_id


def _participants(sender: Sender) -> Document:
    """Each person once, the one who wrote last at the end; what was known of them and is not said now is kept.

    Literals, for a name may look like an expression.
    """
    participant = sender.to_document()
    if not participant:
        return {}
    same = [{"$eq": [f"$$p.{k}", {"$literal": participant[k]}]} for k in ("waId", "userId") if k in participant]
    is_same: Document = {"$or": same} if same else {"$eq": ["$$p", {"$literal": participant}]}
    known = {"$ifNull": ["$participants", []]}
    others = {"$filter": {"input": known, "as": "p", "cond": {"$not": [is_same]}}}
    earlier = {"$filter": {"input": known, "as": "p", "cond": is_same}}
    merged = {"$reduce": {"input": earlier, "initialValue": {}, "in": {"$mergeObjects": ["$$value", "$$this"]}}}
    newest = {"$mergeObjects": [merged, {"$literal": participant}]}
    return {"participants": {"$slice": [{"$concatArrays": [others, [newest]]}, -_MOST_PARTICIPANTS]}}
