"""Is our folder the services' folder? A disk that is not mounted, or a relative path, looks like a great loss."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
from pymongo import DESCENDING
from rich.filesize import decimal

from shared.doctor.check import Answer, fine, wrong
from shared.doctor.services import metric
from shared.doctor.threads import in_thread_of_its_own
from shared.media import MediaStatus
from shared.repository.mongo import Database
from shared.storage.filesystem import FilesystemStore

_NEWEST = 10
_STORING = ("ingestor", "previewer", "media-server")
_SAME_WITHIN_BYTES = 256 * 1024 * 1024  # what is downloaded between two looks
_SAME_WITHIN = 0.02


async def look_at_files(
    session: aiohttp.ClientSession, database: Database, folder: Path, *, services: Mapping[str, str]
) -> Sequence[Answer]:
    """The newest files that documents promise must be here; each service must see as much free space as we do."""
    query = {"media.status": MediaStatus.READY.value, "media.storage.original.key": {"$type": "string"}}
    found = database["messages"].find(query, {"media.storage.original": 1}).sort("sentAt", DESCENDING).limit(_NEWEST)
    promised = {document["media"]["storage"]["original"]["key"] async for document in found}
    missing, free = await in_thread_of_its_own(lambda: _looked_at(folder, promised))
    answers: list[Answer] = []
    if missing:
        answers.append(
            wrong(
                f"{missing} of the {len(promised)} newest files are not in {folder}",
                "is its disk mounted, and is STORAGE_URL that of the services? Then: attache storage check",
            )
        )
    for name in _STORING:
        theirs = await _free(session, services[name])
        if theirs is not None and free is not None and not _is_same(free, theirs):
            answers.append(
                wrong(
                    f"the {name} sees {decimal(int(theirs))} free, we see {decimal(free)}: not the same disk",
                    "give all services and this command the same folder as STORAGE_URL",
                )
            )
    return answers or [fine(f"the newest {len(promised)} files are here; services see the same disk")]


async def _free(session: aiohttp.ClientSession, url: str) -> float | None:
    try:
        return await metric(session, url, "attache_storage_bytes_free")
    except (aiohttp.ClientError, OSError, UnicodeDecodeError, TimeoutError):
        return None  # whether it answers at all is another check's business


def _is_same(ours: float, theirs: float) -> bool:
    return abs(ours - theirs) <= max(_SAME_WITHIN_BYTES, _SAME_WITHIN * max(ours, theirs))


def _looked_at(folder: Path, keys: set[str]) -> tuple[int, int | None]:
    store = FilesystemStore(folder)
    missing = sum(not _is_there(store, key) for key in keys)
    return missing, shutil.disk_usage(folder).free if folder.is_dir() else None


def _is_there(store: FilesystemStore, key: str) -> bool:
    try:
        return store.path(key).is_file()
    except ValueError:  # broken by hand
        return False
