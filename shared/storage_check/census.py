"""Store → database: of the files that are there, which ones are somebody's, which nobody's, and which not ours."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from shared.errors import ObjectNotFound
from shared.keys import ParsedKey, parse
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import Blob
from shared.repository.references import References
from shared.storage.port import ObjectStore, StoredObject
from shared.storage_check.batches import in_batches


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One file. `parsed` is None for what people put there by hand; `row` is that of its content, if there is one."""

    file: StoredObject
    parsed: ParsedKey | None
    row: Blob | None
    is_known: bool

    @property
    def is_orphan(self) -> bool:
        """Ours by its name, and neither a document nor a row refers to it."""
        return self.parsed is not None and not self.is_known


class Census:
    """Goes through the store in batches; each batch is looked up with two queries.

    What documents show that were mangled by hand is read once, at the first look.
    """

    def __init__(self, *, references: References, rows: BlobRows, store: ObjectStore) -> None:
        self._references = references
        self._rows = rows
        self._store = store
        self._stray: set[str] | None = None

    async def all(self) -> AsyncIterator[Counted]:
        """Every file that is stored."""
        async for batch in in_batches(self._store.objects()):
            for counted in await self._of(batch):
                yield counted

    async def again(self, counted: Counted) -> Counted | None:
        """The same file as it is now; None when it is gone."""
        (now,) = await self._of([counted.file])
        # the file last: whoever removes one removes it before its row, so what is there now was nobody's then
        try:
            await self._store.size(counted.file.key)
        except ObjectNotFound:
            return None
        return now

    async def _of(self, files: Sequence[StoredObject]) -> list[Counted]:
        names = [parse(file.key) for file in files]
        digests = {name.sha256 for name in names if name is not None}
        rows = await self._rows.of(digests)
        if self._stray is None:
            self._stray = await self._references.stray_keys()
        known = self._stray | await self._references.keys(digests)
        for row in rows.values():
            known |= {row.key, *(made.key for made in row.renditions.values())}
        return [
            Counted(file=file, parsed=name, row=rows.get(name.sha256) if name else None, is_known=file.key in known)
            for file, name in zip(files, names, strict=True)
        ]
