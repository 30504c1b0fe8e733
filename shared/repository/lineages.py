"""Conversations and those that were merged into them: found by a name, changed one document at a time.

MongoDB changes one document at a time (more would need a replica set), and a process may be killed between any two
writes. What holds all the same, and why:

- A merge moves no name. It sets one pointer, `mergedInto`, from the younger to the older: there is no moment at which
  a name leads nowhere, and no cycle. A unique index gives each name of a number to one document only.
- Names are added to a live conversation, and others merged into it, by compare-and-set on its `version` only. So
  whatever was decided on was still true when it was done.
- A merge concerns two documents. The older says first which one it is `absorbing`, at which version; whoever meets
  that finishes it before anything else, so that neither changes in between.

`mergedInto` is absent from a conversation that people see, and null while it has names but no message yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from shared.repository.mongo import Database, Document

USER = "user:"
PARENT = "parent:"
_ONE_MORE: Document = {"$add": [{"$ifNull": ["$version", 0]}, 1]}


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """A live conversation and all that were ever merged into it, directly or not."""

    root: Document
    merged: Sequence[Document] = ()

    @property
    def id(self) -> str:
        """Under which it goes on."""
        found: str = self.root["_id"]
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """Every identity that leads to it."""
        return frozenset(name for document in self.documents for name in document.get("identities", ()))

    @cached_property
    def users(self) -> frozenset[str]:
        """Those that are user ids: of one customer, who may have had several."""
        return frozenset(name for name in self.names if name.startswith(USER))

    @property
    def documents(self) -> Sequence[Document]:
        """The conversation itself first."""
        return (self.root, *self.merged)

    @property
    def age(self) -> tuple[datetime, str]:
        """Sorts the oldest first, the same for everybody."""
        return self.root["createdAt"], self.id


class Lineages:
    """Every method may raise `DatabaseError`; those that add names also `DuplicateKeyError`: look again."""

    def __init__(self, database: Database) -> None:
        self._conversations = database["conversations"]

    async def known_by(self, number: str, names: Collection[str]) -> Sequence[Lineage]:
        """Those that any of the names leads to. A merge that is under way is finished first."""
        query = {"phoneNumberId": number, "identities": {"$in": list(names)}}
        found = [document async for document in self._conversations.find(query)]
        roots = {root["_id"]: root for document in found if (root := await self._root(document)) is not None}
        unfinished = [root for root in roots.values() if root.get("absorbing")]
        for root in unfinished:
            await self._finish(root)
        if unfinished:
            return await self.known_by(number, names)
        return [await self._lineage(root) for root in roots.values()]

    async def add(self, lineage: Lineage, names: Collection[str]) -> bool:
        """Let more names lead to it; False when it has changed since it was read."""
        update = {"$addToSet": {"identities": {"$each": list(names)}}, "$inc": {"version": 1}}
        return (await self._conversations.update_one(_unchanged(lineage.root), update)).matched_count == 1

    async def release(self, lineage: Lineage, names: Collection[str]) -> None:
        """Take names away that are somebody else's now; a repeat changes nothing."""
        left: Document = {"$setDifference": ["$identities", {"$literal": list(names)}]}
        # no empty list: in a unique index two of them are the same value
        kept: Document = {"$cond": [{"$eq": [left, []]}, "$$REMOVE", left]}
        for document in lineage.documents:
            if any(name in document.get("identities", ()) for name in names):
                query = {"_id": document["_id"], "identities": {"$exists": True}}
                await self._conversations.update_one(query, [{"$set": {"identities": kept}}])

    async def merge(self, older: Lineage, younger: Lineage) -> None:
        """Let the younger go on in the older, unless either has changed since it was read."""
        absorbing = {"id": younger.id, "version": younger.root.get("version")}
        update = {"$set": {"absorbing": absorbing}, "$inc": {"version": 1}}
        claimed = await self._conversations.update_one(_unchanged(older.root), update)
        if claimed.matched_count:
            await self._finish({"_id": older.id, "absorbing": absorbing})

    async def _finish(self, root: Document) -> None:
        """Whoever does it, and however often: each step is done once."""
        absorbing = root["absorbing"]
        await self._conversations.update_one(
            _unchanged({"_id": absorbing["id"], "version": absorbing["version"]}),
            {"$set": {"mergedInto": root["_id"]}, "$inc": {"version": 1}},
        )
        younger = await self._conversations.find_one({"_id": absorbing["id"]}) or {}
        inherited: Document = {}
        if younger.get("mergedInto") == root["_id"]:
            # one look then finds them all; before the end of the merge, so that nobody reads half of it
            await self._conversations.update_many({"mergedInto": younger["_id"]}, {"$set": {"mergedInto": root["_id"]}})
            inherited = _inherited(younger)
        await self._conversations.update_one(
            {"_id": root["_id"], "absorbing": absorbing},
            [
                {"$set": {"version": _ONE_MORE, **inherited}},
                {"$unset": ["absorbing", *(["mergedInto"] if "lastMessageAt" in inherited else [])]},
            ],
        )

    async def _root(self, document: Document) -> Document | None:
        passed = {document["_id"]}
        while into := document.get("mergedInto"):
            older = await self._conversations.find_one({"_id": into})
            if older is None or into in passed:  # somebody removed it or linked it by hand: the customer writes on
                await self._conversations.update_one(
                    {"_id": document["_id"], "mergedInto": into}, {"$unset": {"mergedInto": ""}, "$inc": {"version": 1}}
                )
                older = await self._conversations.find_one({"_id": document["_id"]})
                if older is None:
                    return None
            passed.add(into)
            document = older
        return document

    async def _lineage(self, root: Document) -> Lineage:
        merged: dict[str, Document] = {}
        parents = [root["_id"]]
        while parents:
            children = [document async for document in self._conversations.find({"mergedInto": {"$in": parents}})]
            parents = [document["_id"] for document in children if document["_id"] not in merged]
            merged |= {document["_id"]: document for document in children}
        return Lineage(root=root, merged=tuple(merged.values()))


def _unchanged(root: Document) -> Document:
    return {"_id": root["_id"], "version": root.get("version"), "mergedInto": None, "absorbing": None}


def _inherited(younger: Document) -> Document:
    """What people see of the younger: who took part, unless they are known already, and when it last moved."""
    known = [
        {"$in": [f"$$p.{key}", {"$ifNull": [f"$participants.{key}", []]}]}  # never true for what `p` lacks
        for key in ("waId", "userId")
    ]
    new: Document = {
        "$filter": {
            "input": {"$literal": younger.get("participants", [])},
            "as": "p",
            "cond": {"$not": [{"$or": known}]},
        }
    }
    inherited: Document = {"participants": {"$concatArrays": [new, {"$ifNull": ["$participants", []]}]}}
    if "lastMessageAt" in younger:
        inherited["lastMessageAt"] = {"$max": ["$lastMessageAt", younger["lastMessageAt"]]}
    return inherited
