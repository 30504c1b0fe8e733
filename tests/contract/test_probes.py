"""Section 2 of the contract: what every service answers."""

import aiohttp
import pytest

from tests.e2e.world import World

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("service", ["webhook-gateway", "ingestor", "previewer", "media-server"]),
]


async def test_healthz_says_that_the_process_lives(world: World, service: str) -> None:
    async with aiohttp.ClientSession(world.stack.url(service)) as client, client.get("/healthz") as response:
        assert response.status == 200


async def test_readyz_says_200_ready_and_each_check(world: World, service: str) -> None:
    async with aiohttp.ClientSession(world.stack.url(service)) as client, client.get("/readyz") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        answer = await response.json()

    assert set(answer) == {"status", "checks"}
    assert answer["status"] == "ready"
    assert answer["checks"]
    assert set(map(str, answer["checks"].values())) == {str({"ok": True})}


async def test_metrics_are_what_prometheus_reads(world: World, service: str) -> None:
    async with aiohttp.ClientSession(world.stack.url(service)) as client, client.get("/metrics") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert "# TYPE process_cpu_seconds_total counter" in await response.text()


async def test_readyz_checks_what_the_service_has_settings_for(world: World, service: str) -> None:
    data = {"mongodb", "storage"}

    async with aiohttp.ClientSession(world.stack.url(service)) as client, client.get("/readyz") as response:
        checks = set((await response.json())["checks"])

    assert "rabbitmq" in checks
    assert checks & data == (set() if service == "webhook-gateway" else data)
