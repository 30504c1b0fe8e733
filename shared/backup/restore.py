"""A backup put back: files first, then documents, so that nothing is promised before it is there. A repeat goes on."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from bson import decode, encode
from pydantic import SecretStr

from shared.backup.documents import bson_file, documents, in_batches, indexes, options
from shared.backup.errors import BringsBack, NoRoom, NotEmpty
from shared.backup.folder import SUMS
from shared.backup.hashing import Read
from shared.backup.installation import INSTALLATION
from shared.backup.manifest import CollectionPart, Manifest
from shared.backup.marker import MARKER, Mark, Marker, Phase
from shared.backup.named import CONVERSATIONS, MESSAGES
from shared.backup.restored_files import Copied, RestoredFiles
from shared.backup.sealed import SECRETS, TOMBSTONES, Seals
from shared.clock import Clock
from shared.media import FINAL, Original
from shared.release import Release
from shared.repository.erased_names import covering_participant, of_media
from shared.repository.erasure import ErasureRepository
from shared.repository.mongo import Database, ensure_indexes
from shared.repository.raw import RawCollections, Refused
from shared.repository.tombstones import Tombstones
from shared.storage.filesystem import FilesystemStore

log = structlog.get_logger(__name__)

_IDENTITIES = "identities"
_NO_FILES = frozenset({".incomplete", "lost+found"})
_SPARE_BYTES = 16 * 1024 * 1024


@dataclass(kw_only=True)
class Restored:
    """What was done. `kept_out`: documents in whose place there are others. `erased`: those that have a tombstone.

    `indexes_left_out`: those that this server cannot make.
    """

    files: Copied
    documents: int = 0
    kept_out: int = 0
    indexes_left_out: int = 0
    erased: int = 0


class Restore:
    """Of a backup that was verified. May raise `DatabaseError`, `BackupError` and the errors of the store.

    `keys`: None when those that open what is encrypted are not at hand.
    """

    def __init__(
        self,
        *,
        database: Database,
        folder: Path,
        manifest: Manifest,
        target: Path,
        clock: Clock,
        keys: Sequence[SecretStr] | None,
    ) -> None:
        self._database = database
        self._raw = RawCollections(database)
        self._marker = Marker(database, manifest.id)
        self._from = folder / manifest.documents_folder
        self._manifest = manifest
        self._target = target.resolve()
        self._clock = clock
        self._store = FilesystemStore(self._target)
        self._files = RestoredFiles(sums=self._from / SUMS, store=self._store)
        self._release = Release(database=database, store=self._store, clock=clock)
        self._erasure = ErasureRepository(database)
        self._erased: list[dict[str, Any]] = []
        self._tombstones = Tombstones(database, keys) if keys else None
        self._seals = Seals(keys) if keys else None
        self._can_tell: bool | None = None
        self.done = Restored(files=self._files.done)

    async def check_place(self, *, replace: bool, bring_back_erased: bool) -> bool:
        """Whether a restore of this backup was cut off here, and this one goes on with it.

        Raise `NotEmpty` for what may not go, `BringsBack` for tombstones that would go with it, and `NoRoom`.
        """
        mark = await self._marker.read()
        if mark is not None and mark.phase is Phase.DOCUMENTS and (newer := await self._newer()):
            if not replace:
                raise NotEmpty(
                    "a restore of this backup was cut off here, and the database has been used since: "
                    f"{newer} attachments in it came later than the backup"
                )
            mark = None
        replace = replace or (mark is not None and mark.replace)
        if replace and (mark is None or mark.phase is not Phase.DOCUMENTS) and not bring_back_erased:
            await self._check_tombstones()
        if not replace and (mark is None or mark.phase is Phase.FILES):
            full = [name for name in await self._there() if not await self._raw.is_empty(name)]
            if full:
                raise NotEmpty(f"the database is not empty: there are documents in {', '.join(full)}")
        if not replace and mark is None and _holds_anything(self._target):
            raise NotEmpty(f"the storage folder {self._target} is not empty")
        needed = await asyncio.to_thread(self._files.lacking_bytes) + _SPARE_BYTES
        free = await self._store.free_bytes()
        if needed > free:
            raise NoRoom(f"{self._target} has room for {free} bytes, and {needed} are needed; make room there")
        return mark is not None

    async def restored(
        self,
        *,
        replace: bool,
        bring_back_erased: bool,
        without_damaged: bool,
        on_documents: Read,
        on_bytes: Read,
        between: Callable[[], None],
    ) -> Restored:
        """Do it. Of what is in the database, only what was there before a restore began is ever removed."""
        async with self._marker.owned():
            # another restore may have ended since somebody looked
            goes_on = await self.check_place(replace=replace, bring_back_erased=bring_back_erased)
            before = await self._marker.read() if goes_on else None
            mark = before or Mark(phase=Phase.FILES, replace=replace)
            await self._marker.set(mark)
            await self._all(
                mark,
                replace=replace,
                without_damaged=without_damaged,
                on_documents=on_documents,
                on_bytes=on_bytes,
                between=between,
            )
            await self._marker.remove()
        return self.done

    async def _all(
        self,
        mark: Mark,
        *,
        replace: bool,
        without_damaged: bool,
        on_documents: Read,
        on_bytes: Read,
        between: Callable[[], None],
    ) -> None:
        async with self._store.workspace() as workspace:
            await asyncio.to_thread(
                self._files.copy, workspace, without_damaged=without_damaged, on_bytes=on_bytes, between=between
            )
        if mark.phase is not Phase.DOCUMENTS:
            if mark.replace or replace:
                await self._marker.set(Mark(phase=Phase.CLEARING, replace=True))
                await self._clear()
            await self._raw.drop(INSTALLATION)  # from here on it is that of the backup
            await self._marker.set(Mark(phase=Phase.DOCUMENTS, replace=mark.replace or replace))
        for part in self._manifest.collections:
            await self._raw.make(part.name, options(self._from, part.name))
        await ensure_indexes(self._database)
        # what others stand on first, what names files last
        for part in reversed(self._manifest.collections):
            await self._collection(part, on_documents=on_documents, between=between)
        await self._erase_again()
        await self._wake()

    async def _newer(self) -> int:
        """How many attachments came after the backup was made: this database is in use."""
        return await self._database[MESSAGES].count_documents({"receivedAt": {"$gt": self._manifest.finished_at}})

    async def _check_tombstones(self) -> None:
        count = await self._database[TOMBSTONES].count_documents({})
        if count and not await self._keeps_tombstones():
            raise BringsBack(
                f"the database has {count} tombstones of what was erased, and CREDENTIALS_ENCRYPTION_KEY here does not "
                "show that they fit those of the backup: they would go, and what was erased would come back"
            )

    async def _keeps_tombstones(self) -> bool:
        """Whether those that are there can be used beside those of the backup."""
        there = await self._database[SECRETS].find_one({"_id": TOMBSTONES})
        return self._seals is not None and there is not None and self._seals.fits(self._from, there)

    async def _there(self) -> list[str]:
        return [name for name in await self._raw.names() if name not in {MARKER, INSTALLATION}]

    async def _clear(self) -> None:
        """Tombstones stay where they fit: what was erased since the backup is known by them alone."""
        kept = {TOMBSTONES, SECRETS} if await self._keeps_tombstones() else set()
        for name in await self._there():
            if name not in kept:
                await self._raw.drop(name)

    async def _collection(self, part: CollectionPart, *, on_documents: Read, between: Callable[[], None]) -> None:
        self.done.indexes_left_out += await self._raw.make_indexes(part.name, indexes(self._from, part.name))
        for batch in in_batches(documents(bson_file(self._from, part.name))):
            between()
            await self._marker.check()
            wanted = await self._not_erased(batch) if part.name == MESSAGES else batch
            for refused in await self._raw.insert(part.name, wanted) if wanted else ():
                await self._instead(part.name, refused)
            self.done.documents += len(wanted)
            on_documents(len(batch))

    async def _not_erased(self, batch: Sequence[bytes]) -> Sequence[bytes]:
        """Without what was erased while the backup was made, or since, as far as there are tombstones of it."""
        found = [decode(raw) for raw in batch]
        names = {of_media(str(document["_id"])): place for place, document in enumerate(found)}
        covered = await self._covered(names)
        gone = {names[name] for name in covered}
        self._erased += [found[place] for place in gone]
        return [raw for place, raw in enumerate(batch) if place not in gone]

    async def _covered(self, names: Iterable[str]) -> frozenset[str]:
        if self._tombstones is None or self._seals is None:
            return frozenset()
        if self._can_tell is None:
            secret = await self._database[SECRETS].find_one({"_id": TOMBSTONES})
            self._can_tell = secret is None or self._seals.opens(secret)
        return await self._tombstones.covered(names) if self._can_tell else frozenset()

    async def _erase_again(self) -> None:
        """What has come along of attachments that were erased. Now that all documents are here: others may need it."""
        for document in self._erased:
            original = _original(document)
            if original is not None:
                await self._release.abandoned(original)
            await self._erasure.empty_conversation(str(document.get("conversationId")))
        await self._forget_participants()
        self.done.erased = len(self._erased)

    async def _forget_participants(self) -> None:
        """Who was erased goes from the groups of others, too, unless a document of theirs has come along."""
        rows = self._database[CONVERSATIONS]
        async for group in rows.find({"groupId": {"$exists": True}, "participants.0": {"$exists": True}}):
            for person in group["participants"]:
                said = {field: person[field] for field in ("waId", "userId") if person.get(field)}
                if not said or not await self._covered(covering_participant(person)):
                    continue
                theirs = {"$or": [{f"sender.{field}": value} for field, value in said.items()]}
                if not await self._database[MESSAGES].count_documents(
                    {"conversationId": group["_id"], **theirs}, limit=1
                ):
                    await rows.update_one({"_id": group["_id"]}, {"$pull": {"participants": said}})

    async def _wake(self) -> None:
        """Whoever worked on what was under way is gone: the reconciler looks now, and not when that would be late."""
        now = self._clock()
        under_way = {"media.status": {"$nin": [status.value for status in FINAL]}, "media.wakeAt": {"$gt": now}}
        await self._database[MESSAGES].update_many(under_way, {"$set": {"media.wakeAt": now}})

    async def _instead(self, name: str, refused: Refused) -> None:
        """A customer moved to another conversation while they were read, so both have the name: the later is right."""
        if _IDENTITIES in refused.keys:
            document = decode(refused.raw)
            await self._database[name].update_many(
                {"phoneNumberId": document["phoneNumberId"], _IDENTITIES: {"$in": document[_IDENTITIES]}},
                {"$pullAll": {_IDENTITIES: document[_IDENTITIES]}},
            )
            if not await self._raw.insert(name, [encode(document)]):
                return
        log.warning("restore.kept_out", collection=name, next="another document has its place; compare them by hand")
        self.done.kept_out += 1


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(each.name not in _NO_FILES for each in folder.iterdir())


def _original(document: dict[str, Any]) -> Original | None:
    try:
        return Original.model_validate(document["media"]["storage"]["original"])
    except (KeyError, TypeError, ValueError):
        return None
