"""Is a backup what its manifest says, to the last byte? Asked before anything is changed. Blocking: for a thread."""

from collections.abc import Callable, Iterator
from pathlib import Path

from shared.backup.documents import bson_file, documents, metadata_file
from shared.backup.errors import Damaged
from shared.backup.folder import FILES, SUMS, stored
from shared.backup.hashing import Read, digest
from shared.backup.index import entries
from shared.backup.manifest import CollectionPart, Manifest

_MOST_TOLD = 20


def verify(folder: Path, manifest: Manifest, *, on_read: Read, between: Callable[[], None]) -> None:
    """Raise `Damaged` with everything that is wrong; documents first, as nothing can be restored without them."""
    wrong = [*_documents(folder / manifest.documents_folder, manifest, on_read)]
    if wrong:
        raise Damaged(f"the documents in {folder} are damaged; take another backup", details=wrong)
    told: list[str] = []
    count = 0
    for key, problem in damaged_files(folder, manifest, on_read=on_read, between=between):
        count += 1
        if len(told) < _MOST_TOLD:
            told.append(f"{FILES}/{key} {problem}")
    if count:
        if count > len(told):
            told.append(f"and {count - len(told)} more")
        files = "1 file" if count == 1 else f"{count} files"
        raise Damaged(f"{files} of {manifest.files.count} in {folder} are damaged or missing", details=told, files=True)


def damaged_files(
    folder: Path, manifest: Manifest, *, on_read: Read, between: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Key and what is wrong with it."""
    for sha256, key in entries(folder / manifest.documents_folder / SUMS):
        between()
        try:
            found = digest(stored(folder / manifest.documents_folder, key), on_read)
        except FileNotFoundError:
            yield key, "is missing"
        except OSError as error:
            yield key, f"cannot be read ({error.strerror})"
        else:
            if found != sha256:
                yield key, "has been changed"


def _documents(folder: Path, manifest: Manifest, on_read: Read) -> Iterator[str]:
    for part in manifest.collections:
        yield from _collection(folder, part, on_read)
    sums = folder / SUMS
    if not sums.is_file():
        yield f"{SUMS} is missing"
    elif digest(sums) != manifest.files.list_sha256:
        yield f"{SUMS} has been changed"


def _collection(folder: Path, part: CollectionPart, on_read: Read) -> Iterator[str]:
    metadata, bson = metadata_file(folder, part.name), bson_file(folder, part.name)
    for path in (metadata, bson):
        if not path.is_file():
            yield f"{path.name} is missing"
            return
    if digest(metadata) != part.metadata_sha256:
        yield f"{metadata.name} has been changed"
    size = bson.stat().st_size
    if size != part.size_bytes:
        yield f"{bson.name} has {size} bytes in place of {part.size_bytes}"
    elif digest(bson, on_read) != part.sha256:
        yield f"{bson.name} has been changed"
    elif sum(1 for _ in documents(bson)) != part.documents:
        yield f"{bson.name} has another number of documents than {part.documents}"
