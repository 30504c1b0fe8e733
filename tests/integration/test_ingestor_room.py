"""A disk that runs full, a real one: a small tmpfs as STORAGE_URL. Nothing is taken, nothing is burned, and it goes on
by itself."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr

import ingestor.app
import ingestor.settings
from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST
from shared.clock import system_clock
from shared.events import MediaReceived
from shared.media import Attachment, MediaStatus
from shared.repository.messages import MessageRepository
from shared.repository.mongo import connect
from tests import images
from tests.amqp import onlooker, running_broker, until
from tests.builders import make_media_received
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, Kind, Simulator
from whatsapp_simulator.faults import Fault, FaultName, Step

Client = TestClient[web.Request, web.Application]
MIB = 1024 * 1024
DISK, FLOOR = 8 * MIB, 4 * MIB

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root may mount a small file system"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True)  # noqa: S603, S607
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607


@pytest.fixture
async def meta() -> AsyncIterator[Simulator]:
    async with Simulator(app_secret="app-secret") as meta:
        yield meta


@pytest.fixture
def settings(
    meta: Simulator, broker_url: str, mongodb_uri: str, mongodb_database: str, disk: Path
) -> ingestor.settings.Settings:
    return ingestor.settings.Settings(
        rabbitmq_url=SecretStr(broker_url),
        mongodb_uri=SecretStr(mongodb_uri),
        mongodb_database=mongodb_database,
        storage_url=str(disk / "uploads"),
        whatsapp_graph_url=meta.base_url,
        whatsapp_access_token=SecretStr(DEMO_ACCESS_TOKEN),
        whatsapp_phone_number_id=DEMO_NUMBER.phone_number_id,
        credentials_encryption_key=(SecretStr(Fernet.generate_key().decode()),),
        media_retry_delays=(1,),
        reconcile_seconds=1,
        storage_min_free_bytes=FLOOR,
    )


@pytest.fixture
async def messages(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[MessageRepository]:
    client = connect(SecretStr(mongodb_uri))
    yield MessageRepository(client[mongodb_database])
    client.close()


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(broker_url, INGEST.queues()) as broker:
        yield broker


def fill(disk: Path) -> Path:
    """A file that leaves less than the floor."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(DISK - FLOOR + MIB))
    return ballast


def announced(meta: Simulator, number: int, *faults: Fault) -> MediaReceived:
    media = meta.add_media(images.jpeg(64 + number, 48), kind=Kind.IMAGE, mime_type="image/jpeg", faults=list(faults))
    now = system_clock()
    return make_media_received(
        phone_number_id=DEMO_NUMBER.phone_number_id,
        message_id=f"wamid.{number}",
        provider_media_id=media.id,
        sent_at=now,
        received_at=now,
    )


async def stored(messages: MessageRepository, event: MediaReceived) -> Attachment | None:
    found = await messages.get(event.media_id)
    return found if found is not None and found.media.status is MediaStatus.STORED else None


async def is_stored(messages: MessageRepository, event: MediaReceived) -> bool:
    return await stored(messages, event) is not None


async def is_registered(messages: MessageRepository, event: MediaReceived) -> bool:
    return await messages.get(event.media_id) is not None


async def waits(broker: Broker, count: int) -> bool:
    return await broker.message_count(INGEST.name) == count


async def storage_problem(client: Client) -> str | None:
    async with client.get("/readyz") as response:
        checks = (await response.json())["checks"]
        storage: dict[str, str] = checks["storage"]
        assert (response.status == 200) == all(check["ok"] for check in checks.values())
        return storage.get("error")


async def test_a_full_disk_at_start_takes_nothing_until_there_is_room(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository, broker: Broker, disk: Path
) -> None:
    ballast, event = fill(disk), announced(meta, 1)
    await Publisher(broker).publish([event], correlation_id="abc")
    async with TestClient(TestServer(ingestor.app.build_app(settings))) as client:
        await until(lambda: only_storage_is_wrong(client))
        problem = await storage_problem(client)
        assert problem is not None
        assert str(FLOOR) in problem
        assert "STORAGE_MIN_FREE_BYTES" in problem
        assert "larger disk" in problem
        assert await waits(broker, 1), "it stays where it is safe"
        assert await messages.get(event.media_id) is None

        ballast.unlink()
        await until(lambda: is_stored(messages, event))
        assert await storage_problem(client) is None

    ended = await stored(messages, event)
    assert ended is not None
    assert ended.media.attempts == 1


async def only_storage_is_wrong(client: Client) -> bool:
    async with client.get("/readyz") as response:
        checks = (await response.json())["checks"]
        return [name for name, check in checks.items() if not check["ok"]] == ["storage"]


async def test_what_is_in_hand_ends_well_while_what_comes_later_waits_for_room(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository, broker: Broker, disk: Path
) -> None:
    slow = Fault(name=FaultName.SLOW, at=Step.DOWNLOAD, delay_seconds=2.5)
    in_hand, later = announced(meta, 1, slow), announced(meta, 2)
    async with TestClient(TestServer(ingestor.app.build_app(settings))) as client:
        await Publisher(broker).publish([in_hand], correlation_id="abc")
        await until(lambda: is_registered(messages, in_hand))
        await until(lambda: download_begun(meta))

        ballast = fill(disk)
        await until(lambda: only_storage_is_wrong(client))
        await until(lambda: nobody_takes(settings.rabbitmq_url.get_secret_value()))
        await Publisher(broker).publish([later], correlation_id="abc")
        await until(lambda: is_stored(messages, in_hand))
        assert await waits(broker, 1)
        assert await messages.get(later.media_id) is None

        ballast.unlink()
        await until(lambda: is_stored(messages, later))
        await until(lambda: waits(broker, 0))
        assert await storage_problem(client) is None

    ended = [await stored(messages, event) for event in (in_hand, later)]
    assert [each.media.attempts for each in ended if each is not None] == [1, 1]


async def nobody_takes(broker_url: str) -> bool:
    async with onlooker(broker_url) as outside:
        queue = await outside.channel.declare_queue(INGEST.name, passive=True)
        return queue.declaration_result.consumer_count == 0


async def download_begun(meta: Simulator) -> bool:
    return meta.requests.metadata() > 0
