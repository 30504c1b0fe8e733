"""The procedures of the media operations guide work as they are written there. Each test has a procedure's name."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import pytest

from tests.amqp import until
from tests.contract.processes import service
from tests.e2e.world import JSON, LIMIT_BYTES, World
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.messages import Message
from whatsapp_simulator.webhooks import BusinessNumber

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
FIRST_TOKEN = "EAAfirstAccessTokenOfThisNumber"
NEW_TOKEN = "EAAnewAccessTokenOfThisNumber"


async def make(world: World, *arguments: str, typed: str = "") -> str:
    """A make target, with the settings of the running services; what it printed."""
    names = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE", "CREDENTIALS_ENCRYPTION_KEY", "STORAGE_URL")
    environment = {"PATH": os.environ["PATH"]} | {name: world.settings[name] for name in names}
    process = await asyncio.create_subprocess_exec(
        "make",
        *arguments,
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(typed.encode())
    assert process.returncode == 0, f"{out.decode()}\n{err.decode()}"
    return out.decode()


async def number_with_a_token(world: World, phone_number_id: str) -> BusinessNumber:
    """A business number of this test alone, saved as an operator saves it."""
    number = BusinessNumber(phone_number_id=phone_number_id, display_phone_number="15550100900")
    world.simulator.add_number(number, access_token=FIRST_TOKEN + phone_number_id)
    await make(world, "instance-set", f"NUMBER={phone_number_id}", typed=FIRST_TOKEN + phone_number_id)
    return number


async def send(world: World, number: BusinessNumber, *, seed: int, faults: Iterable[Fault] = ()) -> Message:
    media = world.simulator.add_sample("photo", size_bytes=40_000, seed=seed, number=number, faults=[*faults])
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)
    return message


async def ready(world: World, wamid: str, *, seconds: float = 30) -> JSON:
    def found() -> JSON | None:
        document = world.document(wamid)
        return document if document is not None and document["media"]["status"] == "ready" else None

    return await world.until(found, seconds=seconds)


def logged_failures(world: World, wamid: str) -> list[JSON]:
    lines = world.stack.log_entries("ingestor")
    return [
        line
        for line in lines
        if line.get("event") == "Failed to ingest WhatsApp media" and line.get("messageId") == wamid
    ]


async def test_credential_rotation_of_the_whatsapp_access_token(world: World) -> None:
    """Update the persisted instance; no restart; verify with an image message; `message_media_updated` in the log."""
    number = await number_with_a_token(world, "200300400500901")
    world.simulator.tokens.replace(number.phone_number_id, NEW_TOKEN)
    refused = [await send(world, number, seed=60_100 + n) for n in range(5)]
    for message in refused:
        document = await world.ended(message.id)
        assert document["media"]["failure"]["code"] == "provider_auth"

    printed = await make(world, "instance-set", f"NUMBER={number.phone_number_id}", typed=NEW_TOKEN)

    assert "version" in printed
    for message in refused:
        healed = await ready(world, message.id)
        assert healed["media"]["attempts"] == 1
    fresh = await send(world, number, seed=60_110)
    document = await ready(world, fresh.id)
    lines = await world.logged(fresh.id, revision=document["media"]["revision"])
    assert lines[-1]["event"] == "message_media_updated"
    assert lines[-1]["status"] == "ready"


async def test_credential_rotation_of_the_phone_number_id(world: World) -> None:
    """A number without an instance uses the default one; saving its own mends what that could not fetch."""
    number = BusinessNumber(phone_number_id="200300400500902", display_phone_number="15550100902")
    world.simulator.add_number(number, access_token=NEW_TOKEN + "902")
    message = await send(world, number, seed=60_120)
    refused = await world.ended(message.id)
    assert refused["media"]["status"] == "failed", "the default instance's token cannot read this number's media"

    await make(world, "instance-set", f"NUMBER={number.phone_number_id}", typed=NEW_TOKEN + "902")
    async with world.api.post(f"/api/messages/{refused['_id']}/retry") as response:
        assert response.status in {202, 409}, "409: it has healed by itself already"

    assert (await ready(world, message.id))["phoneNumberId"] == number.phone_number_id


async def test_credential_rotation_of_files_signing_secret(world: World, tmp_path: Path) -> None:
    """Every earlier link is invalid at once; who fetches the message again gets links that work."""
    message = await world.send("photo", seed=60_130)
    document = await world.ended(message.id)
    earlier = (await world.shown(document["_id"]))["media"]["original"]["url"]
    assert (await world.fetched(earlier))[0] == 200

    rotated = {**world.settings, "FILES_SIGNING_SECRET": "another-signing-secret-of-32-bytes!!"}
    async with service("media_server", rotated, tmp_path) as restarted:
        headers = {"Authorization": f"Bearer {world.settings['OPERATOR_TOKEN']}"}
        async with aiohttp.ClientSession(restarted.url) as browser:
            async with browser.get(earlier) as response:
                assert (response.status, (await response.json())["code"]) == (403, "bad_signature")

            links: list[str] = []

            async def fetched_again() -> bool:
                async with browser.get(f"/api/messages/{document['_id']}", headers=headers) as response:
                    if response.status == 200:
                        links.append((await response.json())["media"]["original"]["url"])
                return bool(links)

            await until(fetched_again)
            async with browser.get(links[0]) as response:
                assert response.status == 200


async def test_clearing_cached_media_on_disk(world: World) -> None:
    """`make storage-prune` removes what no document requires and nothing else."""
    message = await world.send("photo", seed=60_140)
    document = await world.ended(message.id)
    kept = world.uploads / document["media"]["storage"]["original"]["key"]
    stale = world.uploads / "incoming" / "ab" / f"{'ab' * 32}.jpg"
    stale.parent.mkdir(parents=True, exist_ok=True)
    stale.write_bytes(b"nobody refers to this")
    os.utime(stale, (1_700_000_000, 1_700_000_000))

    await make(world, "storage-prune")
    assert stale.exists(), "a dry run removes nothing"
    await make(world, "storage-prune", "APPLY=1")

    assert not stale.exists()
    assert kept.exists()


async def test_clearing_the_application_cache_needs_no_step(world: World) -> None:
    """Clients ask for fresh links; the file behind them is the same."""
    message = await world.send("photo", seed=60_145)
    document = await world.ended(message.id)

    shown = [await world.shown(document["_id"]) for _ in range(2)]

    answers = [await world.fetched(each["media"]["original"]["url"]) for each in shown]
    assert [status for status, _, _ in answers] == [200, 200]
    assert answers[0][1] == answers[1][1]


async def test_handling_ingestion_failures_by_the_log(world: World) -> None:
    """`Failed to ingest WhatsApp media` has conversationId, messageId and what the provider answered."""
    fault = Fault(name=FaultName.SERVER_ERROR, times=1)
    message = await world.send("photo", seed=60_150, faults=[fault])

    document = await ready(world, message.id)

    (line,) = logged_failures(world, message.id)
    assert line["conversationId"] == document["conversationId"]
    assert line["messageId"] == message.id
    assert line["providerStatus"] >= 500
    assert line["willRetry"] is True
    assert line["deadline"]


async def test_handling_ingestion_failures_in_the_ui(world: World) -> None:
    """The pill's error text says what happened and what to do; the button beside it really downloads again."""
    message = await world.send("photo", seed=60_160, faults=[Fault(name=FaultName.GRAPH_ERROR, code=131052)])
    failed = await world.ended(message.id)
    shown = await world.shown(failed["_id"])
    assert shown["media"]["status"] == "failed"
    assert len(shown["media"]["failure"]["message"]) > 20
    media = world.simulator.media[-1]
    world.simulator.faults.put(media.id)

    async with world.api.post(f"/api/messages/{failed['_id']}/retry") as response:
        assert response.status == 202

    await ready(world, message.id)
    assert world.simulator.requests.downloads(media.id) == 1


async def test_handling_ingestion_failures_by_setting_the_status_to_pending(world: World) -> None:
    """No restart and no webhook replay is needed; attempts start from the beginning."""
    message = await world.send("photo", seed=60_170, faults=[Fault(name=FaultName.GRAPH_ERROR, code=131052)])
    failed = await world.ended(message.id)
    assert failed["media"]["status"] == "failed"
    world.simulator.faults.put(world.simulator.media[-1].id)

    world.messages.update_one({"_id": failed["_id"]}, {"$set": {"media.status": "pending"}})

    document = await ready(world, message.id)
    assert document["media"]["attempts"] == 1


async def test_troubleshooting_expired_whatsapp_urls(world: World) -> None:
    """Metadata is refreshed before every download, so a link that has died costs nothing."""
    message = await world.send("photo", seed=60_180, faults=[Fault(name=FaultName.EXPIRED, at=Step.DOWNLOAD, times=1)])

    document = await ready(world, message.id)

    media = world.simulator.media[-1]
    assert document["media"]["status"] == "ready"
    assert world.simulator.requests.metadata(media.id) >= 2


async def test_troubleshooting_expired_whatsapp_urls_when_the_call_returns_401(world: World) -> None:
    """It is the access token: the document says so, and names the command that replaces it."""
    number = await number_with_a_token(world, "200300400500903")
    message = await send(world, number, seed=60_190, faults=[Fault(name=FaultName.UNAUTHORIZED, at=Step.METADATA)])

    document = await world.ended(message.id)

    failure = document["media"]["failure"]
    assert (failure["code"], failure["providerStatus"], failure["providerCode"]) == ("provider_auth", 401, 190)
    assert "make instance-set" in failure["message"]
    (line,) = logged_failures(world, message.id)
    assert line["providerStatus"] == 401
    assert line["willRetry"] is False


async def test_troubleshooting_preview_service_offline(world: World) -> None:
    """While the previewer is away the original is served already; a preview that fails leaves it so, and says why."""
    await world.stack.terminate("previewer")
    try:
        waiting = await world.send("photo", seed=60_200)

        def stored() -> JSON | None:
            document = world.document(waiting.id)
            return document if document is not None and document["media"]["status"] == "stored" else None

        document = await world.until(stored)
        shown = await world.shown(document["_id"])
        assert (await world.fetched(shown["media"]["original"]["url"]))[0] == 200
    finally:
        await world.stack.start("previewer")
    await ready(world, waiting.id)

    broken = SAMPLES["photo"].read()[:700]
    media = world.simulator.add_media(broken, kind=SAMPLES["photo"].kind, mime_type="image/jpeg")
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)
    failed = await world.ended(message.id)
    assert (failed["media"]["status"], failed["media"]["failure"]["stage"]) == ("failed", "preview")
    shown = await world.shown(failed["_id"])
    status, body, _ = await world.fetched(shown["media"]["original"]["url"])
    assert (status, body) == (200, broken)
    lines = [line for line in world.stack.log_entries("previewer") if line.get("event") == "preview.failed"]
    assert any(line.get("messageId") == message.id and line["reason"] for line in lines)


async def test_troubleshooting_large_attachments(world: World) -> None:
    """Skipped on purpose; the card says why, with the size and the limit."""
    media = world.simulator.add_sample("pdf", size_bytes=LIMIT_BYTES + 10)
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)

    document = await world.ended(message.id)

    assert document["media"]["status"] == "skipped"
    failure = (await world.shown(document["_id"]))["media"]["failure"]
    assert str(LIMIT_BYTES + 10) in failure["message"]
    assert str(LIMIT_BYTES) in failure["message"]
    assert world.simulator.requests.downloads(media.id) == 0


async def test_troubleshooting_signature_errors_on_media(world: World) -> None:
    """The answer has a code and the server's time, so that an old link and a wrong clock can be told apart."""
    message = await world.send("photo", seed=60_210)
    document = await world.ended(message.id)
    url = (await world.shown(document["_id"]))["media"]["original"]["url"]
    _, media, token, name = url.split("/")

    status, body, _ = await world.fetched(f"/{media}/{token[:-6]}AAAAAA/{name}")

    assert status == 403
    assert b"bad_signature" in body
    assert b"serverTime" in body
