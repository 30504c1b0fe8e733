"""Photos as phones send them, each with bytes of its own."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

from PIL import Image

from tests.images import picture
from whatsapp_simulator.content import CHUNK_BYTES

PHOTO_BYTES = 500_000
_WIDTH, _HEIGHT = 1600, 1200  # what WhatsApp makes of a photo
_NOISE_SIGMA = 60.0
_NOISE_SHARE = 0.35
_QUALITIES = range(95, 40, -1)
_SERIAL_BYTES = 8


def photo() -> bytes:
    """A JPEG of 1600 x 1200 with as much detail as fits into `PHOTO_BYTES` together with a serial number."""
    noise = Image.effect_noise((_WIDTH, _HEIGHT), _NOISE_SIGMA).convert("RGB")
    image = Image.blend(picture(_WIDTH, _HEIGHT), noise, _NOISE_SHARE)
    for quality in _QUALITIES:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= PHOTO_BYTES - _SERIAL_BYTES:
            return buffer.getvalue()
    msg = f"no quality makes the photo small enough for {PHOTO_BYTES} bytes"
    raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class NumberedPhoto:
    """One photo in many copies that differ in a number behind its end, where decoders do not look.

    Thousands of them share their bytes in memory, and their digests are made from one.
    """

    shared: bytes
    number: int

    @property
    def size_bytes(self) -> int:
        return PHOTO_BYTES

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self._whole).digest()

    @cached_property
    def adler32(self) -> int:
        return zlib.adler32(self._whole)

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        whole = self._whole[start:end]
        for position in range(0, len(whole), CHUNK_BYTES):
            yield whole[position : position + CHUNK_BYTES]

    @property
    def _whole(self) -> bytes:
        return self.shared.ljust(PHOTO_BYTES - _SERIAL_BYTES, b"\0") + self.number.to_bytes(_SERIAL_BYTES, "big")
