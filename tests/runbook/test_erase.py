"""Erase for good."""

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import MEDIA_ID, ready
from whatsapp_simulator.webhooks import Customer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_everything_of_a_sender_goes(live: World, runbook: Runbook) -> None:
    sender = Customer(wa_id="15550102031", name="Grace Example")
    message = await live.send("photo", sender=sender, seed=76_100)
    document = await ready(live, message.id)

    await runbook.run("erase-sender", replace={"15550102030": sender.wa_id or ""})

    assert live.document(message.id) is None
    assert not (live.uploads / document["media"]["storage"]["original"]["key"]).exists()


async def test_a_sender_nobody_knows_is_said_and_changes_nothing(live: World, runbook: Runbook) -> None:
    ran = await runbook.run("erase-sender", replace={"15550102030": "15550999999"}, code=1, shown=False)

    assert "Nothing of this sender is stored here" in ran.seen


async def test_a_conversation_and_a_single_attachment_go(live: World, runbook: Runbook) -> None:
    sender = Customer(wa_id="15550102032", name="Grace Example")
    talk = await ready(live, (await live.send("photo", sender=sender, seed=76_110)).id)
    single = await ready(live, (await live.send("photo", seed=76_111)).id)

    await runbook.run("erase-others", replace={"c7k2exampleid": talk["conversationId"], MEDIA_ID: single["_id"]})

    assert live.messages.count_documents({"_id": {"$in": [talk["_id"], single["_id"]]}}) == 0
