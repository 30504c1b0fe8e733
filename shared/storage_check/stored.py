"""Store → database, as a check tells it: orphans, foreign files, and originals whose bytes are not what they were."""

from collections.abc import AsyncIterator
from random import Random

from shared.clock import Clock
from shared.errors import ObjectNotFound
from shared.moves import LEASE
from shared.repository.references import References, promises_original
from shared.storage.port import ObjectStore
from shared.storage_check.census import Census, Counted
from shared.storage_check.digests import digest_of
from shared.storage_check.findings import Advance, Finding, Problem


class StoredFiles:
    """Looks at every file. Reads the bytes of all originals that somebody refers to, or of a random sample of them."""

    def __init__(
        self,
        *,
        census: Census,
        references: References,
        store: ObjectStore,
        clock: Clock,
        sample: int | None,
        random: Random,
    ) -> None:
        self._census = census
        self._references = references
        self._store = store
        self._clock = clock
        self._sample = sample  # None: all
        self._random = random
        self.files = 0
        """How many were looked at."""
        self.digests = 0
        """How many of them were read to the end."""

    async def check(self, advance: Advance) -> AsyncIterator[Finding]:
        """What is wrong. What was written within the longest handler is merely under way. Advances by originals."""
        under_way = self._clock() - LEASE
        sample: list[Counted] = []
        seen = 0
        async for counted in self._census.all():
            self.files += 1
            if counted.parsed is None:
                yield Finding(problem=Problem.FOREIGN, key=counted.file.key)
            elif counted.is_orphan:
                if counted.file.modified_at < under_way and await self._is_orphan_still(counted):
                    yield Finding(problem=Problem.ORPHAN, key=counted.file.key)
            elif counted.parsed.is_original:
                seen += 1
                if self._sample is None:
                    async for finding in self._damaged(counted):
                        yield finding
                else:
                    self._draw(sample, counted, seen=seen, size=self._sample)
                advance()
        for counted in sample:
            async for finding in self._damaged(counted):
                yield finding

    async def _is_orphan_still(self, counted: Counted) -> bool:
        again = await self._census.again(counted)
        return again is not None and again.is_orphan

    def _draw(self, sample: list[Counted], counted: Counted, *, seen: int, size: int) -> None:
        """Each original has the same chance, though nobody knows how many are to come (a reservoir)."""
        if len(sample) < size:
            sample.append(counted)
        elif (place := self._random.randrange(seen)) < size:
            sample[place] = counted

    async def _damaged(self, counted: Counted) -> AsyncIterator[Finding]:
        """One finding for each attachment that shows this file. Wrong sizes have been told by then."""
        file, parsed, row = counted.file, counted.parsed, counted.row
        if parsed is None:
            return
        self.digests += 1
        try:
            digest = await digest_of(self._store, file.key)
        except ObjectNotFound:
            return
        if digest == parsed.sha256:
            return
        detail = "the disk cannot read it" if digest is None else "its bytes do not have the digest in its name"
        is_shown = False
        async for attachment in self._references.to(parsed.sha256):
            original = attachment.media.storage.original
            if original is None or original.key != file.key or not promises_original(attachment):
                continue
            is_shown = True
            if original.size_bytes == file.size_bytes:
                yield Finding(problem=Problem.ORIGINAL_DAMAGED, key=file.key, attachment=attachment, detail=detail)
        if not is_shown and row is not None and row.size_bytes == file.size_bytes:
            yield Finding(problem=Problem.ORIGINAL_DAMAGED, key=file.key, row=row, detail=detail)
