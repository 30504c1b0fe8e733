"""Does each service run, is it ready, and does it see the same disk as we do?"""

import asyncio
import json
from collections.abc import Sequence

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from shared.doctor.check import Answer, fine, wrong

_TOLD = 300
_METRICS_SECONDS = 2.0
_OWN_METRIC = {
    "webhook-gateway": "attache_webhook_seconds",
    "ingestor": "attache_ingest_seconds",
    "previewer": "attache_preview_seconds",
    "media-server": "attache_media_request_seconds",
}
"""What each measures that no other does."""


async def look_at_service(session: aiohttp.ClientSession, name: str, url: str) -> Sequence[Answer]:
    """A service that runs has valid settings, as it would not have started otherwise; `/readyz` says the rest."""
    try:
        async with session.get(f"{url}/readyz") as response:
            status, body = response.status, await response.text()
    except (aiohttp.ClientError, OSError, UnicodeDecodeError, TimeoutError) as error:
        return [wrong(f"nobody answers at {url} ({type(error).__name__})", _start(name))]
    failing = _failing(body)
    if failing is None:
        return [wrong(f"what answers at {url} is no service of Attache (HTTP {status})", _start(name))]
    answers = [wrong(f"not ready: {check}: {error[:_TOLD]}", "do what it says") for check, error in failing]
    if not answers and status != 200:
        answers = [wrong(f"not ready (HTTP {status})", "see its log")]
    if not answers and (other := await _another(session, name, url)):
        return [wrong(f"what answers at {url} is the {other}", _start(name))]
    return answers or [fine(f"ready at {url}")]


async def _another(session: aiohttp.ClientSession, name: str, url: str) -> str | None:
    """The name of the service that this is, if it is not the one meant. Behind a proxy there may be no metrics."""
    try:
        async with asyncio.timeout(_METRICS_SECONDS), session.get(f"{url}/metrics") as response:
            text = await response.text()
    except (aiohttp.ClientError, OSError, UnicodeDecodeError, TimeoutError):
        return None
    found = [service for service, own in _OWN_METRIC.items() if f"# TYPE {own} " in text]
    return None if name in found or len(found) != 1 else found[0]


async def metric(session: aiohttp.ClientSession, url: str, name: str) -> float | None:
    """The value of a gauge, all its labels together; None when it is not there. May raise `aiohttp.ClientError`."""
    async with session.get(f"{url}/metrics") as response:
        text = await response.text()
    try:
        for family in text_string_to_metric_families(text):
            if family.name == name and family.samples:
                return float(sum(sample.value for sample in family.samples))
    except ValueError:
        return None
    return None


def _failing(body: str) -> list[tuple[str, str]] | None:
    try:
        checks = json.loads(body)["checks"]
        return [(name, str(each.get("error"))) for name, each in checks.items() if not each["ok"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _start(name: str) -> str:
    variable = f"{name.upper().replace('-', '_')}_URL"
    return f"start the {name}; if it runs elsewhere, say where with {variable}"
