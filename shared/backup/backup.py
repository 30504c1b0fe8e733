"""A whole backup: room is looked for first, the manifest is written last, and what nobody needs any more goes then."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from uuid import uuid4

from shared.backup import manifest
from shared.backup.collect import Collected, Collector
from shared.backup.copies import Copied, Copies
from shared.backup.documents import CollectionWriter
from shared.backup.errors import BackupError, DiskFailed, Implausible, NoRoom, NotWhole, OfAnother
from shared.backup.folder import FILES, SUMS, removed, settle, unfinished
from shared.backup.hashing import Read, digest, synced
from shared.backup.index import FileIndex
from shared.backup.installation import INSTALLATION, Installation
from shared.backup.manifest import CollectionPart, FilesPart, Manifest
from shared.backup.marker import MARKER
from shared.backup.named import MESSAGES, keys_of
from shared.clock import Clock
from shared.keys import parse
from shared.repository.mongo import Database
from shared.repository.raw import RawCollections
from shared.storage.filesystem import FilesystemStore

# what names files first; what others stand on last: a tombstone is of use with its key only, a version with its counter
_FIRST = (MESSAGES, "blobs", "conversations")
_LAST = ("whatsapp_instances", "refusals", "counters", "tombstones", "secrets")
_AT_ONCE = 100
_DOCUMENTS, _INDEX = "documents-", "files.sqlite"
_SPARE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What there is to do. `copy_bytes`: of files that are not in the folder yet."""

    documents: int
    document_bytes: int
    copy_bytes: int
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What was done."""

    manifest: Manifest
    copied: Copied
    met: Collected
    removed: int


class Backup:
    """May raise `DatabaseError`, `BackupError`, and the errors of the store, which may be about either disk.

    `folder` is opened and locked by the caller. Until this has ended, the backup that was there before is whole.
    """

    def __init__(self, *, database: Database, store: FilesystemStore, folder: Path, clock: Clock) -> None:
        self._raw = RawCollections(database)
        self._installation = Installation(database)
        self._store = store
        self._folder = folder
        self._clock = clock

    async def planned(self, *, accept_fewer: bool = False) -> Planned:
        """Raise `NoRoom` if the disk is too small, and `Implausible` if it looks as if the database were the wrong one.

        A backup of an empty database would take the place of a good one, in the very night in which that is needed.
        """
        documents = {name: await self._raw.count(name) for name in await self._collections()}
        before = self._before()
        self._check_plausible(
            before,
            documents.get(MESSAGES, 0),
            any(count for name, count in documents.items() if name != INSTALLATION),
            accept_fewer=accept_fewer,
        )
        await self._check_installation(before)
        if not accept_fewer:
            await self._check_store()
        copy_bytes = 0
        async for file in self._store.objects():
            if parse(file.key) is not None and _size(self._folder / FILES / file.key) != file.size_bytes:
                copy_bytes += file.size_bytes
        planned = Planned(
            documents=sum(documents.values()),
            document_bytes=await self._raw.size_bytes(),
            copy_bytes=copy_bytes,
            free_bytes=shutil.disk_usage(self._folder).free,
        )
        needed = planned.copy_bytes + planned.document_bytes + _SPARE_BYTES
        if needed > planned.free_bytes:
            raise NoRoom(
                f"{self._folder} has room for {planned.free_bytes} bytes, and {needed} are needed; "
                "make room there or give another folder. Nothing was written"
            )
        return planned

    def _check_plausible(self, before: Manifest | None, now: int, is_anything: bool, *, accept_fewer: bool) -> None:
        if not is_anything:
            raise Implausible("the database is empty; are MONGODB_URI and MONGODB_DATABASE right? Nothing was written")
        counts = {part.name: part.documents for part in before.collections} if before is not None else {}
        if not accept_fewer and 2 * now < (then := counts.get(MESSAGES, 0)):
            raise Implausible(
                f"the database has {now} attachments, the backup in {self._folder} has {then}; nothing was written. "
                "If most of them were removed on purpose say --accept-fewer, else keep that backup: it may be needed"
            )

    async def _check_installation(self, before: Manifest | None) -> None:
        theirs = None if before is None else before.installation
        if before is not None and theirs is not None and theirs != await self._installation.known():
            raise OfAnother(
                f"{self._folder} holds the backup of another installation, made at "
                f"{before.started_at:%Y-%m-%d %H:%M:%S} UTC; nothing was written. Give each a folder of its own. "
                "Is this database the one that came in place of a lost one: restore that backup first, or keep it"
            )

    async def _check_store(self) -> None:
        """Raise `Implausible` when most files are not in the store: it is another folder, or its disk is lost."""
        promised = missing = 0
        async for batch in self._raw.batches(MESSAGES, size=_AT_ONCE):
            keys = frozenset[str]().union(*(keys_of(MESSAGES, each) for each in batch))
            promised += len(keys)
            missing += await asyncio.to_thread(self._lacking, keys)
        if 2 * missing > promised:
            raise Implausible(
                f"of {promised} files that the database names, {missing} are not in the storage folder; nothing was "
                "written. Is STORAGE_URL right, and the disk mounted? If they are really lost, say --accept-fewer"
            )

    def _lacking(self, keys: Iterable[str]) -> int:
        return sum(1 for key in keys if not self._is_stored(key))

    def _is_stored(self, key: str) -> bool:
        try:
            return self._store.path(str(PurePosixPath(key))).is_file()
        except (OSError, ValueError, RuntimeError):
            return False

    async def made(self, *, on_documents: Read, on_bytes: Read, between: Callable[[], None]) -> Saved:
        """Make it. `on_bytes` is called from a thread; `between`, where stopping (by raising) is harmless."""
        try:
            return await self._made(on_documents=on_documents, on_bytes=on_bytes, between=between)
        except (OSError, sqlite3.Error) as error:
            raise DiskFailed(self._folder, error) from error

    async def _made(self, *, on_documents: Read, on_bytes: Read, between: Callable[[], None]) -> Saved:
        started_at = self._clock()
        identity = uuid4().hex
        name = f"{_DOCUMENTS}{started_at:%Y%m%dT%H%M%SZ}-{identity[:8]}"
        before = self._before()
        await self._check_installation(before)
        if before is not None:  # it ended, and was cut off right after that
            await asyncio.to_thread(settle, self._folder / before.documents_folder)
        await asyncio.to_thread(removed, unfinished(self._folder))
        work = self._folder / f"{name}.unfinished"
        work.mkdir()
        index = FileIndex(work / _INDEX)
        try:
            if before is not None:
                index.remember(self._folder / before.documents_folder / SUMS)
            installation = await self._installation.made()
            copies = Copies(store=self._store, folder=self._folder, documents=work, index=index, on_read=on_bytes)
            collector = Collector(raw=self._raw, copies=copies)
            parts = [
                await self._collection(each, work, collector, on_documents=on_documents, between=between)
                for each in await self._collections()
            ]
            files = await asyncio.to_thread(index.write, work / SUMS)
            between()
            made = Manifest(
                id=identity,
                attache_version=version("attache"),
                installation=installation,
                started_at=started_at,
                finished_at=self._clock(),
                documents_folder=name,
                collections=parts,
                files=files,
            )
            outdated = await asyncio.to_thread(self._committed, before, made, work, index)
        except BaseException:
            index.close()
            # the files stay: each is whole, and the next backup need not copy it again
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
            raise
        return Saved(manifest=made, copied=copies.done, met=collector.met, removed=outdated)

    async def _collections(self) -> list[str]:
        there = set(await self._raw.names()) - {MARKER}
        first, last = [each for each in _FIRST if each in there], [each for each in _LAST if each in there]
        return [*first, *sorted(there.difference(first, last)), *last]

    async def _collection(
        self, name: str, work: Path, collector: Collector, *, on_documents: Read, between: Callable[[], None]
    ) -> CollectionPart:
        writer = CollectionWriter(
            work, name, indexes=await self._raw.indexes(name), options=await self._raw.options(name)
        )
        try:
            async for batch in self._raw.batches(name, size=_AT_ONCE):
                between()
                writer.write(await collector.with_files(name, batch))
                on_documents(len(batch))
            return writer.written()
        finally:
            writer.close()

    def _before(self) -> Manifest | None:
        """The backup that is in the folder by now. Raise `BackupError` when there is one that cannot be trusted.

        Without its list nobody knows what only this backup has, so nothing in its folder may be replaced or removed.
        """
        if not os.path.lexists(self._folder / manifest.NAME):
            return None
        try:
            before = manifest.read(self._folder)
        except NotWhole as error:
            raise _untrusted(str(error).partition(";")[0]) from error
        sums = self._folder / before.documents_folder / SUMS
        if not _is_as_listed(sums, before.files):
            raise _untrusted(f"{sums} has been changed or cannot be read")
        return before

    def _committed(self, before: Manifest | None, made: Manifest, work: Path, index: FileIndex) -> int:
        synced()
        work.replace(self._folder / made.documents_folder)
        manifest.write(self._folder, made)
        # from here on it is done: what follows, the next backup does as well
        documents = self._folder / made.documents_folder
        settle(documents)
        # without a list of what was there nothing goes: a manifest that got lost may have named it
        count = _without(index, self._folder / FILES) if before is not None else 0
        index.close()
        (documents / _INDEX).unlink(missing_ok=True)
        if before is not None:
            removed(each for each in self._folder.glob(f"{_DOCUMENTS}*") if each != documents)
        return count


def _without(index: FileIndex, files: Path) -> int:
    """Remove files that only an earlier backup named: what was erased since must not stay in here. How many."""
    count = 0
    for path in files.rglob("*"):
        if path.is_file() and not index.has(path.relative_to(files).as_posix()):
            path.unlink(missing_ok=True)
            count += 1
    return count


def _untrusted(why: str) -> BackupError:
    return NotWhole(
        f"{why}, so nobody can tell what the backup in this folder has; nothing was written and nothing removed. Back "
        "up into another folder, and keep this one at least until restore --check calls that one whole"
    )


def _is_as_listed(sums: Path, listed: FilesPart) -> bool:
    try:
        return digest(sums) == listed.list_sha256
    except OSError:
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
