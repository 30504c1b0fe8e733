"""The runner of the services, shown with stand-ins for them."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from local_stack import Service, Stack, StartFailed, stack

_STAND_IN = """
import json, os, sys
from aiohttp import web

async def ready(request):
    return web.json_response({"status": "ready"}, status=int(os.environ.get("READY_STATUS", "200")))

async def environment(request):
    return web.json_response(dict(os.environ))

if os.environ.get("WRONG"):
    print("WRONG: not what it should be", file=sys.stderr)
    sys.exit(2)
print(json.dumps({"event": "started", "port": int(os.environ["PORT"])}))
print("not json")
app = web.Application()
app.add_routes([web.get("/readyz", ready), web.get("/environment", environment)])
web.run_app(app, host=os.environ["HOST"], port=int(os.environ["PORT"]), print=None)
"""
_SERVICES = (
    Service(name="first", module="stand_in", port=8080),
    Service(name="second", module="stand_in", port=8080),
)


async def test_services_are_ready_on_ports_of_their_own(tmp_path: Path) -> None:
    async with _stack(tmp_path) as services:
        assert services.url("first") != services.url("second")
        for name in services.names:
            assert await _status(f"{services.url(name)}/readyz") == 200


async def test_settings_reach_a_service_and_the_shell_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_ACCESS_TOKEN", "from the shell")
    monkeypatch.setenv("PORT", "1")

    async with (
        _stack(tmp_path, LOG_LEVEL="debug") as services,
        aiohttp.ClientSession() as session,
        session.get(f"{services.url('first')}/environment") as response,
    ):
        environment = await response.json()

    assert environment["LOG_LEVEL"] == "debug"
    assert "WHATSAPP_ACCESS_TOKEN" not in environment
    assert services.url("first") == f"http://{environment['HOST']}:{environment['PORT']}"


async def test_a_killed_service_comes_back_at_the_same_address_with_its_log_continued(tmp_path: Path) -> None:
    async with _stack(tmp_path) as services:
        await services.kill("first")

        assert services.exit_code("first") == -signal.SIGKILL
        assert await services.first_exit() == "first"

        await services.start("first")

        assert await _status(f"{services.url('first')}/readyz") == 200
        port = int(services.url("first").rpartition(":")[2])
        assert services.log_entries("first") == [{"event": "started", "port": port}] * 2


async def test_a_terminated_service_ends_in_good_order(tmp_path: Path) -> None:
    async with _stack(tmp_path) as services:
        await services.terminate("second")

        assert services.exit_code("second") == 0


async def test_a_service_that_ends_at_start_is_reported_with_its_exit_code_and_last_lines(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="WRONG: not what it should be") as failure:
        async with _stack(tmp_path, WRONG="1"):
            pass

    assert failure.value.exit_code == 2


async def test_a_service_that_does_not_become_ready_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"(first|second) was not ready after 1 s"):
        async with _stack(tmp_path, READY_STATUS="503", start_seconds=1.0):
            pass


@asynccontextmanager
async def _stack(folder: Path, *, start_seconds: float = 20.0, **settings: str) -> AsyncIterator[Stack]:
    (folder / "stand_in.py").write_text(_STAND_IN)
    environment = {"PYTHONPATH": str(folder), **settings}
    async with stack(folder / "data", environment, services=_SERVICES, start_seconds=start_seconds) as services:
        yield services


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status
