"""The previewer is stopped while it makes a preview: the file is not to blame, and nothing is lost."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from previewer.handler import PreviewHandler
from previewer.render_missing import RenderMissing
from previewer.sandbox import Sandbox
from shared.broker.consumer import Consumer
from shared.broker.publisher import Publisher
from shared.broker.retry import RetryPolicy
from shared.broker.topology import PREVIEW
from shared.clock import system_clock
from shared.events import MediaStored
from shared.keys import Folder, original_key
from shared.media import Attachment, MediaStatus, Storage
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from shared.storage.filesystem import FilesystemStore
from shared.updates import Announcer
from tests import images
from tests.amqp import running_broker, until
from tests.builders import make_attachment, make_media, make_media_stored, make_original

SLOW = images.animated_noise(60)


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    yield client[mongodb_database]
    client.close()


async def test_what_is_being_rendered_when_it_stops_is_rendered_by_the_next(
    database: Database, broker_url: str, tmp_path: Path
) -> None:
    attachment = await stored(database, tmp_path)
    async with running_broker(broker_url, PREVIEW.queues((5,))) as broker:
        await Publisher(broker).publish([make_media_stored(attachment)], correlation_id="abc")

    await work(database, broker_url, tmp_path, until_started=True)

    media = (await now(database)).media
    row = await database["blobs"].find_one({})
    assert (media.status, media.failure, media.next_attempt_at) == (MediaStatus.STORED, None, None)
    assert row is not None
    assert row["crashes"] == 0
    assert [*(tmp_path / ".incomplete").iterdir()] == []
    await work(database, broker_url, tmp_path, until_started=False)
    assert (await now(database)).media.status is MediaStatus.READY


async def work(database: Database, broker_url: str, folder: Path, *, until_started: bool) -> None:
    """One life of a previewer, put together and taken apart as the service does."""
    store, policy = FilesystemStore(folder), RetryPolicy(delays=(5,))
    sandbox = Sandbox(workers=1, place=store.workspace)
    await sandbox.start()
    async with running_broker(broker_url, PREVIEW.queues((5,))) as broker:
        publisher = Publisher(broker)
        announcer = Announcer(publisher, service="previewer")
        consumer = Consumer(
            broker=broker,
            publisher=publisher,
            queue=PREVIEW,
            event_type=MediaStored,
            handler=PreviewHandler(
                messages=MessageRepository(database),
                render_missing=RenderMissing(blobs=BlobRepository(database), store=store, sandbox=sandbox),
                release=Release(database=database, store=store, clock=system_clock),
                announcer=announcer,
                policy=policy,
                clock=system_clock,
            ),
            policy=policy,
            prefetch=16,
            service="previewer",
        )
        await consumer.start()

        async def started() -> bool:
            return bool(sandbox._running)

        async def ready() -> bool:
            return (await now(database)).media.status is MediaStatus.READY

        await until(started if until_started else ready)
        await consumer.stop(grace_seconds=0)
        await announcer.drain()
    await asyncio.wait_for(sandbox.close(), 10)


async def stored(database: Database, folder: Path) -> Attachment:
    sha256 = hashlib.sha256(SLOW).hexdigest()
    key = original_key(Folder.INCOMING, sha256=sha256, extension="webp")
    await BlobRepository(database).reserve(sha256, key=key, size_bytes=len(SLOW), mime_type="image/webp")
    (folder / key).parent.mkdir(parents=True)
    (folder / key).write_bytes(SLOW)
    original = make_original(key=key, mime_type="image/webp", size_bytes=len(SLOW), sha256=sha256)
    media = make_media(status=MediaStatus.STORED, storage=Storage(original=original))
    change = await MessageRepository(database).insert(make_attachment(id="m1", media=media))
    assert change is not None
    return change.attachment


async def now(database: Database) -> Attachment:
    found = await MessageRepository(database).get("m1")
    assert found is not None
    return found
