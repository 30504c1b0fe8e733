"""What the pipeline asks of a place for files: few verbs, streams and paths rather than bytes in memory."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """From `start`, `length` bytes."""

    start: int
    length: int


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One object of a listing."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """Keys are made by `shared.keys`; objects never change once put.

    Every method raises `StorageUnavailable` or `StorageFull` when the store fails, and `ObjectNotFound` for a key
    that holds nothing, except where said.
    """

    def workspace(self) -> AbstractAsyncContextManager[Path]:
        """An empty folder for one piece of work, removed at the end; files in it can be put without copying."""

    async def put(self, source: Path, key: str) -> None:
        """Move a finished file to `key`, durably and at once: nobody sees half an object.

        What lay at `key` is replaced: keys are derived from content, so it is the same, or damaged.
        """

    def open(self, key: str, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """Stream the object, or one span of it."""

    def as_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """The object as a local file to read, for as long as the context lasts."""

    async def size(self, key: str) -> int:
        """Bytes of the object."""

    def objects(self) -> AsyncIterator[StoredObject]:
        """Everything that is stored, in no promised order and a few at a time, however many there are.

        Also what people put there by hand, under whatever name; not what is unfinished. What comes or goes while the
        listing is read may be in it or not.
        """

    async def delete(self, key: str) -> None:
        """Remove the object. Deleting nothing is fine."""

    async def check(self) -> None:
        """Readiness: raise with a text for people when nothing can be written."""

    async def free_bytes(self) -> int:
        """Room left."""
