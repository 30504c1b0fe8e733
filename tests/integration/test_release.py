"""Bytes that nobody refers to go at once, and never under the feet of a document that comes to need them.

Deleters, writers and renderers take turns by lot, one call to the database or the store each, and some are killed.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from shared.clock import system_clock
from shared.errors import StorageUnavailable
from shared.media import Facts, MediaStatus
from shared.moves import mark_stored, store_again
from shared.release import UNFINISHED, Release
from shared.repository.blobs import BlobRendition, BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.removals import Removals
from shared.storage.filesystem import FilesystemStore
from tests.builders import SHA256, make_attachment, make_original, make_rendition
from tests.turns import Step, Stepwise, Turns

ROUNDS = 40
ORIGINAL = make_original()
THUMB = make_rendition()


async def go_on() -> None:
    """Nobody is in the way."""


class Ahead:
    """The machine's time, set forward at will."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.by


@dataclass(frozen=True, kw_only=True)
class World:
    database: Database
    store: FilesystemStore
    folder: Path
    clock: Ahead

    def actor(self, step: Step = go_on) -> "Actor":
        return Actor(self, step)

    def files(self) -> set[str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)) for path in found}

    async def rows(self) -> list[dict[str, Any]]:
        return await self.database["blobs"].find().to_list(None)

    async def clear(self) -> None:
        for name in ("blobs", "messages"):
            await self.database[name].delete_many({})
        for key in self.files():
            (self.folder / key).unlink()


class Actor:
    """Whoever works on these bytes; each call to the database or the store is one step."""

    def __init__(self, world: World, step: Step) -> None:
        names = ("blobs", "messages")
        database = cast(Database, {name: Stepwise(world.database[name], step) for name in names})
        store = cast(FilesystemStore, Stepwise(world.store, step))
        self._world = world
        self._store = store
        self.messages = MessageRepository(database)
        self.blobs = BlobRepository(database)
        self.removals = Removals(database)
        self.release = Release(database=database, store=store, clock=world.clock)
        self._raw = database["messages"]

    async def put(self, key: str) -> None:
        async with self._world.store.workspace() as workspace:
            (workspace / "file").write_bytes(b"0123456789")
            await self._store.put(workspace / "file", key)

    async def store_it(self, media_id: str) -> None:
        """As the ingestor: refer to the bytes, then look whether they are live; if not, once more from the start."""
        for _ in range(20):
            current = await self.messages.get(media_id)
            if current is None:
                await self.release.abandoned(ORIGINAL)
                return
            if current.media.status is MediaStatus.PENDING:
                try:
                    blob = await self.blobs.reserve(SHA256, key=ORIGINAL.key, size_bytes=10, mime_type="image/jpeg")
                except StorageUnavailable:
                    continue
                await self.put(blob.key)
                await self.messages.change(current, mark_stored(ORIGINAL, now=system_clock()))
            elif await self.blobs.is_live(SHA256):
                return
            else:
                await self.messages.change(current, store_again(now=system_clock()))
                await self.release.note(ORIGINAL)
        # the deleter was killed: the event comes again later

    async def erase(self, media_id: str) -> None:
        """As the eraser."""
        current = await self.messages.get(media_id)
        if current is not None and current.media.storage.original is not None:
            await self.release.note(current.media.storage.original)
        await self._raw.delete_one({"_id": media_id})
        await self.release.unreferenced(SHA256)

    async def render(self) -> None:
        """As the previewer."""
        try:
            blob = await self.blobs.use(SHA256)
            if blob is None:
                return
            await self.blobs.rendering(blob, keys=[THUMB.key])
        except StorageUnavailable:
            return
        await self.put(THUMB.key)
        made = {"thumb": BlobRendition(**THUMB.model_dump(), recipe=1)}
        if not await self.blobs.rendered(blob, facts=Facts(), facts_recipe=1, renditions=made):
            await self.blobs.leave(blob, keys=[THUMB.key])


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    await ensure_indexes(database)
    folder = tmp_path / "uploads"
    yield World(database=database, store=FilesystemStore(folder), folder=folder, clock=Ahead())
    client.close()


async def announced(world: World, *ids: str, stored: bool = False) -> None:
    actor = world.actor()
    for media_id in ids:
        await actor.messages.insert(make_attachment(id=media_id))
        if stored:
            await actor.store_it(media_id)


def nothing_is_left(world: World, rows: list[dict[str, Any]]) -> bool:
    return world.files() == set() and rows == []


async def test_bytes_that_nobody_refers_to_go_with_their_renditions(world: World) -> None:
    await announced(world, "m1", stored=True)
    actor = world.actor()
    await actor.render()
    assert world.files() == {ORIGINAL.key, THUMB.key}
    await world.database["messages"].delete_many({})

    assert await actor.release.unreferenced(SHA256)

    assert nothing_is_left(world, await world.rows())


async def test_bytes_that_another_document_has_stay(world: World) -> None:
    await announced(world, "m1", "m2", stored=True)

    await world.actor().erase("m1")

    assert world.files() == {ORIGINAL.key}
    assert [(row["state"], row.get("wakeAt")) for row in await world.rows()] == [("live", None)]


async def test_unknown_bytes_are_not_deleted(world: World) -> None:
    assert not await world.actor().release.unreferenced(SHA256)


async def test_a_rendition_that_was_announced_and_not_recorded_goes_too(world: World) -> None:
    await announced(world, "m1", stored=True)
    actor = world.actor()
    blob = await actor.blobs.use(SHA256)
    assert blob is not None
    await actor.blobs.rendering(blob, keys=[THUMB.key])
    await actor.put(THUMB.key)  # killed here

    await actor.erase("m1")

    assert nothing_is_left(world, await world.rows())


async def test_a_rendition_of_bytes_that_went_and_came_back_is_not_taken_for_there(world: World) -> None:
    """It was put, went with the bytes, and the bytes are back, under a row of their own."""
    await announced(world, "m1", stored=True)
    actor = world.actor()
    blob = await actor.blobs.use(SHA256)
    assert blob is not None
    await actor.blobs.rendering(blob, keys=[THUMB.key])
    await actor.put(THUMB.key)
    await actor.erase("m1")
    await announced(world, "m2", stored=True)

    made = {"thumb": BlobRendition(**THUMB.model_dump(), recipe=1)}
    assert not await actor.blobs.rendered(blob, facts=Facts(), facts_recipe=1, renditions=made)

    assert [row["renditions"] for row in await world.rows()] == [{}]


async def test_a_rendition_put_after_the_bytes_went_is_removed_by_the_next_round(world: World) -> None:
    await announced(world, "m1", stored=True)
    actor = world.actor()
    blob = await actor.blobs.use(SHA256)
    assert blob is not None
    await actor.erase("m1")
    await actor.put(THUMB.key)

    await actor.blobs.leave(blob, keys=[THUMB.key])
    world.clock.by = timedelta(seconds=5)
    await actor.release.resume()

    assert nothing_is_left(world, await world.rows())


async def test_a_lost_row_does_not_keep_the_file(world: World) -> None:
    await announced(world, "m1", stored=True)
    await world.database["blobs"].delete_many({})

    await world.actor().erase("m1")

    assert nothing_is_left(world, await world.rows())


async def test_a_stale_removal_is_resumed_and_a_fresh_one_left_alone(world: World) -> None:
    await announced(world, "m1", stored=True)
    actor = world.actor()
    await world.database["messages"].delete_many({})
    now = world.clock()
    assert await actor.removals.begin(SHA256, now=now, wake_at=now + UNFINISHED)  # killed here

    assert await actor.release.resume() == 0
    assert world.files() == {ORIGINAL.key}
    world.clock.by = UNFINISHED

    assert await actor.release.resume() == 1
    assert nothing_is_left(world, await world.rows())


async def test_what_has_begun_to_go_is_never_spared(world: World) -> None:
    """Half of the files are gone; a document refers to them at this moment, and will see that they are not live."""
    await announced(world, "m1", stored=True)
    actor, now = world.actor(), world.clock()
    removal = await actor.removals.begin(SHA256, now=now, wake_at=now + UNFINISHED)
    assert removal is not None
    assert await actor.removals.condemn(removal, wake_at=now + UNFINISHED)
    await world.store.delete(ORIGINAL.key)  # killed here
    world.clock.by = UNFINISHED

    await actor.release.resume()
    await actor.store_it("m1")

    assert world.files() == {ORIGINAL.key}
    assert [row["state"] for row in await world.rows()] == ["live"]


async def test_a_deleter_that_was_silent_for_too_long_does_not_go_on(world: World) -> None:
    await announced(world, "m1", stored=True)
    actor, now = world.actor(), world.clock()
    silent = await actor.removals.begin(SHA256, now=now, wake_at=now + UNFINISHED)
    assert silent is not None
    world.clock.by = UNFINISHED
    await actor.release.resume()

    assert await actor.removals.condemn(silent, wake_at=now) is None
    assert world.files() == {ORIGINAL.key}


@pytest.mark.parametrize("deaths", [0, 2])
async def test_two_erasers_at_once_leave_nothing(world: World, deaths: int) -> None:
    for seed in range(ROUNDS):
        await announced(world, "m1", "m2", stored=True)
        turns = Turns(seed, deaths=deaths)
        jobs: list[Callable[[], Any]] = [partial(world.actor(turns.step).erase, each) for each in ("m1", "m2")]

        await turns.play(jobs)
        await finished(world)

        assert nothing_is_left(world, await world.rows()), f"seed {seed}"
        await world.clear()


@pytest.mark.parametrize("deaths", [0, 2])
async def test_bytes_that_another_message_brings_while_they_are_deleted_end_up_stored(
    world: World, deaths: int
) -> None:
    for seed in range(ROUNDS):
        await announced(world, "m1", stored=True)
        await announced(world, "m2")
        turns = Turns(seed, deaths=deaths)

        await turns.play(
            [
                partial(world.actor(turns.step).erase, "m1"),
                partial(world.actor(turns.step).store_it, "m2"),
                world.actor(turns.step).render,
            ]
        )
        await finished(world)
        await world.actor().store_it("m2")

        (document,) = await world.database["messages"].find().to_list(None)
        assert (document["_id"], document["media"]["status"]) == ("m2", "stored"), f"seed {seed}"
        (row,) = await world.rows()
        assert row["state"] == "live", f"seed {seed}"
        recorded = {made["key"] for made in row.get("renditions", {}).values()}
        known = {ORIGINAL.key, *recorded, *row.get("renditionKeys", ())}
        assert {ORIGINAL.key, *recorded} <= world.files(), f"seed {seed}"
        assert world.files() <= known | left_by_the_killed(deaths), f"seed {seed}"
        await world.clear()


@pytest.mark.parametrize("deaths", [0, 2])
async def test_a_document_erased_while_it_is_stored_and_rendered_leaves_nothing(world: World, deaths: int) -> None:
    for seed in range(ROUNDS):
        await announced(world, "m1")
        turns = Turns(seed, deaths=deaths)

        await turns.play(
            [
                partial(world.actor(turns.step).erase, "m1"),
                partial(world.actor(turns.step).store_it, "m1"),
                world.actor(turns.step).render,
            ]
        )
        await finished(world)

        assert await world.rows() == [], f"seed {seed}"
        assert world.files() <= left_by_the_killed(deaths), f"seed {seed}"
        await world.clear()


def left_by_the_killed(deaths: int) -> set[str]:
    """Whoever is killed between a file and its row, while the row goes: `make storage-prune` finds it."""
    return {ORIGINAL.key, THUMB.key} if deaths else set()


async def finished(world: World) -> None:
    """What the ingestor's round finishes later."""
    world.clock.by = 2 * UNFINISHED
    while await world.actor().release.resume():
        pass
    world.clock.by = timedelta()
