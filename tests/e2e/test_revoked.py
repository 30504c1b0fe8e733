"""A customer deletes the message: with `WHATSAPP_ON_REVOKE=erase` its attachment goes, and does not come back."""

import pytest

from tests.e2e.world import World, running_world
from tests.infrastructure import TestServers
from whatsapp_simulator.contents import Revoke


def deletions_handled(world: World) -> int:
    handled = [line for line in world.stack.log_entries("ingestor") if line.get("event") == "event.handled"]
    return sum(line["queue"] == "ingestor.message-revoked" for line in handled)


async def test_a_revoked_attachment_is_erased_and_a_late_repeat_of_its_webhook_brings_nothing_back(
    servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with running_world(servers, tmp_path_factory.mktemp("revoked"), WHATSAPP_ON_REVOKE="erase") as world:
        message = await world.send("photo", seed=80_001)
        document = await world.ended(message.id)
        assert len(world.originals()) == 1

        await world.deliver(world.simulator.message(Revoke(original_message_id=message.id)))

        await world.until(lambda: world.document(message.id) is None or None)
        await world.until(lambda: not world.originals() or None)
        erased = {"type": "message_erased", "id": document["_id"]}
        await world.until(lambda: erased in world.frames.received or None)
        await world.deliver(message)
        marker = await world.send("zip", seed=80_002)
        await world.ended(marker.id)
        assert world.document(message.id) is None

        unseen = world.simulator.message(world.simulator.attachment(world.simulator.add_sample("photo", seed=80_003)))
        await world.deliver(world.simulator.message(Revoke(original_message_id=unseen.id)))
        await world.until(lambda: deletions_handled(world) == 2 or None)
        await world.deliver(unseen)
        marker = await world.send("zip", seed=80_004)
        await world.ended(marker.id)
        assert world.document(unseen.id) is None, "its deletion came first"
