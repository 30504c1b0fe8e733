import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import Gauge

from shared.web import CHECKS, REFRESHES, Check, new_app

SEEN = Gauge("attache_test_seen", "A gauge that is brought up to date when it is read.")
Client = TestClient[web.Request, web.Application]


async def fine() -> None:
    return


async def broken() -> None:
    raise ConnectionError("MongoDB does not answer")


async def broken_without_a_word() -> None:
    raise ValueError


@asynccontextmanager
async def serving(**checks: Check) -> AsyncIterator[Client]:
    app = new_app([])
    app[CHECKS].update(checks)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_the_process_lives_whatever_it_depends_on() -> None:
    async with serving(mongodb=broken) as client:
        response = await client.get("/healthz")

        assert response.status == 200
        assert await response.json() == {"status": "ok"}


async def test_ready_when_every_check_is() -> None:
    async with serving(mongodb=fine, rabbitmq=fine) as client:
        response = await client.get("/readyz")

        assert response.status == 200
        assert await response.json() == {
            "status": "ready",
            "checks": {"mongodb": {"ok": True}, "rabbitmq": {"ok": True}},
        }


async def test_not_ready_tells_which_check_and_why() -> None:
    async with serving(mongodb=broken, rabbitmq=fine, storage=broken_without_a_word) as client:
        response = await client.get("/readyz")

        assert response.status == 503
        assert await response.json() == {
            "status": "not_ready",
            "checks": {
                "mongodb": {"ok": False, "error": "MongoDB does not answer"},
                "rabbitmq": {"ok": True},
                "storage": {"ok": False, "error": "ValueError"},
            },
        }


async def test_metrics_bring_their_gauges_up_to_date_and_survive_one_that_cannot() -> None:
    app = new_app([])
    readings = iter([42])

    async def refresh() -> None:
        SEEN.set(next(readings))

    app[REFRESHES].extend([broken, refresh])
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/metrics")

        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain")
        assert "attache_test_seen 42.0" in await response.text()


async def test_metrics_tell_which_checks_pass() -> None:
    app = new_app([])
    app[CHECKS].update({"rabbitmq": fine, "mongodb": broken})
    async with TestClient(TestServer(app)) as client:
        text = await (await client.get("/metrics")).text()

    assert 'attache_ready{check="rabbitmq"} 1.0' in text
    assert 'attache_ready{check="mongodb"} 0.0' in text


async def test_the_clock_is_read_before_anything_that_takes_time() -> None:
    app = new_app([])
    refreshed: list[float] = []

    async def refresh() -> None:
        refreshed.append(time.time())

    app[REFRESHES].append(refresh)
    async with TestClient(TestServer(app)) as client:
        before = time.time()
        text = await (await client.get("/metrics")).text()

    (told,) = [float(line.split()[1]) for line in text.splitlines() if line.startswith("attache_time_seconds ")]
    assert before <= told <= refreshed[0]


async def test_resources_start_in_order_and_stop_in_reverse() -> None:
    told: list[str] = []

    def resource(name: str):  # type: ignore[no-untyped-def]  # an aiohttp cleanup context
        async def context(_: web.Application) -> AsyncIterator[None]:
            told.append(f"{name} starts")
            yield
            told.append(f"{name} stops")

        return context

    async with TestClient(TestServer(new_app([resource("a"), resource("b")]))):
        pass

    assert told == ["a starts", "b starts", "b stops", "a stops"]
