"""Collections as mongodump writes them: `<name>.bson` is one document after the other, beside it a metadata file."""

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from bson import json_util

from shared.backup.errors import Damaged
from shared.backup.hashing import digest
from shared.backup.manifest import CollectionPart

_LENGTH_BYTES, _SMALLEST = 4, 5
_AT_ONCE, _AT_ONCE_BYTES = 500, 8 * 1024 * 1024


def bson_file(folder: Path, name: str) -> Path:
    """Of one collection."""
    return folder / f"{name}.bson"


def metadata_file(folder: Path, name: str) -> Path:
    """Of one collection."""
    return folder / f"{name}.metadata.json"


class CollectionWriter:
    """Writes one collection; `written` ends it."""

    def __init__(self, folder: Path, name: str, *, indexes: Sequence[dict[str, Any]], options: dict[str, Any]) -> None:
        self._folder = folder
        self._name = name
        self._indexes = indexes
        self._options = options
        self._file: BinaryIO = bson_file(folder, name).open("xb")
        self._digest = sha256()
        self._count = 0
        self._size = 0

    def write(self, documents: Sequence[bytes]) -> None:
        """Some more of it."""
        content = b"".join(documents)
        self._file.write(content)
        self._digest.update(content)
        self._count += len(documents)
        self._size += len(content)

    def written(self) -> CollectionPart:
        """All of it; on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        about = {"indexes": self._indexes, "collectionName": self._name, "type": "collection", "options": self._options}
        metadata = metadata_file(self._folder, self._name)
        metadata.write_text(json_util.dumps(about, json_options=json_util.CANONICAL_JSON_OPTIONS), encoding="utf-8")
        return CollectionPart(
            name=self._name,
            documents=self._count,
            size_bytes=self._size,
            sha256=self._digest.hexdigest(),
            metadata_sha256=digest(metadata),
        )

    def close(self) -> None:
        """Also when it did not get to the end."""
        self._file.close()


def documents(path: Path) -> Iterator[bytes]:
    """Every document of a file. Raise `Damaged` where it is cut short or no BSON."""
    with path.open("rb") as file:
        while head := file.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "little", signed=True)
            rest = file.read(length - _LENGTH_BYTES) if length >= _SMALLEST else b""
            if len(head) + len(rest) != length or not rest.endswith(b"\0"):
                raise Damaged(f"{path.name} is cut short or no BSON; take another backup")
            yield head + rest


def in_batches(found: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The same in pieces that fit into memory."""
    batch, size = list[bytes](), 0
    for document in found:
        batch.append(document)
        size += len(document)
        if len(batch) == _AT_ONCE or size >= _AT_ONCE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def indexes(folder: Path, name: str) -> Sequence[dict[str, Any]]:
    """Those that a collection had."""
    found: Sequence[dict[str, Any]] = _metadata(folder, name)["indexes"]
    return found


def options(folder: Path, name: str) -> dict[str, Any]:
    """With which a collection had been made: a validator, a collation."""
    found: dict[str, Any] = _metadata(folder, name).get("options") or {}
    return found


def _metadata(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json_util.loads(metadata_file(folder, name).read_text(encoding="utf-8"))
    return found
