"""`attache doctor` when servers are away, refuse, are blocked or hang: it says so in time, and ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.clock import system_clock
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from tests.alarms import memory_alarm
from tests.amqp import Link
from tests.contract.processes import closed_port
from tests.doctors import examined
from tests.infrastructure import TestServers, fresh_broker
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, Simulator

_MOST_SECONDS = 10.0
NUMBER = DEMO_NUMBER.phone_number_id


@pytest_asyncio.fixture
async def settings(
    broker_url: str, mongodb_uri: str, mongodb_database: str, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """Servers and Meta, but no service: each of those is away."""
    (tmp_path / "uploads").mkdir()
    async with Simulator(app_secret="app-secret", access_token=DEMO_ACCESS_TOKEN) as meta:
        yield {
            "RABBITMQ_URL": broker_url,
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": mongodb_database,
            "STORAGE_URL": str(tmp_path / "uploads"),
            "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "WHATSAPP_GRAPH_URL": meta.base_url,
        } | {
            f"{name}_URL": f"http://127.0.0.1:{closed_port()}"
            for name in ("WEBHOOK_GATEWAY", "INGESTOR", "PREVIEWER", "MEDIA_SERVER")
        }


@pytest_asyncio.fixture
async def database(settings: dict[str, str]) -> AsyncIterator[Database]:
    client = connect(SecretStr(settings["MONGODB_URI"]))
    yield client[settings["MONGODB_DATABASE"]]
    client.close()


async def test_a_broker_that_is_away_is_told_once(settings: dict[str, str], tmp_path: Path) -> None:
    away = settings | {"RABBITMQ_URL": f"amqp://someone:hunter2@127.0.0.1:{closed_port()}/"}

    report = await examined(away, folder=tmp_path)

    assert report.code == 1
    assert "start RabbitMQ, or correct RABBITMQ_URL" in report.wrong()["broker"]
    assert "see broker" in report.warnings()["queues"]
    assert "hunter2" not in report.stdout + report.stderr


async def test_a_database_that_is_away_is_told_once(settings: dict[str, str], tmp_path: Path) -> None:
    away = settings | {"MONGODB_URI": f"mongodb://someone:hunter2@127.0.0.1:{closed_port()}"}

    started = time.monotonic()
    report = await examined(away, folder=tmp_path)

    assert time.monotonic() - started < _MOST_SECONDS
    assert "start MongoDB" in report.wrong()["database"]
    for name in ("indexes", "attachments", "files", "keys", "tokens"):
        assert "see database" in report.warnings()[name]
    assert "hunter2" not in report.stdout + report.stderr


async def test_a_refused_password_is_told(settings: dict[str, str], tmp_path: Path) -> None:
    broker = urlsplit(settings["RABBITMQ_URL"])
    refused = broker._replace(netloc=f"guest:hunter2@{broker.hostname}:{broker.port}").geturl()

    report = await examined(settings | {"RABBITMQ_URL": refused}, folder=tmp_path)

    assert "refuses user or password" in report.wrong()["broker"]
    assert "hunter2" not in report.stdout + report.stderr


async def test_servers_that_hang_do_not_hang_the_doctor(settings: dict[str, str], tmp_path: Path) -> None:
    """Connections are taken, and nothing is ever answered."""

    taken: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    names = ("WEBHOOK_GATEWAY", "INGESTOR", "PREVIEWER", "MEDIA_SERVER", "WHATSAPP_GRAPH")
    hanging = settings | {f"{name}_URL": f"http://127.0.0.1:{port}" for name in names}
    hanging |= {
        "RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{port}/",
        "MONGODB_URI": f"mongodb://127.0.0.1:{port}",
    }

    started = time.monotonic()
    report = await examined(hanging, folder=tmp_path)

    assert time.monotonic() - started < _MOST_SECONDS
    assert report.code == 1
    assert {"broker", "database", "ingestor", "links"} <= report.wrong().keys()
    listening.close()
    for writer in taken:
        writer.transport.abort()
    await listening.wait_closed()


async def test_servers_that_stop_in_the_middle_do_not_hang_the_doctor(settings: dict[str, str], tmp_path: Path) -> None:
    async with Link(settings["MONGODB_URI"]) as database:
        database.freeze()
        started = time.monotonic()

        report = await examined(settings | {"MONGODB_URI": database.url}, folder=tmp_path)

        assert time.monotonic() - started < _MOST_SECONDS
    assert "MongoDB" in report.wrong()["database"]


async def test_a_service_that_is_not_ready_says_why(settings: dict[str, str], tmp_path: Path) -> None:
    """What stands in `/readyz` is what the doctor says."""

    async def readyz(_: web.Request) -> web.Response:
        checks = {
            "storage": {"ok": False, "error": "104857600 bytes are free, less than the floor"},
            "rabbitmq": {"ok": True},
        }
        return web.json_response({"status": "not_ready", "checks": checks}, status=503)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"

    report = await examined(settings | {"INGESTOR_URL": address, "PREVIEWER_URL": f"{address}/other"}, folder=tmp_path)

    await runner.cleanup()
    assert "not ready: storage: 104857600 bytes are free" in report.wrong()["ingestor"]
    assert "no service of Attache" in report.wrong()["previewer"]


async def test_a_broker_with_its_alarm_raised_takes_no_messages(
    own_servers: TestServers, settings: dict[str, str], tmp_path: Path
) -> None:
    with fresh_broker(own_servers) as url:
        async with memory_alarm(own_servers):
            report = await examined(settings | {"RABBITMQ_URL": url}, folder=tmp_path)

    assert "memory or disk alarm" in report.wrong()["broker"]
    assert "rabbitmq-diagnostics alarms" in report.wrong()["broker"]


async def test_nothing_is_changed_by_looking(settings: dict[str, str], mongodb_uri: str, tmp_path: Path) -> None:
    """On empty servers: no queue, no collection, no file is made."""
    first = await examined(settings, folder=tmp_path)
    second = await examined(settings, folder=tmp_path)

    assert "not there: the exchange media.events" in first.wrong()["queues"]
    assert second.wrong()["queues"] == first.wrong()["queues"]
    assert second.wrong()["indexes"] == first.wrong()["indexes"]
    assert [*(tmp_path / "uploads").iterdir()] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RABBITMQ_URL", "http://127.0.0.1"),
        ("INGESTOR_URL", "ingestor:8082"),
        ("WHATSAPP_GRAPH_URL", "http://graph.example"),
        ("MONGODB_URI", "mongodb://someone:hunter2%zz@127.0.0.1"),
        ("MEDIA_SERVER_URL", "http://someone:hunter2@127.0.0.1:8081"),
        ("PUBLIC_URL", "http://127.0.0.1:8081?t=hunter2"),
        ("RABBITMQ_MANAGEMENT_URL", "http://someone:hunter2#@127.0.0.1:15672"),
        ("CREDENTIALS_ENCRYPTION_KEY", "hunter2"),
    ],
)
async def test_wrong_settings_end_with_2(settings: dict[str, str], tmp_path: Path, name: str, value: str) -> None:
    report = await examined(settings | {name: value}, folder=tmp_path)

    assert (report.code, report.stdout) == (2, "")
    assert name in report.stderr
    assert "hunter2" not in report.stderr


async def test_plain_http_to_meta_in_dotenv_ends_with_2_too(settings: dict[str, str], tmp_path: Path) -> None:
    del settings["WHATSAPP_GRAPH_URL"]
    (tmp_path / ".env").write_text("WHATSAPP_GRAPH_URL=http://graph.example\n")

    report = await examined(settings, folder=tmp_path)

    assert report.code == 2
    assert "WHATSAPP_GRAPH_URL" in report.stderr


async def test_a_settings_file_that_everybody_can_read_is_a_warning(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=info\n")
    (tmp_path / ".env").chmod(0o644)

    report = await examined(settings, folder=tmp_path)

    assert "chmod 600 .env" in report.warnings()["settings"]


async def test_an_index_that_compares_otherwise_or_is_hidden_is_named(
    settings: dict[str, str], database: Database, tmp_path: Path
) -> None:
    await ensure_indexes(database)
    await database["messages"].drop_index("messageId_1")
    await database["messages"].create_index("messageId", collation={"locale": "en", "strength": 1})
    await database.command({"collMod": "blobs", "index": {"name": "usedAt_1", "hidden": True}})

    report = await examined(settings, folder=tmp_path)

    assert "messages.messageId_1 is another one than wanted (collation)" in report.wrong()["indexes"]
    assert "blobs.usedAt_1 is another one than wanted (hidden)" in report.wrong()["indexes"]


async def test_only_tokens_that_meta_was_asked_about_count(
    settings: dict[str, str], database: Database, tmp_path: Path
) -> None:
    ours = InstanceRepository(database, [SecretStr(settings["CREDENTIALS_ENCRYPTION_KEY"])])
    theirs = InstanceRepository(database, [SecretStr(Fernet.generate_key().decode())])
    await theirs.save("1", display_name="x", access_token=SecretStr("EAAlost"), is_default=False)

    unasked = await examined(settings, folder=tmp_path)

    assert "Meta takes" not in unasked.says("tokens")
    assert "the access token of number 1 cannot be read" in unasked.warnings()["tokens"]

    token = SecretStr(DEMO_ACCESS_TOKEN)
    await ours.save(NUMBER, display_name="x", access_token=token, is_default=True)
    await database["whatsapp_instances"].insert_one({"_id": "2", "displayName": "no token"})
    saved = await ours.save("3", display_name="x", access_token=token, is_default=False)
    await database["whatsapp_instances"].update_one({"_id": saved.id}, {"$unset": {"version": ""}})

    asked = await examined(settings, folder=tmp_path)

    assert "Meta takes the access token of 1 of 4 numbers" in asked.says("tokens")
    assert "number 2 cannot be read" in asked.warnings()["tokens"]
    assert "the row of number 3 is incomplete" in asked.warnings()["tokens"]
    assert "number 2" not in asked.says("keys")


async def test_a_restore_that_was_cut_off_is_named(
    settings: dict[str, str], database: Database, tmp_path: Path
) -> None:
    now = system_clock()
    mark = {"_id": "restore", "backup": "b1", "replace": True, "beganAt": now, "seenAt": now, "owner": None}
    await database["restores"].insert_one(mark | {"phase": "documents"})
    assert "documents are missing" in (report := await examined(settings, folder=tmp_path)).wrong()["restore"]
    assert "make restore FROM=<folder>" in report.wrong()["restore"]

    await database["restores"].update_one({}, {"$set": {"phase": "files"}})
    assert "was cut off" in (await examined(settings, folder=tmp_path)).warnings()["restore"]


async def test_what_nobody_looked_at_has_no_tick(settings: dict[str, str], tmp_path: Path) -> None:
    report = await examined(settings, folder=tmp_path)

    assert [check["verdict"] for check in report.checks if check["name"] == "bindings"] == ["skipped"]
    assert "has no attachments; the media-server could not be asked" in report.warnings()["attachments"]
