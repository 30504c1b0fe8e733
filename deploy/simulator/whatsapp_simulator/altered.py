"""Files that differ from what metadata says of them."""

from __future__ import annotations

from collections.abc import Iterator

from whatsapp_simulator.content import CHUNK_BYTES, Content
from whatsapp_simulator.fault_names import FaultName
from whatsapp_simulator.faults import Fault

_INVERTED = bytes(255 - value for value in range(256))
_EXTRA_BYTES = 1000


class _Altered:
    """Another file's bytes under the checksums of the right one: what a media host sends when it is wrong."""

    def __init__(self, right: Content) -> None:
        self._right = right

    @property
    def size_bytes(self) -> int:
        return self._right.size_bytes

    @property
    def digest(self) -> bytes:
        return self._right.digest

    @property
    def adler32(self) -> int:
        return self._right.adler32

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        return self._right.chunks(start, end)


class _Corrupt(_Altered):
    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        return (chunk.translate(_INVERTED) for chunk in super().chunks(start, end))


class _Truncated(_Altered):
    @property
    def size_bytes(self) -> int:
        return super().size_bytes // 2


class _Oversized(_Altered):
    def __init__(self, right: Content, extra_bytes: int) -> None:
        super().__init__(right)
        self._extra_bytes = extra_bytes

    @property
    def size_bytes(self) -> int:
        return super().size_bytes + self._extra_bytes

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        size = super().size_bytes
        yield from super().chunks(min(start, size), min(end, size))
        for position in range(max(start, size), end, CHUNK_BYTES):
            yield bytes(min(CHUNK_BYTES, end - position))


def altered(content: Content, fault: Fault | None) -> Content:
    """What is sent in place of `content`; `content` itself without one of these faults."""
    match fault:
        case Fault(name=FaultName.CORRUPT):
            return _Corrupt(content)
        case Fault(name=FaultName.TRUNCATED):
            return _Truncated(content)
        case Fault(name=FaultName.OVERSIZED, size_bytes=extra_bytes):
            return _Oversized(content, _EXTRA_BYTES if extra_bytes is None else extra_bytes)
        case _:
            return content
