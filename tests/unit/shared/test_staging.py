import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.errors import ObjectTooLarge, StorageFull, StorageUnavailable
from shared.storage.os_errors import storage_error
from shared.storage.staging import HEAD_BYTES, stage


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"",),
        (b"one",),
        (b"o", b"", b"ne"),
        (bytes(HEAD_BYTES - 1), b"over", b"more"),
        (bytes(range(256)) * 20_000, b"a tail"),  # several blocks
    ],
)
async def test_bytes_are_written_counted_and_hashed(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    whole = b"".join(parts)

    staged = await stage(chunks(*parts), tmp_path / "original", limit=len(whole))

    assert staged.path.read_bytes() == whole
    assert staged.size_bytes == len(whole)
    assert staged.sha256 == hashlib.sha256(whole).hexdigest()
    assert staged.head == whole[:HEAD_BYTES]


async def test_the_first_byte_over_the_limit_ends_it(tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"12345"

    with pytest.raises(ObjectTooLarge):
        await stage(endless(), tmp_path / "original", limit=12)

    assert taken == 3


async def test_what_the_source_raises_passes_through(tmp_path: Path) -> None:
    async def cut_off() -> AsyncIterator[bytes]:
        yield b"1"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await stage(cut_off(), tmp_path / "original", limit=12)


async def test_a_file_that_is_there_already_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "original"
    path.write_bytes(b"precious")

    with pytest.raises(StorageUnavailable):
        await stage(chunks(b"other"), path, limit=12)

    assert path.read_bytes() == b"precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
async def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, *__: object, **___: object) -> object:
        return open("/dev/full", "wb", buffering=0)  # noqa: PTH123 - `Path.open` is what is replaced

    monkeypatch.setattr(Path, "open", full)

    with pytest.raises(StorageFull, match="free space"):
        await stage(chunks(b"1"), tmp_path / "original", limit=12)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_left_is_storage_full(number: int) -> None:
    assert isinstance(storage_error(OSError(number, os.strerror(number))), StorageFull)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES, None])
def test_anything_else_is_storage_unavailable(number: int | None) -> None:
    error = OSError() if number is None else OSError(number, os.strerror(number))

    assert isinstance(storage_error(error), StorageUnavailable)
