from __future__ import annotations

import hashlib
import zlib

import pytest

from whatsapp_simulator import SyntheticContent

MIB = 1024 * 1024


def test_synthetic_bytes_are_the_same_at_each_reading_and_from_any_position() -> None:
    content = SyntheticContent(size_bytes=MIB + 7, seed=3, head=b"%PDF-1.7\n")

    whole = b"".join(content.chunks(0, content.size_bytes))

    assert len(whole) == MIB + 7
    assert whole.startswith(b"%PDF-1.7\n")
    assert content.digest == hashlib.sha256(whole).digest()
    assert content.adler32 == zlib.adler32(whole)
    for start, end in [(0, 4), (5, 300_000), (MIB, MIB + 7)]:
        assert b"".join(content.chunks(start, end)) == whole[start:end]


def test_another_seed_is_another_file() -> None:
    assert SyntheticContent(size_bytes=MIB, seed=1).digest != SyntheticContent(size_bytes=MIB, seed=2).digest


def test_a_file_cannot_be_smaller_than_its_head() -> None:
    with pytest.raises(ValueError, match="cannot begin with"):
        SyntheticContent(size_bytes=3, head=b"%PDF")
