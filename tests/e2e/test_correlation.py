"""One id leads from a webhook to the frame on the operator's screen: what an operator greps for."""

import json
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.overheard import publish
from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from whatsapp_simulator import BusinessNumber, Fault, FaultName
from whatsapp_simulator.fault_names import Step

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD_TOKEN, NEW_TOKEN = "EAAtheOldTokenOfThisTest1234567890", "EAAtheNewTokenOfThisTest1234567890"
IDS = ("mediaId", "messageId", "conversationId", "phoneNumberId")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def alone(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world in which nobody else causes lines."""
    async with running_world(servers, tmp_path_factory.mktemp("alone")) as world:
        yield world


def grep(world: World, correlation_id: str) -> list[JSON]:
    """The lines of all services with this id, in the order in which they were written."""
    found = [
        line
        for service in world.stack.names
        for line in world.stack.log(service).read_text().splitlines()
        if correlation_id in line
    ]
    return sorted((json.loads(line) for line in found), key=lambda line: str(line["timestamp"]))


async def shown(world: World, correlation_id: str, status: str) -> list[JSON]:
    """The same, once the frame that says `status` is there, and the event that led to it was answered."""

    def told() -> list[JSON] | None:
        lines = grep(world, correlation_id)
        frames = [line for line in lines if line["event"] == "media_updated.shown" and line["status"] == status]
        ends = [line for line in lines if line["event"] == "event.handled"]
        return lines if frames and len(ends) >= 2 else None

    return await world.until(told)


async def test_one_id_leads_from_the_webhook_through_a_retry_and_the_previewer_to_the_frame(alone: World) -> None:
    message = await alone.send(
        "photo", seed=9801, faults=[Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD, times=1)]
    )
    document = await alone.ended(message.id)

    lines = await shown(alone, document["correlationId"], "ready")

    story = [(line["service"], line["event"]) for line in lines]
    assert story[:2] == [("webhook-gateway", "message_media_updated"), ("webhook-gateway", "webhook.handled")]
    assert story.count(("webhook-gateway", "webhook.handled")) == 1
    assert story.count(("ingestor", "Failed to ingest WhatsApp media")) == 1
    ends = [(line["queue"], line["outcome"], line["attempt"]) for line in lines if line["event"] == "event.handled"]
    assert ends == [
        ("ingestor.media-received", "retry", 1),
        ("ingestor.media-received", "ok", 2),
        ("previewer.media-stored", "ok", 1),
    ]
    frames = [line for line in lines if line["event"] == "media_updated.shown"]
    assert [line["revision"] for line in frames] == list(range(1, document["media"]["revision"] + 1))
    assert {line["clients"] for line in frames} == {1}
    for line in lines:
        if line["event"] in {"event.handled", "media_updated.shown", "Failed to ingest WhatsApp media"}:
            assert line["mediaId"] == document["_id"]
            assert (line["messageId"], line["phoneNumberId"]) == (message.id, document["phoneNumberId"])
            assert line["conversationId"] == document["conversationId"]
        if line["event"] == "event.handled":
            assert line["durationMs"] > 0


async def test_it_leads_through_healing(alone: World) -> None:
    number = BusinessNumber(phone_number_id="200300400500981", display_phone_number="15550100981")
    alone.simulator.add_number(number, access_token=NEW_TOKEN)
    await save_token(alone, number, OLD_TOKEN)
    media = alone.simulator.add_sample("photo", size_bytes=40_000, seed=9802, number=number)
    message = alone.simulator.message(alone.simulator.attachment(media))
    await alone.deliver(message)
    refused = await alone.ended(message.id)
    assert refused["media"]["failure"]["code"] == "provider_auth"

    await save_token(alone, number, NEW_TOKEN)
    lines = await shown(alone, refused["correlationId"], "ready")

    assert lines[0]["service"] == "webhook-gateway"
    statuses = [line["status"] for line in lines if line["event"] == "media_updated.shown"]
    assert [status for status, before in zip(statuses, [None, *statuses], strict=False) if status != before] == [
        "pending",
        "failed",
        "pending",
        "stored",
        "ready",
    ]


async def test_each_event_taken_ends_in_one_line_whatever_becomes_of_it(alone: World) -> None:
    before = handled(alone)
    faults = [Fault(name=FaultName.GRAPH_ERROR, code=131008)]
    messages = [await alone.send("zip", seed=9803), await alone.send("photo", seed=9804, faults=faults)]
    for message in messages:
        await alone.ended(message.id)
    await publish(alone.settings["RABBITMQ_URL"], "media.received", b"{}", exchange="media.events")

    def ended() -> Counter[tuple[str, str]] | None:
        new = handled(alone) - before
        return new if new.total() >= 4 else None

    assert await alone.until(ended) == Counter(
        {
            ("ingestor.media-received", "ok"): 1,
            ("ingestor.media-received", "dead_letter"): 1,
            ("ingestor.media-received", "invalid"): 1,
            ("previewer.media-stored", "ok"): 1,
        }
    )


async def test_each_request_but_probes_has_one_line(alone: World) -> None:
    before = {name: requests(alone, name) for name in alone.stack.names}

    async with aiohttp.ClientSession() as client:
        for name in alone.stack.names:
            for path in ("/healthz", "/readyz", "/metrics", "/nothing/here?token=secret"):
                async with client.get(alone.stack.url(name) + path) as response:
                    await response.read()
        hook = alone.stack.url("webhook-gateway") + "/webhooks/whatsapp"
        for method in ("GET", "POST", "PUT"):
            async with client.request(method, hook) as response:
                await response.read()
    async with alone.api.get("/api/conversations") as response:
        assert response.status == 200

    new = {name: requests(alone, name)[len(before[name]) :] for name in alone.stack.names}
    missing = ("request.handled", 404)
    assert new == {
        "webhook-gateway": [
            missing,
            ("webhook.verification_refused", 403),
            ("webhook.handled", 401),
            ("request.handled", 405),
        ],
        "media-server": [missing, ("request.handled", 200)],
        "ingestor": [missing],
        "previewer": [missing],
    }


async def save_token(world: World, number: BusinessNumber, token: str) -> None:
    headers = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}
    url = f"{world.stack.url('media-server')}/api/whatsapp-instances/{number.phone_number_id}"
    async with aiohttp.ClientSession(headers=headers) as admin:
        body = {"displayName": "of this test", "accessToken": token, "isDefault": False}
        async with admin.put(url, json=body) as response:
            assert response.status == 200, await response.text()


def handled(world: World) -> Counter[tuple[str, str]]:
    return Counter(
        (line["queue"], line["outcome"])
        for name in world.stack.names
        for line in world.stack.log_entries(name)
        if line.get("event") == "event.handled"
    )


def requests(world: World, service: str) -> list[tuple[str, int]]:
    """The line of each request, with its status."""
    return [
        (line["event"], line.get("status") or line["httpStatus"])
        for line in world.stack.log_entries(service)
        if line.get("event") == "request.handled" or "httpStatus" in line
    ]
