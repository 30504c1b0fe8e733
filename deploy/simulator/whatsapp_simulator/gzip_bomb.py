"""Small gzip files that unpack to something large."""

from __future__ import annotations

import zlib
from functools import lru_cache

_BLOCK = bytes(1024 * 1024)
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@lru_cache(maxsize=4)
def packed_zeros(size_bytes: int) -> bytes:
    """One gzip member of zeros; a full block is packed once and repeated, or a large bomb would take seconds."""
    blocks, rest = divmod(size_bytes, len(_BLOCK))
    packer = zlib.compressobj(wbits=-15)
    block = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(wbits=-15)
    checksum = 0
    for _ in range(blocks):
        checksum = zlib.crc32(_BLOCK, checksum)
    checksum = zlib.crc32(_BLOCK[:rest], checksum)
    trailer = checksum.to_bytes(4, "little") + (size_bytes & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEADER + block * blocks + last.compress(_BLOCK[:rest]) + last.flush() + trailer
