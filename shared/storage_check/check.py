"""A whole check put together: its parts in the order in which they are looked at."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from random import Random

from shared.clock import Clock
from shared.repository.blob_rows import BlobRows
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database
from shared.repository.references import References
from shared.storage.filesystem import FilesystemStore
from shared.storage_check.census import Census
from shared.storage_check.findings import Advance, Finding
from shared.storage_check.promised import PromisedFiles
from shared.storage_check.rows import Rows
from shared.storage_check.stored import StoredFiles
from shared.storage_check.unfinished import Unfinished


@dataclass(frozen=True, kw_only=True)
class Part:
    """`total`: about how often `check` advances."""

    title: str
    total: int
    check: Callable[[Advance], AsyncIterator[Finding]]


class Check:
    """`sample`: of how many originals the bytes are read, None for all. Nothing is changed."""

    def __init__(
        self, *, database: Database, store: FilesystemStore, clock: Clock, sample: int | None, random: Random
    ) -> None:
        self._store = store
        self._clock = clock
        self.references = References(database)
        self.rows = BlobRows(database)
        self.promised = PromisedFiles(references=self.references, messages=MessageRepository(database), store=store)
        self.stored = StoredFiles(
            census=Census(references=self.references, rows=self.rows, store=store),
            references=self.references,
            store=store,
            clock=clock,
            sample=sample,
            random=random,
        )

    async def parts(self) -> Sequence[Part]:
        """Documents first: what they lack is repaired before the bytes are read."""
        rows = Rows(rows=self.rows, references=self.references, store=self._store, clock=self._clock)
        contents = await self.rows.count()
        return (
            Part(title="Documents", total=await self.references.count(), check=self.promised.check),
            Part(title="Originals", total=contents, check=self.stored.check),
            Part(title="Rows", total=contents, check=rows.check),
            Part(title="Unfinished files", total=0, check=Unfinished(store=self._store).check),
        )
