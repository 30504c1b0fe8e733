"""Documents on their way into a backup, each after the files that it names: so none of it lacks its file.

The services go on meanwhile. A file that is away when it is to be copied may have been erased with its document since
that was read: the document is read again, and goes into the backup as it is now, or not at all. What is missing even so
is missing in the store.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.backup.copies import Copies
from shared.backup.named import BLOBS, WITH_FILES, id_of, keys_of, original_of
from shared.repository.raw import RawCollections

_MOST_KEPT = 20


@dataclass(kw_only=True)
class Collected:
    """What was met. `missing`: documents whose file is not in the store; some of their ids."""

    missing: int = 0
    missing_ids: list[str] = field(default_factory=list)


class Collector:
    """May raise `DatabaseError` and the errors of the copies."""

    def __init__(self, *, raw: RawCollections, copies: Copies) -> None:
        self._raw = raw
        self._copies = copies
        self.met = Collected()

    async def with_files(self, name: str, documents: Sequence[bytes]) -> list[bytes]:
        """What is to be written of these documents; their files are in the backup by then."""
        if name not in WITH_FILES:
            return [*documents]
        named = [keys_of(name, raw) for raw in documents]
        missing = await asyncio.to_thread(self._copies.take, sorted(frozenset[str]().union(*named)))
        if not missing:
            return [*documents]
        whole = [raw for raw, keys in zip(documents, named, strict=True) if keys.isdisjoint(missing)]
        lacking = [raw for raw, keys in zip(documents, named, strict=True) if not keys.isdisjoint(missing)]
        return whole + await self._again(name, lacking, missing)

    async def _again(self, name: str, lacking: Sequence[bytes], missing: set[str]) -> list[bytes]:
        found = await self._raw.again(name, map(id_of, lacking))
        kept = []
        for before in lacking:
            raw: bytes | None = before
            now = found.get(id_of(before))
            while now != raw and now is not None:  # changed meanwhile: what does it need now?
                raw = now
                missing |= await asyncio.to_thread(self._copies.take, sorted(keys_of(name, raw)))
                now = (await self._raw.again(name, [id_of(raw)])).get(id_of(raw))
            if now is None or raw is None:
                continue
            if name == BLOBS and original_of(raw) in missing:
                continue  # a row whose bytes are not there (yet): nobody misses what can be found out again
            if not keys_of(name, raw).isdisjoint(missing) and name != BLOBS:
                self._note(raw)
            kept.append(raw)
        return kept

    def _note(self, raw: bytes) -> None:
        self.met.missing += 1
        if len(self.met.missing_ids) < _MOST_KEPT:
            self.met.missing_ids.append(str(id_of(raw)))
