"""Retention: attachments that have had their time go for good, a few at a time, each as an erasure (ADR 0009).

Each leaves a tombstone of its own id, so that no late webhook, replay or dead letter brings it back. People leave none:
what they send from now on is taken as usual.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from shared.erase import Eraser
from shared.repository.blob_rows import BlobRows
from shared.repository.erasure import Target
from shared.repository.expired import ExpiredMedia, Wanted
from shared.repository.mongo import Database

_AT_ONCE = 64  # what is done before a stop: a second's work


@dataclass(kw_only=True)
class Removed:
    """What went. `files` are contents, each with its previews; `files_left` could not be deleted now."""

    documents: int = 0
    files: int = 0
    size_bytes: int = 0
    files_shared: int = 0
    files_left: int = 0
    conversations: int = 0


class Retention:
    """Every method may raise `DatabaseError` and `TombstonesSealed`. Whatever is cut off is done by a repeat."""

    def __init__(self, *, database: Database, eraser: Eraser) -> None:
        self._expired = ExpiredMedia(database)
        self._rows = BlobRows(database)
        self._eraser = eraser

    async def remove(
        self,
        wanted: Wanted,
        *,
        into: Removed,
        on_document: Callable[[], None] = lambda: None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Oldest first. `into` says what went so far; `between` is called where stopping (by raising) is harmless.

        Each is looked at again right before it goes. Who sets one going again after that is too late.
        """
        kept = set[str]()
        async for ids in _few(self._expired.ids(wanted)):
            between()
            sizes = await self._expired.sizes(wanted, ids)
            erased = await self._eraser.erase(_target(wanted, ids), on_document=on_document)
            gone = sizes.keys() - (await self._rows.of(sizes)).keys()
            kept = (kept | sizes.keys()) - gone
            into.documents += erased.documents
            into.files += len(gone)
            into.size_bytes += sum(sizes[sha256] for sha256 in gone)
            into.files_left += erased.files_left
            into.files_shared = max(0, len(kept) - into.files_left)
            into.conversations += erased.conversations


def _target(wanted: Wanted, ids: Iterable[str]) -> Target:
    return Target(
        names=(),
        documents={"$and": [{"_id": {"$in": [*ids]}}, wanted.at_rest]},
        for_ever=True,
        whole_messages=False,
    )


async def _few(ids: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for each in ids:
        batch.append(each)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
