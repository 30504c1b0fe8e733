"""What killed processes left half-written."""

from collections.abc import AsyncIterator

from shared.storage.filesystem import FilesystemStore
from shared.storage_check.findings import Advance, Finding, Problem

ABANDONED_SECONDS = 3600.0
"""Several times the longest handler: nobody works on it any more."""


class Unfinished:
    """Looks at what lies in the store and is no object yet."""

    def __init__(self, *, store: FilesystemStore) -> None:
        self._store = store

    async def check(self, advance: Advance) -> AsyncIterator[Finding]:
        """One finding for all of it. Advances by what is left."""
        left = await self._store.abandoned(older_than_seconds=ABANDONED_SECONDS)
        for _ in range(left):
            advance()
        if left:
            yield Finding(problem=Problem.UNFINISHED, key=".incomplete", detail=f"{left} older than an hour")
