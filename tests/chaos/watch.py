"""The documents, looked at once a second while everything goes on: for the progress line, and whether one goes back."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.chaos.evidence import JSON
from tests.chaos.world import DATABASE

_SECONDS = 1.0
_SHOWN = {"media.status": 1, "media.revision": 1, "media.failure.code": 1, "media.providerMediaId": 1}
FINAL = frozenset({"ready", "skipped", "failed"})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One document at one moment."""

    status: str
    revision: int
    code: str | None
    provider_media_id: str | None

    @property
    def label(self) -> str:
        return f"failed({self.code})" if self.status == "failed" else self.status


class Watch:
    """`seen` is the newest look; an unanswered database leaves it as it was."""

    def __init__(self, database: MongoClient[JSON]) -> None:
        self.seen: Mapping[str, Seen] = {}
        self.went_back: set[str] = set()
        self.looks = 0
        self._messages = database[DATABASE]["messages"]

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(_SECONDS)

    async def look(self) -> bool:
        """Whether the database answered."""
        try:
            seen = await asyncio.to_thread(self._read)
        except PyMongoError:
            return False
        for media_id, now in seen.items():
            before = self.seen.get(media_id)
            if before is not None and now.revision < before.revision:
                self.went_back.add(media_id)
        self.seen = seen
        self.looks += 1
        return True

    def labels(self) -> Counter[str]:
        """How many documents are in each state."""
        return Counter(seen.label for seen in self.seen.values())

    def _read(self) -> dict[str, Seen]:
        return {document["_id"]: _seen(document["media"]) for document in self._messages.find({}, _SHOWN)}


def _seen(media: JSON) -> Seen:
    return Seen(
        status=media["status"],
        revision=media["revision"],
        code=(media.get("failure") or {}).get("code"),
        provider_media_id=media.get("providerMediaId"),
    )
