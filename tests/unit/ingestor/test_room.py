import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingestor.room import Room
from shared.errors import Postponed, StorageFull, StorageUnavailable
from shared.resources import background
from shared.storage.filesystem import FilesystemStore
from tests.amqp import until

FLOOR = 1000


class Disk(FilesystemStore):
    """A folder on a disk whose free space is as told; None: it cannot be asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.free: int | None = FLOOR

    async def free_bytes(self) -> int:
        if self.free is None:
            msg = "the storage folder disappeared"
            raise StorageUnavailable(msg)
        return self.free


class Consumer:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def pause(self) -> None:
        self.told.append("pause")

    async def resume(self) -> None:
        self.told.append("resume")

    async def was_told(self, *told: str) -> bool:
        return self.told == list(told)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def room(disk: Disk) -> Room:
    return Room(disk, floor_bytes=FLOOR, look_seconds=0.001)


async def test_room_is_what_reaches_the_floor(disk: Disk, room: Room) -> None:
    await room.demand()
    await room.check()

    disk.free = FLOOR - 1
    with pytest.raises(Postponed, match="STORAGE_MIN_FREE_BYTES"):
        await room.demand()


async def test_readiness_says_how_much_is_free_what_the_floor_is_and_what_to_do(disk: Disk, room: Room) -> None:
    disk.free = 17

    with pytest.raises(StorageFull, match=r"17 bytes are free.* 1000 \(STORAGE_MIN_FREE_BYTES\).*larger disk"):
        await room.check()


async def test_a_floor_of_nothing_is_always_reached(disk: Disk) -> None:
    disk.free = 0

    await Room(disk, floor_bytes=0).demand()


async def test_nothing_is_taken_before_the_first_look_and_while_there_is_no_room(disk: Disk, room: Room) -> None:
    consumer = Consumer()
    disk.free = None
    with capture_logs() as lines:
        async with background(asyncio.create_task(room.keep(consumer))):
            await until(lambda: consumer.was_told("pause"))
            disk.free = FLOOR
            await until(lambda: consumer.was_told("pause", "resume"))
            disk.free = 17
            await until(lambda: consumer.was_told("pause", "resume", "pause"))
            disk.free = None
            disk.free = FLOOR
            await until(lambda: consumer.was_told("pause", "resume", "pause", "resume"))

    (reached,) = [line for line in lines if line["event"] == "storage.floor_reached"]
    assert (reached["freeBytes"], reached["floorBytes"]) == (17, FLOOR)
    assert "larger disk" in reached["next"]
    assert [line["event"] for line in lines] == ["storage.floor_reached", "storage.room_again"]
