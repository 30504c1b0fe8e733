"""A number whose media come slowly does not hold the others."""

import pytest

from tests.e2e.world import World
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.webhooks import BusinessNumber

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = BusinessNumber(phone_number_id="200300400500777", display_phone_number="15550100777")
ATTACHMENTS = 40  # more than twice what the ingestor takes at once


async def test_another_numbers_attachment_is_ready_while_a_slow_number_waits(world: World) -> None:
    world.simulator.add_number(SLOW, access_token=world.settings["WHATSAPP_ACCESS_TOKEN"])
    slow = Fault(name=FaultName.SLOW, at=Step.DOWNLOAD, delay_seconds=12)
    media = [
        world.simulator.add_sample("zip", size_bytes=40_000, seed=30_000 + n, number=SLOW, faults=[slow])
        for n in range(ATTACHMENTS)
    ]
    messages = [world.simulator.message(world.simulator.attachment(one)) for one in media]
    await world.deliver(*messages)
    held = {"messageId": {"$in": [message.id for message in messages]}, "media.status": "pending"}
    await world.until(lambda: world.messages.count_documents(held) >= 12 or None)

    other = await world.send("zip", seed=31_000)

    assert (await world.ended(other.id))["media"]["status"] == "ready"
    assert world.messages.count_documents(held) > 0, "the slow ones are still waiting"
    for one in media:
        world.simulator.faults.put(one.id)
    documents = [await world.ended(message.id, seconds=60) for message in messages]
    assert {document["media"]["status"] for document in documents} == {"ready"}
    assert {document["media"]["attempts"] for document in documents} == {1}, "waiting for a turn is no attempt"
