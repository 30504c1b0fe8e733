"""`attache doctor` on a running Attache: nothing is wrong; then each kind of trouble, made for real, is named."""

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import aio_pika
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.media import FailureStage
from tests.builders import make_attachment, make_failure
from tests.doctors import examined, settings_of
from tests.e2e.world import World, running_world
from tests.infrastructure import TestServers
from whatsapp_simulator import DEMO_NUMBER, Simulator

NUMBER = DEMO_NUMBER.phone_number_id
WORK = "ingestor.media-received"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world that is broken and mended; with one attachment in it."""
    async with running_world(servers, tmp_path_factory.mktemp("doctor")) as world:
        message = await world.send("photo")
        assert (await world.ended(message.id))["media"]["status"] == "ready"
        yield world


@pytest.fixture
def management_url(servers: TestServers) -> str:
    return servers.rabbitmq_management_url


async def test_nothing_is_wrong_with_a_running_attache(running: World, management_url: str, tmp_path: Path) -> None:
    settings = settings_of(running, RABBITMQ_MANAGEMENT_URL=management_url)
    before = sorted(path for path in running.uploads.rglob("*"))

    report = await examined(settings, folder=tmp_path)

    assert (report.code, report.wrong(), report.warnings()) == (0, {}, {}), report.stdout + report.stderr
    assert {check["name"] for check in report.checks} == {
        *(
            "settings",
            "broker",
            "queues",
            "bindings",
            "database",
            "indexes",
            "restore",
            "attachments",
            "storage",
            "files",
        ),
        *("webhook-gateway", "ingestor", "previewer", "media-server", "clocks", "keys", "tokens", "links"),
    }
    assert "7 clocks agree" in report.says("clocks")
    assert "followed to the end" in report.says("links")
    assert sorted(path for path in running.uploads.rglob("*")) == before, "the probe is removed"


async def test_no_secret_is_printed(running: World, tmp_path: Path) -> None:
    settings = settings_of(running)

    report = await examined(settings, folder=tmp_path)

    for name in ("CREDENTIALS_ENCRYPTION_KEY", "OPERATOR_TOKEN"):
        assert settings[name] not in report.stdout + report.stderr
    assert running.settings["WHATSAPP_ACCESS_TOKEN"] not in report.stdout + report.stderr
    assert "guest:guest" not in report.stdout + report.stderr


async def test_a_queue_with_other_arguments_is_named(running: World, tmp_path: Path) -> None:
    name = f"{WORK}.retry.7s"
    async with await aio_pika.connect(running.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum", "x-message-ttl": 1})

        report = await examined(settings_of(running, MEDIA_RETRY_DELAYS="1,2,3,7"), folder=tmp_path)

        await channel.queue_delete(name)
    assert report.code == 1
    assert name in report.wrong()["queues"]
    assert "inequivalent arg" in report.wrong()["queues"]
    assert "delete it" in report.wrong()["queues"]


async def test_a_queue_that_is_not_there_is_named_and_not_made(running: World, tmp_path: Path) -> None:
    report = await examined(settings_of(running, MEDIA_RETRY_DELAYS="1,2,3,9"), folder=tmp_path)

    assert f"{WORK}.retry.9s" in report.wrong()["queues"]
    assert "MEDIA_RETRY_DELAYS" in report.wrong()["queues"]
    async with await aio_pika.connect(running.settings["RABBITMQ_URL"]) as connection:
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await (await connection.channel()).declare_queue(f"{WORK}.retry.9s", passive=True)


async def test_a_lost_binding_is_named(running: World, management_url: str, tmp_path: Path) -> None:
    async with await aio_pika.connect(running.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(WORK, ensure=False)
        await queue.unbind("media.events", "media.received")

        report = await examined(settings_of(running, RABBITMQ_MANAGEMENT_URL=management_url), folder=tmp_path)

        await queue.bind("media.events", "media.received")
    assert f"media.received does not reach {WORK}" in report.wrong()["bindings"]


async def test_dead_letters_are_a_warning_and_stay(running: World, tmp_path: Path) -> None:
    async with await aio_pika.connect(running.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        letters = f"{WORK}.dlq"
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), routing_key=letters)

        report = await examined(settings_of(running), folder=tmp_path)

        queue = await channel.declare_queue(letters, passive=True)
        await queue.purge()
    assert report.code == 0
    assert "1 dead letter" in report.warnings()["queues"]
    assert "make dlq" in report.warnings()["queues"]
    assert queue.declaration_result.message_count == 1


async def test_a_dropped_index_and_one_that_is_another_are_named(running: World, tmp_path: Path) -> None:
    collections = running.database[running.database_name]
    collections["messages"].drop_index("messageId_1")
    collections["blobs"].drop_index("wakeAt_1")
    collections["blobs"].create_index("wakeAt")

    report = await examined(settings_of(running), folder=tmp_path)

    collections["blobs"].drop_index("wakeAt_1")
    collections["blobs"].create_index("wakeAt", sparse=True)
    collections["messages"].create_index("messageId")
    assert "not there: messages.messageId_1" in report.wrong()["indexes"]
    assert "blobs.wakeAt_1 is another one" in report.wrong()["indexes"]
    assert 'dropIndex("wakeAt_1")' in report.wrong()["indexes"]
    assert (await examined(settings_of(running), folder=tmp_path)).code == 0


async def test_a_service_that_is_stopped_is_named(running: World, tmp_path: Path) -> None:
    await running.stack.terminate("previewer")

    report = await examined(settings_of(running), folder=tmp_path)

    await running.stack.start("previewer")
    assert report.code == 1
    assert "start the previewer" in report.wrong()["previewer"]
    assert "nobody works off previewer.media-stored" in report.wrong()["queues"]
    assert "ingestor" not in report.wrong()


async def test_an_address_of_another_service_is_named(running: World, tmp_path: Path) -> None:
    previewer = running.stack.url("previewer")

    report = await examined(settings_of(running, INGESTOR_URL=previewer), folder=tmp_path)

    assert f"what answers at {previewer} is the previewer" in report.wrong()["ingestor"]
    assert "INGESTOR_URL" in report.wrong()["ingestor"]
    assert "previewer" not in report.wrong()


async def test_a_database_that_is_not_the_services_is_named(running: World, tmp_path: Path) -> None:
    report = await examined(settings_of(running, MONGODB_DATABASE="another-one"), folder=tmp_path)

    assert "has no attachments, the media-server's has 1" in report.wrong()["attachments"]
    assert "MONGODB_DATABASE" in report.wrong()["attachments"]


async def test_what_meta_deletes_within_the_hour_is_wrong(running: World, tmp_path: Path) -> None:
    messages = running.database[running.database_name]["messages"]
    late = make_attachment(id="m-late").to_document()
    late["media"].update(
        status="failed",
        deadline=system_clock() + timedelta(minutes=50),
        failure=make_failure(stage=FailureStage.INGEST, code=ErrorCode.INTERNAL).to_document(),
    )
    late["media"].pop("wakeAt", None)
    messages.insert_one(late)

    report = await examined(settings_of(running), folder=tmp_path)

    messages.delete_one({"_id": "m-late"})
    assert report.code == 1
    assert "1 attachment is not stored yet, and Meta deletes them within the hour" in report.wrong()["attachments"]
    assert "make retry-failed" in report.wrong()["attachments"]


async def test_a_refused_token_is_named_by_its_number(running: World, tmp_path: Path) -> None:
    right = running.settings["WHATSAPP_ACCESS_TOKEN"]
    running.simulator.tokens.replace(NUMBER, f"{right}-replaced-at-meta")

    report = await examined(settings_of(running), folder=tmp_path)

    running.simulator.tokens.replace(NUMBER, right)
    assert NUMBER in report.wrong()["tokens"]
    assert f"make instance-set NUMBER={NUMBER}" in report.wrong()["tokens"]


async def test_a_wrong_encryption_key_is_named_and_an_older_one_is_a_warning(running: World, tmp_path: Path) -> None:
    right, other = running.settings["CREDENTIALS_ENCRYPTION_KEY"], Fernet.generate_key().decode()

    wrong = await examined(settings_of(running, CREDENTIALS_ENCRYPTION_KEY=other), folder=tmp_path)
    older = await examined(settings_of(running, CREDENTIALS_ENCRYPTION_KEY=f"{other},{right}"), folder=tmp_path)

    assert f"no listed key opens the access token of number {NUMBER}" in wrong.wrong()["keys"]
    assert older.code == 0
    assert "make reencrypt" in older.warnings()["keys"]


async def test_a_clock_that_is_off_is_named(running: World, tmp_path: Path) -> None:
    async with Simulator(app_secret="another", access_token=running.settings["WHATSAPP_ACCESS_TOKEN"]) as ahead:
        ahead.clock.advance(90)

        report = await examined(settings_of(running, WHATSAPP_GRAPH_URL=ahead.base_url), folder=tmp_path)

    assert report.code == 1
    everything = "this machine, MongoDB, webhook-gateway, ingestor, previewer, media-server"
    assert f"the clock of {everything} is 90 s behind Meta" in report.wrong()["clocks"]
    assert "time synchronisation" in report.wrong()["clocks"]


async def test_a_folder_that_is_not_the_services_is_noticed(running: World, tmp_path: Path) -> None:
    other, nowhere = tmp_path / "other", tmp_path / "nowhere"
    other.mkdir()

    empty = await examined(settings_of(running, STORAGE_URL=str(other)), folder=tmp_path)
    absent = await examined(settings_of(running, STORAGE_URL=str(nowhere)), folder=tmp_path)

    assert "newest files are not in" in empty.wrong()["files"]
    assert f"the folder {nowhere} is not there" in absent.wrong()["storage"]
    assert not nowhere.exists()


async def test_a_disk_without_enough_room_is_named(running: World, tmp_path: Path) -> None:
    report = await examined(settings_of(running, STORAGE_MIN_FREE_BYTES=str(2**59)), folder=tmp_path)

    assert "less than STORAGE_MIN_FREE_BYTES" in report.wrong()["storage"]
    assert "make storage-prune" in report.wrong()["storage"]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody can write, root included."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], capture_output=True)  # noqa: S603, S607
    if mounted.returncode != 0 or shutil.which("umount") is None:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", folder], check=True)  # noqa: S603, S607


async def test_a_folder_that_cannot_be_written_to_is_named(running: World, read_only: Path, tmp_path: Path) -> None:
    settings = settings_of(running, STORAGE_URL=str(read_only), STORAGE_MIN_FREE_BYTES="0")

    report = await examined(settings, folder=tmp_path)

    assert f"nothing can be written to {read_only}" in report.wrong()["storage"]
    assert "read-only" in report.wrong()["storage"]


async def test_links_of_other_bytes_and_a_wrong_token_are_named(running: World, tmp_path: Path) -> None:
    [original] = running.originals()
    content = original.read_bytes()
    original.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    damaged = await examined(settings_of(running), folder=tmp_path)

    original.write_bytes(content)
    refused = await examined(settings_of(running, OPERATOR_TOKEN="another-one-than-theirs"), folder=tmp_path)
    assert "not those that were stored" in damaged.wrong()["links"]
    assert "attache storage check" in damaged.wrong()["links"]
    assert "refuses OPERATOR_TOKEN" in refused.wrong()["links"]


async def test_what_is_not_given_is_said_not_to_be_checked(running: World, tmp_path: Path) -> None:
    settings = settings_of(running)
    for name in ("CREDENTIALS_ENCRYPTION_KEY", "OPERATOR_TOKEN"):
        del settings[name]

    report = await examined(settings, folder=tmp_path)

    assert report.code == 0
    assert {name: "is not set here" in text for name, text in report.warnings().items()} == {
        "keys": True,
        "tokens": True,
        "links": True,
    }
    assert "RABBITMQ_MANAGEMENT_URL is not set" in report.says("bindings")


async def test_people_get_a_table_of_80_columns(running: World, tmp_path: Path) -> None:
    started = time.monotonic()
    report = await examined(settings_of(running, OPERATOR_TOKEN="another-one-than-theirs"), folder=tmp_path, json=False)

    assert time.monotonic() - started < 10
    assert report.code == 1
    assert max(map(len, report.stdout.splitlines())) <= 80
    assert "✓  broker" in report.stdout
    assert "✗  links" in report.stdout
    assert "→ give it the value that the media-server has" in report.stdout
    assert report.stdout.rstrip().endswith("1 thing is wrong.")
