import asyncio
import errno
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.errors import ObjectNotFound, StorageFull, StorageUnavailable
from shared.storage.filesystem import FilesystemStore
from shared.storage.port import ByteRange

KEY = "incoming/aa/aabb.jpg"


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path / "uploads")


async def put(store: FilesystemStore, key: str, content: bytes) -> None:
    async with store.workspace() as workspace:
        source = workspace / "file"
        source.write_bytes(content)
        await store.put(source, key)


async def read(store: FilesystemStore, key: str, span: ByteRange | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open(key, span)])


def files(store: FilesystemStore) -> set[str]:
    root = store.path("x").parent
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


async def test_what_is_put_can_be_read_in_every_way(store: FilesystemStore) -> None:
    content = bytes(range(256)) * 4096

    await put(store, KEY, content)

    assert await read(store, KEY) == content
    assert await store.size(KEY) == len(content)
    async with store.as_file(KEY) as path:
        assert path.read_bytes() == content
    assert files(store) == {KEY}


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"012"), (3, 4, b"3456"), (8, 2, b"89"), (8, 100, b"89"), (10, 5, b""), (99, 1, b""), (4, 0, b"")],
)
async def test_a_span_is_read_alone(store: FilesystemStore, start: int, length: int, expected: bytes) -> None:
    await put(store, KEY, b"0123456789")

    assert await read(store, KEY, ByteRange(start=start, length=length)) == expected


async def test_a_long_span_is_streamed_exactly(store: FilesystemStore) -> None:
    content = os.urandom(600_000)
    await put(store, KEY, content)

    assert await read(store, KEY, ByteRange(start=1, length=550_000)) == content[1:550_001]


async def test_nothing_is_a_typed_error(store: FilesystemStore) -> None:
    with pytest.raises(ObjectNotFound):
        await store.size(KEY)
    with pytest.raises(ObjectNotFound):
        await read(store, KEY)
    with pytest.raises(ObjectNotFound):
        async with store.as_file(KEY):
            pass


async def test_deleting_nothing_is_fine(store: FilesystemStore) -> None:
    await put(store, KEY, b"1")

    await store.delete(KEY)
    await store.delete(KEY)

    with pytest.raises(ObjectNotFound):
        await store.size(KEY)


async def test_a_workspace_leaves_nothing_behind(store: FilesystemStore) -> None:
    seen: list[Path] = []

    async def fail_in_the_middle() -> None:
        async with store.workspace() as workspace:
            seen.append(workspace)
            (workspace / "half").write_bytes(b"half")
            (workspace / "deeper").mkdir()
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await fail_in_the_middle()

    assert files(store) == set()
    assert not seen[0].exists()


async def test_what_a_killed_process_left_is_swept_once_it_is_old(store: FilesystemStore) -> None:
    unfinished = store.path("x").parent / ".incomplete"
    for name in ("old", "new"):
        (unfinished / name).mkdir(parents=True)
        (unfinished / name / "original").write_bytes(b"half")
    an_hour_ago = time.time() - 3601
    os.utime(unfinished / "old", (an_hour_ago, an_hour_ago))

    swept = await store.sweep(older_than_seconds=3600)

    assert swept == 1
    assert files(store) == {".incomplete/new/original"}


async def test_what_is_abandoned_is_counted_before_it_is_swept(store: FilesystemStore) -> None:
    unfinished = store.path("x").parent / ".incomplete"
    assert await store.abandoned(older_than_seconds=3600) == 0
    for name in ("old", "new"):
        (unfinished / name).mkdir(parents=True)
    an_hour_ago = time.time() - 3601
    os.utime(unfinished / "old", (an_hour_ago, an_hour_ago))

    assert await store.abandoned(older_than_seconds=3600) == 1
    assert (unfinished / "old").exists()


async def test_everything_that_is_stored_is_listed_with_its_size_and_age(store: FilesystemStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    keys = {KEY, "incoming/ab/abcd.png", "renditions/aa/aabb/thumb-1.webp"}
    for key in keys:
        await put(store, key, key.encode())

    listed = {each.key: each async for each in store.objects()}

    assert set(listed) == keys
    assert all(each.size_bytes == len(key) for key, each in listed.items())
    assert all(before < each.modified_at < datetime.now(UTC) + timedelta(seconds=5) for each in listed.values())


async def test_more_than_is_listed_at_once_is_listed_once_each(store: FilesystemStore) -> None:
    folder = store.path("incoming/aa")
    folder.mkdir(parents=True)
    for number in range(1234):
        (folder / f"{number}.bin").touch()

    keys = [each.key async for each in store.objects()]

    assert len(keys) == 1234
    assert set(keys) == {f"incoming/aa/{number}.bin" for number in range(1234)}


async def test_a_listing_shows_what_people_put_there_but_nothing_unfinished(
    store: FilesystemStore, tmp_path: Path
) -> None:
    root = store.path("x").parent
    for name in ("notes.txt", ".hidden/x", "lost+found/x", ".incomplete/half/original", "incoming/aa/.x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").touch()
    (root / "incoming" / "link").symlink_to(tmp_path / "elsewhere")

    keys = {each.key async for each in store.objects()}

    assert keys == {"notes.txt", ".hidden/x", "incoming/aa/.x", "incoming/link"}


async def test_a_listing_goes_on_when_something_goes_meanwhile(store: FilesystemStore) -> None:
    for number in range(3):
        await put(store, f"incoming/a{number}/x.bin", b"1")

    keys = []
    async for each in store.objects():
        keys.append(each.key)
        for number in range(3):
            await store.delete(f"incoming/a{number}/x.bin")

    assert keys


async def test_a_listing_can_be_left_early(store: FilesystemStore) -> None:
    for number in range(3):
        await put(store, f"incoming/a{number}/x.bin", b"1")

    async for _ in store.objects():
        break

    assert len([each async for each in store.objects()]) == 3


async def test_a_folder_that_is_not_there_is_not_an_empty_one(store: FilesystemStore) -> None:
    with pytest.raises(StorageUnavailable, match="disappeared"):
        [each async for each in store.objects()]


@pytest.mark.parametrize("damaged", [b"whole", b"who", b"wh\0le"])
async def test_what_lies_at_a_key_is_replaced_by_verified_bytes(store: FilesystemStore, damaged: bytes) -> None:
    """Keys are derived from content: other bytes under the same key can only be damage, whatever their size."""
    await put(store, KEY, b"whole")
    store.path(KEY).write_bytes(damaged)

    await put(store, KEY, b"whole")

    assert await read(store, KEY) == b"whole"
    assert files(store) == {KEY}


async def test_many_may_put_the_same_key_at_once(store: FilesystemStore) -> None:
    await asyncio.gather(*(put(store, KEY, b"same") for _ in range(20)))

    assert await read(store, KEY) == b"same"
    assert files(store) == {KEY}


@pytest.mark.parametrize(
    "key",
    [
        "",
        ".",
        "/etc/passwd",
        "../outside",
        "incoming/../../outside",
        "incoming/..",
        ".incomplete/x",
        "incoming/.hidden",
        "a\\..\\b",
        "a\0b",
    ],
)
async def test_no_key_leads_outside(store: FilesystemStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.path(key)
    with pytest.raises(ValueError, match="not a key"):
        await store.delete(key)


async def test_a_link_does_not_lead_outside_either(store: FilesystemStore, tmp_path: Path) -> None:
    await put(store, KEY, b"1")
    (tmp_path / "secret").write_bytes(b"secret")
    (store.path(KEY).parent / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(ValueError, match="leads out"):
        await store.size("incoming/aa/link")


async def test_check_and_free_bytes_work_on_a_folder_that_is_not_there_yet(store: FilesystemStore) -> None:
    assert await store.free_bytes() > 0

    await store.check()

    assert files(store) == set()


async def test_a_folder_that_cannot_be_written_is_told_for_people(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_bytes(b"a file where the folder should be")
    store = FilesystemStore(tmp_path / "uploads")

    with pytest.raises(StorageUnavailable, match="storage folder"):
        await store.check()
    with pytest.raises(StorageUnavailable):
        async with store.workspace():
            pass


async def test_a_full_disk_is_told_as_such(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageFull):
        await put(store, KEY, b"1")
    assert files(store) == set()
