"""What one service alone shows of sections 1 and 4: seeding, loud warnings, the form of its log."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.fernet import Fernet
from pymongo import MongoClient

from tests.contract.overheard import until
from tests.contract.processes import ServiceProcess, closed_port, service

NUMBER = "509900000000001"
FIRST_TOKEN, LATER_TOKEN = "EAAGfirstAccessToken0001", "EAAGlaterAccessToken0002"


@dataclass(frozen=True, kw_only=True)
class Seeding:
    """The settings of an ingestor without a broker, and its database."""

    environment: dict[str, str]
    folder: Path

    @asynccontextmanager
    async def started(self, **changed: str) -> AsyncIterator[ServiceProcess]:
        """The ingestor, once it has its database."""
        async with service("ingestor", self.environment | changed, self.folder) as process:
            await until(lambda: _has(process, "database.ready"))
            yield process

    def instance(self) -> dict[str, Any]:
        """The document of the number."""
        with MongoClient[dict[str, Any]](self.environment["MONGODB_URI"]) as client:
            found = client[self.environment["MONGODB_DATABASE"]]["whatsapp_instances"].find_one({"_id": NUMBER})
        assert found is not None
        return found


async def _has(process: ServiceProcess, event: str) -> bool:
    return any(entry["event"] == event for entry in process.log_entries())


def warnings_of(process: ServiceProcess) -> list[str]:
    return [json.dumps(entry) for entry in process.log_entries() if entry["level"] == "warning"]


@pytest.fixture
def seeding(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> Seeding:
    return Seeding(
        environment={
            "RABBITMQ_URL": f"amqp://somebody:pa55word@127.0.0.1:{closed_port()}/",
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": mongodb_database,
            "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "WHATSAPP_ACCESS_TOKEN": FIRST_TOKEN,
            "WHATSAPP_PHONE_NUMBER_ID": NUMBER,
        },
        folder=tmp_path,
    )


async def test_the_default_instance_is_seeded_encrypted_and_a_token_that_differs_later_is_one_warning(
    seeding: Seeding,
) -> None:
    async with seeding.started() as process:
        told_at_first = [line for line in warnings_of(process) if "make instance-set" in line]
    seeded = seeding.instance()
    async with seeding.started(WHATSAPP_ACCESS_TOKEN=LATER_TOKEN) as process:
        told_later = [line for line in warnings_of(process) if "make instance-set" in line]

    assert told_at_first == []
    assert seeded["isDefault"] is True
    assert FIRST_TOKEN not in str(seeded)
    cipher = Fernet(seeding.environment["CREDENTIALS_ENCRYPTION_KEY"])
    assert cipher.decrypt(seeded["accessToken"]).decode() == FIRST_TOKEN
    assert len(told_later) == 1
    assert LATER_TOKEN not in str(told_later)
    assert seeding.instance() == seeded, "the stored one counts"


async def test_plain_http_to_another_host_is_allowed_when_asked_for_and_logged_loudly(seeding: Seeding) -> None:
    plain = {"WHATSAPP_GRAPH_URL": "http://graph.example", "WHATSAPP_ALLOW_HTTP_GRAPH": "true"}

    async with seeding.started(**plain) as process:
        assert any("plain_http" in line for line in warnings_of(process))

    # and the log is JSON on standard output, as that is no terminal
    assert all({"event", "level", "timestamp", "service", "correlationId"} <= set(e) for e in process.log_entries())
    assert process.stderr.read_text() == ""


async def test_counters_that_alerts_watch_are_there_before_the_first_event(seeding: Seeding, tmp_path: Path) -> None:
    """An increase is seen only from what was there before."""
    webhooks = ("accepted", "ignored", "parked", "unavailable", "unauthorized", "too_large", "incomplete")
    kinds = ("image", "video", "audio", "voice", "document", "sticker")
    gateway = {
        "RABBITMQ_URL": seeding.environment["RABBITMQ_URL"],
        "WHATSAPP_APP_SECRET": "an-app-secret",
        "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
    }

    async with service("webhook_gateway", gateway, tmp_path) as process:
        told = await metrics_of(process)
    async with seeding.started() as process:
        told |= await metrics_of(process)

    assert {
        *(f'attache_webhooks_total{{outcome="{outcome}"}} 0.0' for outcome in webhooks),
        *(f'attache_signature_errors_total{{reason="{each}"}} 0.0' for each in ("missing", "malformed", "mismatch")),
        *(
            f'attache_media_updates_total{{code="",kind="{kind}",service="webhook-gateway",status="pending"}} 0.0'
            for kind in kinds
        ),
        *(
            f'attache_ingest_results_total{{attempt="{attempt}",outcome="{outcome}"}} 0.0'
            for outcome in ("stored", "linked", "skipped", "failed")
            for attempt in ("first", "later")
        ),
    } <= told


async def metrics_of(process: ServiceProcess) -> set[str]:
    """The lines of its metrics."""
    async with aiohttp.ClientSession(process.url) as client, client.get("/metrics") as response:
        return set((await response.text()).splitlines())


async def test_log_format_console_is_for_people_and_log_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    environment = {
        "RABBITMQ_URL": f"amqp://somebody:pa55word@127.0.0.1:{closed_port()}/",
        "WHATSAPP_APP_SECRET": "an-app-secret",
        "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "warning",
    }
    async with (
        service("webhook_gateway", environment, tmp_path) as process,
        aiohttp.ClientSession(process.url) as client,
        client.get("/webhooks/whatsapp") as response,
    ):
        assert response.status == 403
        written = process.stdout.read_text()

    assert "webhook.verification_refused" in written
    assert "service.starting" not in written, "that is info"
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(written.splitlines()[0])
