"""One run of the real processes with everything in it that the contract speaks of, recorded from outside."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.overheard import Heard, letters, overhearing, publish, until
from tests.contract.webhooks import (
    CAPTION,
    FILE_NAME,
    NAME,
    PHONE,
    enveloped,
    media_message,
    new_wamid,
    signed,
    status_webhook,
    webhook,
)
from tests.e2e.world import JSON, LIMIT_BYTES, World
from whatsapp_simulator import SAMPLES, BusinessNumber, Fault, FaultName, Media

WEBHOOKS = "/webhooks/whatsapp"
UNCONFIGURED_NUMBER = "209900000000001"
GUESSED_TOKEN = "a-guessed-verify-token-nobody-logs"
UNDECODABLE = json.dumps({"caption": CAPTION, "sender": {"name": NAME, "waId": PHONE}}).encode()
NOT_JSON = f'{{"caption": "{CAPTION}", "from": "{PHONE}", "profile": {{"name": "{NAME}"'.encode()


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was sent (wamids by what became of it) and what was seen of it."""

    world: World
    wamids: dict[str, str]
    heard: list[Heard]
    dead: dict[str, list[Heard]]
    answers: list[str] = field(default_factory=list)
    """The text of every HTTP answer that tells of an error."""

    @property
    def phone_number_id(self) -> str:
        """The business number that is configured."""
        number: str = self.world.simulator.number.phone_number_id
        return number

    def document(self, what: str) -> JSON:
        """The document of this attachment, from the database."""
        document = self.world.document(self.wamids[what])
        assert document is not None, what
        return document

    def events(self, routing_key: str, what: str | None = None) -> list[Heard]:
        """The events under this key, of one attachment or of all in the run."""
        wanted = set(self.wamids.values()) if what is None else {self.wamids[what]}
        return [h for h in self.heard if h.routing_key == routing_key and h.body.get("messageId") in wanted]

    def letter(self, queue: str, what: str) -> Heard:
        """The dead letter of this attachment."""
        return next(h for h in self.dead[queue] if h.body.get("messageId") == self.wamids[what])

    def log(self, *services: str) -> list[JSON]:
        """Every line of these services' logs so far; of all when none is named."""
        return [line for name in services or self.world.stack.names for line in self.world.stack.log_entries(name)]

    def updates(self, what: str) -> list[JSON]:
        """The lines that tell this attachment's changes of state, in the order of their revisions."""
        lines = [
            line
            for line in self.log()
            if line["event"] == "message_media_updated" and line["messageId"] == self.wamids[what]
        ]
        return sorted(lines, key=lambda line: (line["revision"], line["timestamp"]))


async def scraped(world: World, service: str) -> dict[str, Metric]:
    """The metrics of a service as Prometheus reads them, by family."""
    return {family.name: family for family in text_string_to_metric_families(await text_of(world, service, "/metrics"))}


async def text_of(world: World, service: str, path: str) -> str:
    """An answer of a service as it stands."""
    async with aiohttp.ClientSession() as client, client.get(world.stack.url(service) + path) as response:
        return await response.text()


@asynccontextmanager
async def recorded(world: World) -> AsyncIterator[Run]:
    """Send, wait until all of it has ended, and keep what was heard."""
    broker_url = world.settings["RABBITMQ_URL"]
    async with overhearing(broker_url) as heard:
        run = Run(world=world, wamids={}, heard=heard, dead={})
        await _send_media(run)
        await _send_what_is_refused(run)
        await publish(broker_url, "media.received", UNDECODABLE, exchange="media.events")
        await asyncio.gather(*(world.ended(wamid) for wamid in run.wamids.values()))
        await _retry(run, "healed")
        await _retry(run, "rejected")
        await until(lambda: _everything_told(run))
        for queue, count in (
            ("ingestor.media-received.dlq", 4),
            ("previewer.media-stored.dlq", 1),
            ("webhook-gateway.unreadable.dlq", 2),
        ):
            run.dead[queue] = await until(partial(_letters, broker_url, queue, count))
        yield run


async def _send_media(run: Run) -> None:
    world, simulator = run.world, run.world.simulator
    other = BusinessNumber(phone_number_id=UNCONFIGURED_NUMBER)
    simulator.add_number(other, access_token=world.settings["WHATSAPP_ACCESS_TOKEN"])
    sample = SAMPLES["photo"]

    def photo(seed: int, *faults: Fault, number: BusinessNumber | None = None) -> Media:
        return simulator.add_sample("photo", size_bytes=40_000, seed=seed, faults=faults, number=number)

    announced: dict[str, dict[str, Any]] = {
        "ready": media_message(photo(9001), caption=CAPTION),
        "document": media_message(
            simulator.add_sample("pdf", size_bytes=40_000, seed=9002), filename=FILE_NAME, caption=CAPTION
        ),
        "skipped": media_message(simulator.add_sample("pdf", size_bytes=LIMIT_BYTES + 1), filename=FILE_NAME),
        "refused": media_message(photo(9003, Fault(name=FaultName.UNAUTHORIZED)), caption=CAPTION),
        "healed": media_message(photo(9004, Fault(name=FaultName.UNAUTHORIZED, times=1)), caption=CAPTION),
        "second try": media_message(photo(9005, Fault(name=FaultName.SERVER_ERROR, times=1)), caption=CAPTION),
        "broken": media_message(
            simulator.add_media(sample.read()[:600], kind=sample.kind, mime_type="image/jpeg"), caption=CAPTION
        ),
        "rejected": {
            "from": PHONE,
            "id": new_wamid(),
            "timestamp": "1790000000",
            "type": "unsupported",
            "errors": [{"code": 131052, "title": "Media download error", "error_data": {"details": f"no: {PHONE}"}}],
        },
    }
    run.wamids.update({what: message["id"] for what, message in announced.items()})
    # one POST of its own for the first: all that it causes has one correlation id that nothing else has
    first, *rest = announced.values()
    await _accepted(run, webhook(first, phone_number_id=run.phone_number_id))
    await _accepted(run, webhook(*rest, phone_number_id=run.phone_number_id))
    elsewhere = media_message(photo(9006, number=other), caption=CAPTION)
    run.wamids["other number"] = elsewhere["id"]
    await _accepted(run, webhook(elsewhere, phone_number_id=UNCONFIGURED_NUMBER))
    await _accepted(run, status_webhook(phone_number_id=run.phone_number_id))


async def _send_what_is_refused(run: Run) -> None:
    world = run.world
    await _accepted(run, NOT_JSON)
    cannot_be_understood = {"from": PHONE, "id": new_wamid(), "type": "image", "image": {"caption": CAPTION}}
    beside_it = media_message(world.simulator.add_sample("zip", size_bytes=40_000, seed=9007), caption=CAPTION)
    run.wamids["neighbour"] = beside_it["id"]
    await _accepted(run, webhook(cannot_be_understood, beside_it, phone_number_id=run.phone_number_id))
    body = webhook(phone_number_id=run.phone_number_id)
    async with aiohttp.ClientSession(world.stack.url("webhook-gateway")) as client:
        for headers in ({}, {"X-Hub-Signature-256": GUESSED_TOKEN}, signed(body, GUESSED_TOKEN)):
            async with client.post(WEBHOOKS, data=body, headers=headers) as response:
                run.answers.append(await response.text())
        guess = {"hub.mode": "subscribe", "hub.verify_token": GUESSED_TOKEN, "hub.challenge": GUESSED_TOKEN}
        async with client.get(WEBHOOKS, params=guess) as response:
            run.answers.append(await response.text())
    async with aiohttp.ClientSession(world.stack.url("media-server")) as client:
        for path in (f"/media/{GUESSED_TOKEN}/{FILE_NAME}", f"/api/messages/{NAME}", f"/api/messages?limit={NAME}"):
            for headers in ({}, dict(world.api.headers)):
                async with client.get(path, headers=headers) as response:
                    run.answers.append(await response.text())


async def _accepted(run: Run, body: bytes) -> None:
    """As Meta posts it; anything but 200 is a failure of the run."""
    url = run.world.stack.url("webhook-gateway") + WEBHOOKS
    headers = signed(body, run.world.settings["WHATSAPP_APP_SECRET"])
    async with aiohttp.ClientSession() as client, client.post(url, data=body, headers=headers) as response:
        assert response.status == 200, await response.text()


async def _retry(run: Run, what: str) -> None:
    before = run.document(what)
    async with run.world.api.post(f"/api/messages/{before['_id']}/retry") as response:
        assert response.status == 202, await response.text()
    await run.world.until(lambda: _ended_again(run.document(what), before) or None)


def _ended_again(now: JSON, before: JSON) -> bool:
    is_final = now["media"]["status"] in {"ready", "failed"}
    return bool(is_final and now["media"]["revision"] > before["media"]["revision"] + 1)


async def _everything_told(run: Run) -> bool:
    told = {(h.body["id"], h.body["media"]["revision"]) for h in run.events("media.updated")}
    documents = [run.document(what) for what in run.wamids]
    return all((document["_id"], document["media"]["revision"]) in told for document in documents)


async def _letters(broker_url: str, queue: str, count: int) -> list[Heard] | None:
    found = await letters(broker_url, queue)
    return found if len(found) >= count else None


async def identity_changed(run: Run, *, new_phone: str) -> Heard:
    """Meta's message that a customer has a new number, and the event that it becomes."""
    known = len(run.heard)
    message = {
        "from": PHONE,
        "id": new_wamid(),
        "timestamp": "1790000000",
        "type": "system",
        "system": {"body": f"{NAME} changed", "wa_id": new_phone, "type": "user_changed_number"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100001", "phone_number_id": run.phone_number_id},
        "messages": [message],
    }
    await _accepted(run, enveloped(value))

    async def event() -> Heard | None:
        return next((h for h in run.heard[known:] if h.routing_key == "identity.changed"), None)

    return await until(event)
