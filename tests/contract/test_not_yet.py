"""What the contract promises and this version does not have: really absent, so that this table cannot rot.

A row that fails here has arrived: remove it, and add what the contract says of it to the tests of its section.
"""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from shared.cli import app
from tests.contract.recorded_run import Run, scraped
from tests.e2e.world import World

ROOT = Path(__file__).parents[2]
STEP_3 = "step 3: nothing is lost (dead letters, healing, pressure, deletion)"
STEP_4 = "step 4: operations"
LATER = "a step after 5"

NOT_YET_ROUTES = (
    ("GET", "/", LATER),
    ("POST", "/api/session", LATER),
    ("DELETE", "/api/session", LATER),
    ("POST", "/api/conversations/{conversation}/uploads", LATER),
    ("GET", "/api/whatsapp-instances", STEP_3),
    ("GET", "/api/whatsapp-instances/{number}", STEP_3),
    ("PUT", "/api/whatsapp-instances/{number}", STEP_3),
    ("DELETE", "/api/whatsapp-instances/{number}", STEP_3),
    ("POST", "/api/whatsapp-instances/{number}/verify", STEP_3),
    ("GET", "/api/dead-letters", STEP_3),
    ("POST", "/api/dead-letters/replay", STEP_3),
    ("DELETE", "/api/dead-letters", STEP_3),
)
NOT_YET_METRICS = (
    ("attache_instance_healthy", STEP_3),
    ("attache_media_at_risk", STEP_3),
)
NOT_YET_SETTINGS = (
    ("ingestor", "STORAGE_MIN_FREE_BYTES", STEP_3),
    ("ingestor", "WHATSAPP_ON_REVOKE", STEP_3),
    ("webhook_gateway", "WHATSAPP_ON_REVOKE", STEP_3),
)
NOT_YET_EVENTS = (("instance.updated", STEP_3),)
NOT_YET_COMMANDS = (
    ("dlq-replay", STEP_3),
    ("dlq-purge", STEP_3),
    ("retry", STEP_3),
    ("retry-failed", STEP_3),
    ("storage-prune", STEP_4),
)
NOT_YET_TARGETS = (
    ("dlq-replay", STEP_3),
    ("dlq-purge", STEP_3),
    ("retry", STEP_3),
    ("retry-failed", STEP_3),
    ("storage-prune", STEP_4),
    ("up", STEP_4),
    ("down", STEP_4),
)
NOT_YET_FILES = (("docs/asyncapi.yaml", LATER),)
NOT_YET_STORAGE = (("s3", LATER), ("gs", LATER), ("az", LATER))
"""`test_settings.py` shows that these stop a service with exit code 2."""


@pytest.mark.parametrize(("method", "path", "step"), NOT_YET_ROUTES)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_route_that_does_not_exist_yet_answers_404(run: Run, method: str, path: str, step: str) -> None:
    world = run.world
    filled = path.replace("{number}", run.phone_number_id).replace(
        "{conversation}", run.document("ready")["conversationId"]
    )
    headers = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}

    async with aiohttp.ClientSession(world.stack.url("media-server"), headers=headers) as admin:
        async with admin.request(method, filled) as response:
            assert response.status == 404, f"arrived ({step})"
        async with admin.get("/api/openapi.json") as response:
            described = [re.sub(r"{\w+}", "{}", each) for each in (await response.json())["paths"]]
    assert re.sub(r"{\w+}", "{}", path) not in described


@pytest.mark.parametrize(("name", "step"), NOT_YET_METRICS)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_metric_that_does_not_exist_yet_is_nowhere(world: World, name: str, step: str) -> None:
    exposing = [service for service in world.stack.names if name in await scraped(world, service)]

    assert exposing == [], f"arrived ({step})"


@pytest.mark.parametrize(("routing_key", "step"), NOT_YET_EVENTS)
@pytest.mark.asyncio(loop_scope="session")
async def test_an_event_that_nobody_sends_yet_is_not_sent(run: Run, routing_key: str, step: str) -> None:
    """Not even when credentials are saved, which is when it is due."""
    command = Path(sys.executable).with_name("attache")
    names = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE", "CREDENTIALS_ENCRYPTION_KEY")
    environment = {"PATH": os.environ["PATH"]} | {name: run.world.settings[name] for name in names}

    saved = subprocess.run(  # noqa: S603, ASYNC221 - our own command; it ends at once
        [command, "instance-set", "409900000000001"],
        input="EAAGaccessTokenOfNobody",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert saved.returncode == 0, saved.stderr
    assert [heard for heard in run.heard if heard.routing_key == routing_key] == [], f"arrived ({step})"


@pytest.mark.parametrize(("package", "name", "step"), NOT_YET_SETTINGS)
def test_a_setting_that_does_not_exist_yet_is_not_read(package: str, name: str, step: str) -> None:
    settings = import_module(f"{package}.settings").Settings

    assert name.lower() not in settings.model_fields, f"arrived ({step})"
    assert name not in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize(("command", "step"), NOT_YET_COMMANDS)
def test_a_command_that_does_not_exist_yet_is_unknown(command: str, step: str) -> None:
    assert CliRunner().invoke(app, [command]).exit_code == 2, f"arrived ({step})"
    assert command not in CliRunner().invoke(app, ["--help"]).output.split()


@pytest.mark.parametrize(("target", "step"), NOT_YET_TARGETS)
def test_a_make_target_that_does_not_exist_yet_is_unknown(target: str, step: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert target not in targets, f"arrived ({step})"


@pytest.mark.parametrize(("name", "step"), NOT_YET_FILES)
def test_a_document_that_does_not_exist_yet_is_absent(name: str, step: str) -> None:
    assert not (ROOT / name).exists(), f"arrived ({step})"
