"""What a media file consists of: bytes at hand, or a large file that is generated while it is sent."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

CHUNK_BYTES = 256 * 1024


class Content(Protocol):
    """The bytes of one file, of known size, readable from any position and as often as wanted."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def digest(self) -> bytes:
        """SHA-256 over all bytes."""
        ...

    @property
    def adler32(self) -> int:
        """The checksum that Meta's media hosts give in `Content-Digest`."""
        ...

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""
        ...


@dataclass(frozen=True)
class BytesContent:
    """A file that is small enough to be held in memory."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    @cached_property
    def adler32(self) -> int:
        return zlib.adler32(self.data)

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        for position in range(start, end, CHUNK_BYTES):
            yield self.data[position : min(position + CHUNK_BYTES, end)]


@dataclass(frozen=True, kw_only=True)
class SyntheticContent:
    """A file of any size that never exists as a whole: `head`, then filler.

    With a real file as `head` it is recognised as that file's type, and most decoders do not mind the rest.
    The same `head`, `size_bytes` and `seed` always give the same bytes; another seed gives other bytes.
    """

    size_bytes: int
    seed: int = 0
    head: bytes = b""

    def __post_init__(self) -> None:
        if self.size_bytes < len(self.head):
            raise ValueError(f"a file of {self.size_bytes} bytes cannot begin with {len(self.head)} others")

    @cached_property
    def digest(self) -> bytes:
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size_bytes):
            digest.update(chunk)
        return digest.digest()

    @cached_property
    def adler32(self) -> int:
        checksum = 1
        for chunk in self.chunks(0, self.size_bytes):
            checksum = zlib.adler32(chunk, checksum)
        return checksum

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        position, filler = start, _filler(self.seed)
        while position < end:
            if position < len(self.head):
                chunk = self.head[position : min(end, position + CHUNK_BYTES)]
            else:
                offset = (position - len(self.head)) % CHUNK_BYTES
                chunk = filler[offset : offset + end - position]
            yield chunk
            position += len(chunk)


@lru_cache(maxsize=16)
def _filler(seed: int) -> bytes:
    # One repeated block: cheap enough to serve gigabytes; shake_256 makes it look compressed, as real media does.
    return hashlib.shake_256(b"attache %d" % seed).digest(CHUNK_BYTES)
