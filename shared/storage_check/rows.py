"""Rows of `blobs` → store: what a row says of bytes that no document refers to. The next document would believe it."""

from collections.abc import AsyncIterator

from shared.clock import Clock
from shared.errors import ObjectNotFound
from shared.media import Rendition
from shared.moves import LEASE
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import Blob
from shared.repository.references import References
from shared.storage.port import ObjectStore
from shared.storage_check.findings import Advance, Finding, Problem


class Rows:
    """Looks at every row that nobody has used within the longest handler: the others are merely under way."""

    def __init__(self, *, rows: BlobRows, references: References, store: ObjectStore, clock: Clock) -> None:
        self._rows = rows
        self._references = references
        self._store = store
        self._clock = clock

    async def check(self, advance: Advance) -> AsyncIterator[Finding]:
        """What is wrong and was not told of a document."""
        async for row in self._rows.unused_since(self._clock() - LEASE):
            findings = await self._of(row)
            # the row last: whoever writes these bytes has used it before
            if findings and await self._rows.get(row.id) == row:
                for finding in findings:
                    yield finding
            advance()

    async def _of(self, row: Blob) -> list[Finding]:
        if await self._is_wrong(row.key, row.size_bytes):
            if not await self._references.digests([row]):
                return [Finding(problem=Problem.ROW_WITHOUT_FILE, key=row.key, row=row)]
            if row.key in await self._references.keys([row.id]):
                return []
            detail = f"attachments show {row.id} under another key"
            return [Finding(problem=Problem.ROW_INCONSISTENT, key=row.key, row=row, detail=detail)]
        wrong = [made for made in row.renditions.values() if await self._is_wrong(made.key, made.size_bytes)]
        told = await self._references.keys([row.id]) if wrong else set()
        return [_rendition(made, row) for made in wrong if made.key not in told]

    async def _is_wrong(self, key: str, size_bytes: int) -> bool:
        try:
            return await self._store.size(key) != size_bytes
        except (ObjectNotFound, ValueError):  # the second: a key that was written by hand and leads nowhere
            return True


def _rendition(made: Rendition, row: Blob) -> Finding:
    return Finding(problem=Problem.RENDITION_MISSING, key=made.key, row=row)
