"""A file that took decoders down is left alone until a person asks, in whichever way, and then it is tried again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr

from media_server.app import build_app
from shared.broker.topology import INGEST, PREVIEW
from shared.errors import ErrorCode
from shared.media import FailureStage, MediaStatus, Storage
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import MOST_CRASHES, BlobRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from tests.amqp import running_broker, until
from tests.builders import make_attachment, make_failure, make_media, make_media_stored, make_original
from tests.letters import letter, new_pile
from tests.unit.media_server.server import ADMIN, OPERATOR, authorization, make_settings

ATTACHE = Path(sys.executable).with_name("attache")
ORIGINAL = make_original()
MEDIA_ID = "mcrashes"


@dataclass(frozen=True, kw_only=True)
class World:
    """One attachment whose file took as many decoders down as are given to it, and its dead letter."""

    database: Database
    environment: dict[str, str]
    folder: Path

    async def attache(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            ATTACHE, *arguments, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _, told = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, told.decode()

    async def api(self, path: str, *, token: str = OPERATOR, **body: object) -> None:
        settings = make_settings(
            storage_url=str(self.folder),
            mongodb_uri=self.environment["MONGODB_URI"],
            mongodb_database=self.environment["MONGODB_DATABASE"],
            rabbitmq_url=self.environment["RABBITMQ_URL"],
        )
        async with TestClient(TestServer(build_app(settings)), headers=authorization(token)) as client:

            async def ready() -> bool:
                async with client.get("/readyz") as response:
                    return response.status == 200

            await until(ready)
            async with client.post(path, json=body) as response:
                assert response.status < 300, await response.text()

    async def crashes(self) -> int:
        row = await BlobRows(self.database).get(ORIGINAL.sha256)
        assert row is not None
        return row.crashes


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database, blobs = client[mongodb_database], BlobRepository(client[mongodb_database])
    failure = make_failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_CRASHED)
    media = make_media(status=MediaStatus.FAILED, storage=Storage(original=ORIGINAL), failure=failure)
    attachment = make_attachment(id=MEDIA_ID, media=media)
    assert await MessageRepository(database).insert(attachment)
    await blobs.reserve(ORIGINAL.sha256, key=ORIGINAL.key, size_bytes=10, mime_type="image/jpeg")
    for _ in range(MOST_CRASHES):
        await blobs.crashed(ORIGINAL.sha256)
    async with (
        running_broker(broker_url, [*PREVIEW.queues(), *INGEST.queues()]),
        await aio_pika.connect(broker_url) as connection,
    ):
        pile = await new_pile(connection)
        buried = letter(PREVIEW, id="letter", event=make_media_stored(attachment), code=ErrorCode.PREVIEW_CRASHED)
        await pile.put(PREVIEW.dead_letters, [buried])
        yield World(
            database=database,
            folder=tmp_path,
            environment={
                "PATH": os.environ["PATH"],
                "MONGODB_URI": mongodb_uri,
                "MONGODB_DATABASE": mongodb_database,
                "RABBITMQ_URL": broker_url,
                "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            },
        )
    client.close()


WAYS: dict[str, Callable[[World], Awaitable[None]]] = {
    "retry button": lambda world: world.api(f"/api/messages/{MEDIA_ID}/retry"),
    "replay by HTTP": lambda world: world.api("/api/dead-letters/replay", token=ADMIN),
    "retry": lambda world: world.attache("retry", MEDIA_ID),
    "retry-failed": lambda world: world.attache("retry-failed"),
    "dlq replay": lambda world: world.attache("dlq", "replay"),
}
"""`previews rebuild --failed`: test_cli_previews.py."""


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_asks_again_has_a_decoder_started_again(world: World, way: str) -> None:
    assert await world.crashes() == MOST_CRASHES

    await WAYS[way](world)

    assert await world.crashes() == 0
    document = await MessageRepository(world.database).get(MEDIA_ID)
    assert document is not None
    assert document.media.status is MediaStatus.STORED
