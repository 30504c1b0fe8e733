"""What people do while all of this goes on: they erase, replay, retry, tidy up, and change rows in the database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.chaos.actions import Action, Verb
from tests.chaos.evidence import JSON
from tests.chaos.world import DATABASE, World

_SOME = 3


class People:
    """One at a time. What they change past the logs, or for good, is kept for the ledger."""

    def __init__(self, world: World, database: MongoClient[JSON]) -> None:
        self.by_hand: set[str] = set()
        """Documents whose status somebody has changed in the database."""
        self.erased: set[str] = set()
        """Meta's media ids of what was erased."""
        self._operator = world.site.operator
        self._messages = database[DATABASE]["messages"]

    async def do(self, action: Action) -> None:
        """Carry it out. A person whom the database does not answer leaves it at that."""
        try:
            await _DOING[action.verb](self, action)
        except PyMongoError:
            return

    async def set_by_hand(self, _: Action) -> None:
        for document in await asyncio.to_thread(self._some, {"media.status": "ready"}):
            self.by_hand.add(document["_id"])  # first: a write may succeed though its answer gets lost
            query = {"_id": document["_id"], "media.status": "ready"}
            await asyncio.to_thread(self._messages.update_one, query, {"$set": {"media.status": "pending"}})

    async def erase(self, _: Action) -> None:
        for document in await asyncio.to_thread(self._some, {}):
            self.erased.add(document["media"]["providerMediaId"])
            await self._operator.erase(document["_id"])

    async def replay(self, _: Action) -> None:
        await self._operator.replay()

    async def replay_killed(self, action: Action) -> None:
        await self._operator.replay(kill_after=action.seconds)

    async def retry_failed(self, _: Action) -> None:
        await self._operator.retry_failed()

    async def prune(self, _: Action) -> None:
        await self._operator.prune()

    async def check(self, _: Action) -> None:
        await self._operator.repair()

    def _some(self, query: JSON) -> list[JSON]:
        shown = {"media.providerMediaId": 1}
        return list(self._messages.aggregate([{"$match": query}, {"$sample": {"size": _SOME}}, {"$project": shown}]))


_DOING: Mapping[Verb, Callable[[People, Action], Awaitable[None]]] = {
    Verb.BY_HAND: People.set_by_hand,
    Verb.ERASE: People.erase,
    Verb.REPLAY: People.replay,
    Verb.REPLAY_KILLED: People.replay_killed,
    Verb.RETRY_FAILED: People.retry_failed,
    Verb.PRUNE: People.prune,
    Verb.CHECK: People.check,
}
BY_PEOPLE = tuple(_DOING)
