"""What every service serves: probes and metrics, and one way to run."""

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.access_log import access_log
from shared.metrics import READY, TIME_SECONDS
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when all is well; raises with a text for people when it is not."""
Resource = Callable[[web.Application], AsyncIterator[None]]
"""Started before its `yield`, closed after it; see aiohttp's cleanup contexts."""
Refresh = Callable[[], Awaitable[None]]
"""Brings gauges up to date before they are read."""

CHECKS: web.AppKey[dict[str, Check]] = web.AppKey("checks", dict)
REFRESHES: web.AppKey[list[Refresh]] = web.AppKey("refreshes", list)
_CHECK_SECONDS = 3.0
_GC_THRESHOLDS = (10_000, 20, 20)
GRACE_SECONDS = 25.0
"""How long a stopping service finishes what is in hand; below the 30 s that container runtimes usually give."""


def new_app(resources: Iterable[Resource], *, client_max_size: int = 1024**2) -> web.Application:
    """An application with `/healthz`, `/readyz` and `/metrics`; resources start in order and stop in reverse.

    Resources add their readiness checks to `app[CHECKS]` and their gauges' refreshes to `app[REFRESHES]`.
    """
    app = web.Application(client_max_size=client_max_size, middlewares=[access_log])
    app[CHECKS] = {}
    app[REFRESHES] = []
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)
    app.cleanup_ctx.extend(resources)
    return app


def run(app: web.Application, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then stop taking, finish what is in hand, close."""
    log.info("service.starting", host=settings.host, port=settings.port)
    # what is here now stays for the life of the process: the collector need not walk it again and again
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        web.run_app(
            app, host=settings.host, port=settings.port, print=None, access_log=None, shutdown_timeout=GRACE_SECONDS
        )
    except socket.gaierror:
        sys.stderr.write(f"Cannot start: HOST: {settings.host!r} is not an address or name of this machine.\n")
        raise SystemExit(2) from None
    except OSError as error:
        log.error("service.cannot_listen", host=settings.host, port=settings.port, reason=error.strerror)
        raise SystemExit(1) from None
    log.info("service.stopped")


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _readyz(request: web.Request) -> web.Response:
    checks = request.app[CHECKS]
    answers = await asyncio.gather(*(_answer(check) for check in checks.values()))
    report: Mapping[str, Mapping[str, object]] = {
        name: {"ok": error is None} | ({"error": error} if error is not None else {})
        for name, error in zip(checks, answers, strict=True)
    }
    ready = all(error is None for error in answers)
    return web.json_response(
        {"status": "ready" if ready else "not_ready", "checks": report}, status=200 if ready else 503
    )


async def _answer(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except Exception as error:  # a probe reports whatever is wrong; it must not fail itself
        return str(error) or type(error).__name__
    return None


async def _refreshed(refresh: Refresh) -> None:
    # a gauge that cannot be read keeps its last value; the failing part has its own readiness check
    with suppress(Exception):
        async with asyncio.timeout(_CHECK_SECONDS):
            await refresh()


async def _measured(name: str, check: Check) -> None:
    READY.labels(name).set(await _answer(check) is None)


async def _metrics(request: web.Request) -> web.Response:
    # before anything that takes time: Prometheus compares it with the time at which it asked
    TIME_SECONDS.set(time.time())
    # all at once: with every server away it must still answer before Prometheus gives up
    await asyncio.gather(
        *(_refreshed(refresh) for refresh in request.app[REFRESHES]),
        *(_measured(name, check) for name, check in request.app[CHECKS].items()),
    )
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
