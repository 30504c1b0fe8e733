"""The main job through the four real processes: document, API, WebSocket frame and log lines agree."""

from typing import Any

import pytest

from tests.e2e.world import JSON, LIMIT_BYTES, World
from whatsapp_simulator.faults import Fault, FaultName
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.webhooks import Customer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def agreed(world: World, document: JSON) -> JSON:
    """The message as the API shows it, after checking that frames and logs say the same as the document."""
    media, wamid = document["media"], document["messageId"]
    shown = await world.shown(document["_id"])
    frames = await world.framed(wamid, media["status"])
    lines = await world.logged(wamid, revision=media["revision"])

    assert shown["media"]["status"] == media["status"]
    assert shown["media"]["revision"] == media["revision"]
    assert shown["conversationId"] == document["conversationId"]
    final_frame = next(frame for frame in frames if frame["media"]["revision"] == media["revision"])
    assert without_links(final_frame) == without_links(shown)
    said = [(line["revision"], line["previousStatus"], line["status"]) for line in lines]
    assert said[0] == (0, None, "pending"), "the gateway says it first"
    assert said[1] == (1, None, said[1][2]), "then the ingestor registers it"
    assert [revision for revision, _, _ in said] == list(range(media["revision"] + 1))
    assert said[-1][2] == media["status"]
    assert lines[0]["service"] == "webhook-gateway"
    assert all(line["kind"] == document["kind"] for line in lines)
    assert all(line["mediaId"] == document["_id"] for line in lines)
    assert lines[-1].get("code") == media.get("failure", {}).get("code")
    assert lines[-1].get("providerStatus") == media.get("failure", {}).get("providerStatus")
    assert len({line["correlationId"] for line in lines}) == 1, "one webhook, one correlation"
    return shown


def without_links(message: JSON) -> Any:
    """A message without what differs from one moment to the next."""
    media = {key: value for key, value in message["media"].items() if key not in {"original", "renditions"}}
    files = {"original": message["media"].get("original"), **message["media"].get("renditions", {})}
    stable = {
        name: {key: value for key, value in file.items() if key not in {"url", "expiresAt"}}
        for name, file in files.items()
        if file
    }
    return {**message, "media": {**media, "files": stable}}


async def test_a_signed_webhook_becomes_a_verified_original_a_preview_and_a_signed_link(world: World) -> None:
    message = await world.send("photo", seed=101)

    document = await world.ended(message.id)

    assert document["media"]["status"] == "ready"
    assert document["media"]["revision"] == 3
    assert {line["service"] for line in await world.logged(message.id, revision=3)} == {
        "webhook-gateway",
        "ingestor",
        "previewer",
    }
    shown = await agreed(world, document)
    status, body, headers = await world.fetched(shown["media"]["original"]["url"])
    assert status == 200
    assert body == b"".join(world.simulator.media[-1].content.chunks(0, 40_000))
    assert headers["Content-Type"] == "image/jpeg"
    thumb = shown["media"]["renditions"]["thumb"]
    assert (thumb["width"], thumb["height"]) == (240, 320), "held sideways: the EXIF orientation is applied"
    status, body, headers = await world.fetched(thumb["url"])
    assert (status, headers["Content-Type"], len(body)) == (200, "image/webp", thumb["sizeBytes"])


async def test_too_large_becomes_skipped(world: World) -> None:
    media = world.simulator.add_sample("pdf", size_bytes=LIMIT_BYTES + 1)
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)

    document = await world.ended(message.id)

    assert document["media"]["status"] == "skipped"
    assert document["media"]["failure"]["code"] == "media_too_large"
    assert world.simulator.requests.downloads(media.id) == 0
    shown = await agreed(world, document)
    assert "original" not in shown["media"]
    async with world.api.get(f"/api/messages/{shown['id']}/content/original", allow_redirects=False) as response:
        assert (response.status, (await response.json())["code"]) == (410, "media_too_large")


async def test_expired_becomes_failed(world: World) -> None:
    eight_days_ago = int(world.simulator.clock.now()) - 8 * 86400
    message = await world.send(
        "still-sticker", seed=102, faults=[Fault(name=FaultName.EXPIRED)], timestamp=eight_days_ago
    )

    document = await world.ended(message.id)

    assert document["media"]["status"] == "failed"
    assert document["media"]["failure"]["code"] == "media_expired"
    assert document["media"]["failure"]["stage"] == "ingest"
    shown = await agreed(world, document)
    async with world.api.get(f"/api/messages/{shown['id']}/content/original", allow_redirects=False) as response:
        assert (response.status, (await response.json())["code"]) == (410, "media_expired")


async def test_corrupt_heals_on_the_third_try(world: World) -> None:
    message = await world.send("photo", seed=103, faults=[Fault(name=FaultName.CORRUPT, times=2)])

    document = await world.ended(message.id)

    assert document["media"]["status"] == "ready"
    assert document["media"]["attempts"] == 3
    assert "failure" not in document["media"]
    shown = await agreed(world, document)
    status, _, _ = await world.fetched(shown["media"]["original"]["url"])
    assert status == 200
    waiting = [f["media"] for f in world.frames.of(message.id) if "nextAttemptAt" in f["media"]]
    assert [(m["status"], m["failure"]["code"], m["attempts"]) for m in waiting] == [
        ("pending", "media_corrupt", 1),
        ("pending", "media_corrupt", 2),
    ]


async def test_preview_failure_keeps_the_original(world: World) -> None:
    broken = SAMPLES["photo"].read()[:600]
    media = world.simulator.add_media(broken, kind=SAMPLES["photo"].kind, mime_type="image/jpeg")
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)

    document = await world.ended(message.id)

    assert document["media"]["status"] == "failed"
    assert document["media"]["failure"]["stage"] == "preview"
    assert document["media"]["failure"]["code"] == "preview_unreadable"
    shown = await agreed(world, document)
    assert (await world.fetched(shown["media"]["original"]["url"]))[:2] == (200, broken)
    async with world.api.get(f"/api/messages/{shown['id']}/content/original", allow_redirects=False) as response:
        assert response.status == 302


async def test_a_retry_by_the_operator_really_downloads_again(world: World) -> None:
    message = await world.send("voice", seed=104, faults=[Fault(name=FaultName.UNAUTHORIZED)])
    failed = await world.ended(message.id)
    assert failed["media"]["failure"]["code"] == "provider_auth"
    await agreed(world, failed)
    media = world.simulator.media[-1]
    world.simulator.faults.put(media.id)

    async with world.api.post(f"/api/messages/{failed['_id']}/retry") as response:
        assert response.status == 202
        assert (await response.json())["media"]["status"] == "pending"

    await world.framed(message.id, "ready")
    document = await world.ended(message.id)
    assert document["media"]["status"] == "ready"
    assert world.simulator.requests.downloads(media.id) == 1
    lines = await world.logged(message.id, revision=document["media"]["revision"])
    assert {line["service"] for line in lines} == set(world.stack.names), "the media-server tells of its change too"


async def test_the_same_webhook_twice_is_one_document_and_one_download(world: World) -> None:
    media = world.simulator.add_sample("photo", size_bytes=40_000, seed=105)
    message = world.simulator.message(world.simulator.attachment(media))

    await world.deliver(message, message)
    await world.deliver(message)
    marker = await world.send("zip", seed=106)
    await world.ended(marker.id)

    document = await world.ended(message.id)
    assert document["media"]["status"] == "ready"
    assert document["media"]["revision"] == 3
    assert world.messages.count_documents({"messageId": message.id}) == 1
    assert world.simulator.requests.downloads(media.id) == 1


async def test_the_same_picture_from_two_customers_is_one_original_one_download_two_documents(world: World) -> None:
    grace = Customer(name="Grace", wa_id="15550108888", user_id="US.10000000000000000002")
    first, second = (world.simulator.add_sample("photo", size_bytes=40_000, seed=107) for _ in range(2))
    messages = [
        world.simulator.message(world.simulator.attachment(first)),
        world.simulator.message(world.simulator.attachment(second), sender=grace),
    ]

    await world.deliver(*messages)

    documents = [await world.ended(message.id) for message in messages]
    assert [document["media"]["status"] for document in documents] == ["ready", "ready"]
    assert len({document["_id"] for document in documents}) == 2
    assert len({document["conversationId"] for document in documents}) == 2
    assert len({document["media"]["storage"]["original"]["key"] for document in documents}) == 1
    assert [path.name for path in world.originals()].count(f"{first.sha256}.jpg") == 1
    assert world.simulator.requests.downloads(first.id) + world.simulator.requests.downloads(second.id) == 1


async def test_a_status_set_to_pending_by_hand_is_picked_up(world: World) -> None:
    message = await world.send("zip", seed=108, faults=[Fault(name=FaultName.UNAUTHORIZED)])
    failed = await world.ended(message.id)
    world.simulator.faults.put(world.simulator.media[-1].id)

    world.messages.update_one({"_id": failed["_id"]}, {"$set": {"media.status": "pending"}})

    await world.framed(message.id, "ready")
    assert (await world.ended(message.id))["media"]["status"] == "ready"
