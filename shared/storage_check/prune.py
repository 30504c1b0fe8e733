"""Removes from the store what no document refers to, once nobody has touched it for a while."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.media import Original
from shared.moves import LEASE
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import Blob
from shared.repository.references import References
from shared.storage.port import ObjectStore
from shared.storage_check.batches import in_batches
from shared.storage_check.census import Census, Counted
from shared.storage_check.findings import Advance

_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Unneeded:
    """A content with its renditions, or an orphan file."""

    key: str
    size_bytes: int
    files: int
    of: Blob | Counted


class Prune:
    """Finds, and removes what was found unless a document has come to refer to it."""

    def __init__(
        self,
        *,
        references: References,
        rows: BlobRows,
        census: Census,
        release: Release,
        store: ObjectStore,
        clock: Clock,
        older_than: timedelta,
    ) -> None:
        self._references = references
        self._rows = rows
        self._census = census
        self._release = release
        self._store = store
        self._clock = clock
        self._older_than = older_than

    async def rows(self) -> int:
        """How many rows `contents` looks at."""
        return await self._rows.count_unused_since(self._clock() - self._older_than)

    async def contents(self, advance: Advance) -> AsyncIterator[Unneeded]:
        """What has a row that nobody has used for that long, and no document."""
        async for batch in in_batches(self._rows.unused_since(self._clock() - self._older_than)):
            needed = await self._references.digests(batch)
            for row in batch:
                if row.id not in needed:
                    size = row.size_bytes + sum(made.size_bytes for made in row.renditions.values())
                    yield Unneeded(key=row.key, size_bytes=size, files=1 + len(row.renditions), of=row)
                advance()

    async def orphans(self, advance: Advance) -> AsyncIterator[Unneeded]:
        """Files that have neither, and were written that long ago; never what people put there by hand."""
        # at least the longest handler: a younger one may get its row yet
        before = self._clock() - max(self._older_than, LEASE)
        async for counted in self._census.all():
            file = counted.file
            if counted.is_orphan and file.modified_at < before:
                yield Unneeded(key=file.key, size_bytes=file.size_bytes, files=1, of=counted)
            advance()

    async def remove(self, unneeded: Unneeded) -> bool:
        """False: somebody needs it by now, or it is gone already."""
        if isinstance(unneeded.of, Blob):
            return await self._release.unreferenced(unneeded.of.id)
        now = await self._census.again(unneeded.of)
        if now is None or not now.is_orphan:
            return False
        if now.parsed is not None and now.parsed.is_original and now.row is None:
            # with a row of its own, so that who stores the same bytes in this instant sees that they are going
            return await self._release.abandoned(
                Original(
                    key=unneeded.key,
                    size_bytes=unneeded.size_bytes,
                    sha256=now.parsed.sha256,
                    mime_type=_UNKNOWN_TYPE,
                )
            )
        # a preview, which is made anew when it is missed, or a second file of a content that is kept under another key
        await self._store.delete(unneeded.key)
        return True
