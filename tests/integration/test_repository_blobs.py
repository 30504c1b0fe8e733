"""What is known of bytes, and that nobody refers to bytes that are being deleted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from shared.clock import system_clock
from shared.errors import StorageUnavailable
from shared.media import Facts
from shared.repository.blobs import Blob, BlobRendition, BlobRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from tests.builders import SHA256, make_rendition

KEY = f"incoming/12/{SHA256}.jpg"


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def blobs(database: Database) -> BlobRepository:
    return BlobRepository(database)


async def reserve(blobs: BlobRepository, key: str = KEY) -> Blob:
    return await blobs.reserve(SHA256, key=key, size_bytes=10, mime_type="image/jpeg")


async def test_what_nobody_wrote_is_unknown(blobs: BlobRepository) -> None:
    assert await blobs.use(SHA256) is None


async def test_what_is_reserved_is_found(blobs: BlobRepository) -> None:
    reserved = await reserve(blobs)

    found = await blobs.use(SHA256)

    assert found is not None
    assert (found.id, found.key, found.size_bytes, found.mime_type) == (SHA256, KEY, 10, "image/jpeg")
    assert found.used_at >= reserved.used_at
    assert abs(found.used_at - system_clock()) < timedelta(minutes=1)


async def test_the_first_place_stays_the_place(blobs: BlobRepository) -> None:
    await reserve(blobs)

    again = await reserve(blobs, f"outbound/12/{SHA256}.jpg")

    assert again.key == KEY


async def test_many_may_reserve_at_once(blobs: BlobRepository, database: Database) -> None:
    reserved = await asyncio.gather(*(reserve(blobs) for _ in range(20)))

    assert {blob.key for blob in reserved} == {KEY}
    assert await database["blobs"].count_documents({}) == 1


async def test_bytes_that_are_being_deleted_are_not_referred_to(blobs: BlobRepository, database: Database) -> None:
    await reserve(blobs)
    await database["blobs"].update_one({"_id": SHA256}, {"$set": {"state": "deleting"}})

    with pytest.raises(StorageUnavailable):
        await blobs.use(SHA256)
    with pytest.raises(StorageUnavailable):
        await reserve(blobs)

    assert await database["blobs"].count_documents({"state": "deleting"}) == 1


async def test_what_rendering_made_is_kept_for_the_next_document(blobs: BlobRepository) -> None:
    reserved = await reserve(blobs)
    thumb = BlobRendition(**make_rendition().model_dump(), recipe=1)
    preview = thumb.model_copy(update={"recipe": 2})

    await blobs.rendered(reserved, facts=Facts(width=4, height=3), facts_recipe=1, renditions={"thumb": thumb})
    await blobs.rendered(reserved, facts=Facts(width=4, height=3), facts_recipe=1, renditions={"preview": preview})

    found = await blobs.use(SHA256)
    assert found is not None
    assert found.renditions == {"thumb": thumb, "preview": preview}
    assert found.facts == Facts(width=4, height=3)


async def test_crashes_are_counted(blobs: BlobRepository) -> None:
    await reserve(blobs)

    assert [await blobs.crashed(SHA256) for _ in range(3)] == [1, 2, 3]
    assert await blobs.crashed("0" * 64) == 0


async def test_crashes_are_forgiven(blobs: BlobRepository) -> None:
    await reserve(blobs)
    await blobs.crashed(SHA256)

    await blobs.forgive(SHA256)
    await blobs.forgive("0" * 64)  # nothing to forgive is no error

    assert await blobs.crashed(SHA256) == 1
