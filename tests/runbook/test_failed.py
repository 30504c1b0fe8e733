"""An attachment failed: found, retried, followed; what passes by itself; what is too large; what has no preview."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.world import LIMIT_BYTES, World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import MEDIA_ID, NUMBER, failed, metric, number_with_token, ready, said, send, with_status
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.files import SAMPLES

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILURE = "Failed to ingest WhatsApp media"


async def test_a_failure_is_in_the_log_in_the_list_and_on_the_operators_screen(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=70_100)

    assert trouble.wamid in (await runbook.run("failed-log")).stdout
    assert trouble.id in (await runbook.run("failed-list")).stdout

    line = await said(live, "ingestor", FAILURE, messageId=trouble.wamid)
    assert line["conversationId"] == trouble.document["conversationId"]
    assert (line["providerStatus"], line["providerCode"]) == (400, 131052)
    frames = await live.framed(trouble.wamid, "failed")
    assert len(frames[-1]["media"]["failure"]["message"]) > 20, "the pill has a text"


async def test_one_is_retried_and_followed_until_it_is_ready(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=70_110)

    await runbook.run("retry-one", replace={MEDIA_ID: trouble.id})

    await ready(live, trouble.wamid)
    await live.logged(trouble.wamid, revision=(live.document(trouble.wamid) or {})["media"]["revision"])
    ran = await runbook.run("follow-one", replace={MEDIA_ID: trouble.id})
    assert '"status": "ready"' in ran.stdout
    assert live.simulator.requests.downloads(trouble.media.id) == 1


async def test_the_operators_retry_button_does_the_same(live: World) -> None:
    trouble = await failed(live, seed=70_120)

    async with live.api.post(f"/api/messages/{trouble.id}/retry") as response:
        assert response.status == 202

    await ready(live, trouble.wamid)


async def test_all_that_failed_is_retried(live: World, runbook: Runbook) -> None:
    several = [await failed(live, seed=70_130 + number) for number in range(3)]

    await runbook.run("retry-failed", replace={NUMBER: several[0].document["phoneNumberId"]})

    for each in several:
        await ready(live, each.wamid)


async def test_a_status_set_to_pending_by_hand_begins_anew(live: World) -> None:
    """What the block pending-by-hand does in Compose's mongosh."""
    trouble = await failed(live, seed=70_140)

    live.messages.update_one({"_id": trouble.id}, {"$set": {"media.status": "pending"}})

    assert (await ready(live, trouble.wamid))["media"]["attempts"] == 1


async def test_an_expired_link_of_metas_costs_nothing(live: World) -> None:
    message = await live.send("photo", seed=70_150, faults=[Fault(name=FaultName.EXPIRED, at=Step.DOWNLOAD, times=1)])
    media = live.simulator.media[-1]

    await ready(live, message.id)

    assert live.simulator.requests.metadata(media.id) >= 2


async def test_what_passes_by_itself_is_tried_again(live: World) -> None:
    message = await live.send("photo", seed=70_160, faults=[Fault(name=FaultName.SERVER_ERROR, times=1)])

    await ready(live, message.id)

    line = await said(live, "ingestor", FAILURE, messageId=message.id)
    assert line["providerStatus"] >= 500
    assert line["willRetry"] is True
    assert line["deadline"]


async def test_what_meta_deletes_soon_is_counted(live: World, runbook: Runbook) -> None:
    number = await number_with_token(live, "200300400500921", "EAAfirstTokenOfThisNumber")
    live.simulator.tokens.replace(number.phone_number_id, "EAAsecondTokenOfThisNumber")
    message = await send(live, number, seed=70_170)
    await live.ended(message.id)
    soon = datetime.now(UTC) + timedelta(hours=23)
    live.messages.update_one({"messageId": message.id}, {"$set": {"media.deadline": soon}})

    await metric(live, "media-server", 'attache_media_at_risk{hours="24"}', lambda value: value == 1)
    await runbook.run("at-risk")

    await number_with_token(live, number.phone_number_id, "EAAsecondTokenOfThisNumber")
    await ready(live, message.id)
    await metric(live, "media-server", 'attache_media_at_risk{hours="24"}', lambda value: value == 0)


async def test_a_file_that_is_too_large_is_skipped_and_says_so(live: World, runbook: Runbook) -> None:
    media = live.simulator.add_sample("pdf", size_bytes=LIMIT_BYTES + 10)
    message = live.simulator.message(live.simulator.attachment(media))
    await live.deliver(message)
    skipped = await live.ended(message.id)
    assert skipped["media"]["status"] == "skipped"
    shown = (await live.shown(skipped["_id"]))["media"]["failure"]["message"]
    assert str(LIMIT_BYTES + 10) in shown
    assert str(LIMIT_BYTES) in shown
    revision = skipped["media"]["revision"]

    await runbook.run("retry-large")

    await live.logged(message.id, revision=revision + 2)
    assert (await with_status(live, message.id, "skipped"))["media"]["revision"] > revision
    assert live.simulator.requests.downloads(media.id) == 0


async def test_originals_are_served_while_the_previewer_is_away(live: World) -> None:
    await live.stack.terminate("previewer")
    try:
        waiting = await live.send("photo", seed=70_180)
        document = await with_status(live, waiting.id, "stored")
        shown = await live.shown(document["_id"])
        assert (await live.fetched(shown["media"]["original"]["url"]))[0] == 200
    finally:
        await live.stack.start("previewer")
    await ready(live, waiting.id)


async def test_a_preview_that_fails_says_why_and_leaves_the_original(live: World, runbook: Runbook) -> None:
    broken = SAMPLES["photo"].read()[:700]
    media = live.simulator.add_media(broken, kind=SAMPLES["photo"].kind, mime_type="image/jpeg")
    message = live.simulator.message(live.simulator.attachment(media))
    await live.deliver(message)
    document = await live.ended(message.id)
    assert (document["media"]["status"], document["media"]["failure"]["stage"]) == ("failed", "preview")
    shown = await live.shown(document["_id"])
    status, body, _ = await live.fetched(shown["media"]["original"]["url"])
    assert (status, body) == (200, broken)

    assert message.id in (await runbook.run("preview-log")).stdout
    await runbook.run("retry-previews")

    await live.logged(message.id, revision=document["media"]["revision"] + 2)
    assert (await with_status(live, message.id, "failed"))["media"]["failure"]["code"] == "preview_unreadable"
