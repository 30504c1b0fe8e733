"""Dead letters: listed, shown, replayed, purged, on the command line and over HTTP; webhooks that nobody understood."""

import json
import re
import secrets

import aio_pika
import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import MEDIA_ID, NUMBER, REFUSED, Failed, failed, ready, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

LETTER = "9358eba55dde40d8ae9e731e52cc9139"
ID, FAILED_AT = r"--- \d+ of \d+ +(\w+)", "x-failed-at: (.*)"
INGEST, UNREADABLE = "ingestor.media-received", "webhook-gateway.unreadable"


async def waiting(world: World, queue: str) -> int:
    """Letters in this queue."""
    async with await aio_pika.connect(world.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(f"{queue}.dlq", passive=True)
        return declared.declaration_result.message_count or 0


async def about(runbook: Runbook, trouble: Failed, pattern: str) -> str:
    """What the letter of this attachment says, as a person reads it."""
    shown = await runbook.run("dlq-show", replace={MEDIA_ID: trouble.id})
    found: str = re.findall(pattern, shown.stdout)[-1]  # the last one shown: those before it were not asked for by id
    return found


async def test_letters_are_listed_shown_and_replayed(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=72_100)

    await runbook.run("dlq")
    shown = await runbook.run("dlq-show", replace={MEDIA_ID: trouble.id})
    assert trouble.wamid in shown.stdout
    await runbook.run("dlq-replay")

    await ready(live, trouble.wamid)
    assert "provider_rejected" not in (await runbook.run("dlq", shown=False)).stdout


async def test_some_letters_are_chosen_and_replayed_slowly(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=72_110)

    await runbook.run("dlq-replay-some", replace={NUMBER: trouble.document["phoneNumberId"], "12h": "0s"})

    await ready(live, trouble.wamid)


async def test_purged_letters_are_gone_and_their_attachments_can_still_be_retried(
    live: World, runbook: Runbook
) -> None:
    several = [await failed(live, seed=72_120 + number) for number in range(2)]
    letter = await about(runbook, several[0], ID)

    await runbook.run("dlq-purge", replace={LETTER: letter})

    assert await waiting(live, INGEST) == 0
    await runbook.run("retry-failed", replace={NUMBER: several[0].document["phoneNumberId"]}, shown=False)
    for each in several:
        await ready(live, each.wamid)


async def test_letters_are_listed_and_replayed_over_http(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=72_130)

    await runbook.run("dlq-http")

    await ready(live, trouble.wamid)


async def test_a_parked_webhook_is_shown_and_replayed(live: World, runbook: Runbook) -> None:
    body = json.dumps({"object": "whatsapp_business_account", "entry": secrets.token_hex(4)}).encode()
    delivery = await live.simulator.send_body(body)
    assert delivery.accepted
    await said(live, "webhook-gateway", "webhook.parked")

    assert json.loads(body)["entry"] in (await runbook.run("unreadable-show")).stdout
    await runbook.run("unreadable-replay")

    # nothing understands it yet: it comes back as a new letter
    async def is_back() -> bool | None:
        return True if await waiting(live, UNREADABLE) else None

    await live.until_told(is_back)


async def test_what_is_refused_again_has_a_newer_letter(live: World, runbook: Runbook) -> None:
    trouble = await failed(live, seed=72_140)
    live.simulator.faults.put(trouble.media.id, REFUSED)
    before = await about(runbook, trouble, FAILED_AT)

    await runbook.run("dlq-replay")
    await live.logged(trouble.wamid, revision=trouble.document["media"]["revision"] + 2)

    async def newer() -> bool | None:
        shown = await runbook.run("dlq-show", replace={MEDIA_ID: trouble.id}, code=None, shown=False)
        found = re.findall(FAILED_AT, shown.stdout) if trouble.wamid in shown.stdout else []
        return True if found and found[-1] > before else None

    await live.until_told(newer)
    live.simulator.faults.put(trouble.media.id)
    await runbook.run("dlq-replay")
    await ready(live, trouble.wamid)
