"""Bytes on their way in: written to a temporary file while they are counted and hashed, never over the limit."""

import asyncio
import hashlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from shared.errors import ObjectTooLarge
from shared.storage.os_errors import storage_error

HEAD_BYTES = 8192
"""How much of the start is kept for sniffing the type."""
_BLOCK_BYTES = 256 * 1024  # one trip to a thread per block: hashing and writing stay off the event loop


class _Hash(Protocol):
    def update(self, data: bytes | bytearray, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """What was written. `head` is the start of the bytes."""

    path: Path
    size_bytes: int
    sha256: str
    head: bytes


async def stage(chunks: AsyncIterable[bytes], path: Path, *, limit: int) -> StagedFile:
    """Write `chunks` to the new file `path`. Raise `ObjectTooLarge` at the first byte over `limit`.

    At most one block is held in memory. What the source raises passes through; the caller's workspace takes care of
    the half-written file.
    """
    digest = hashlib.sha256()
    size = 0
    head = b""
    block = bytearray()
    with _opened(path) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                msg = f"more than {limit} bytes"
                raise ObjectTooLarge(msg)
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
            block += chunk
            if len(block) >= _BLOCK_BYTES:
                await asyncio.to_thread(_write, file, digest, block)
                block = bytearray()  # a new one: no copy, and the old one is free as soon as it is written
        await asyncio.to_thread(_write, file, digest, block)
    return StagedFile(path=path, size_bytes=size, sha256=digest.hexdigest(), head=head)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("xb", buffering=0)
    except OSError as error:
        raise storage_error(error) from error


def _write(file: BinaryIO, digest: _Hash, block: bytearray) -> None:
    digest.update(block)
    view = memoryview(block)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        raise storage_error(error) from error
