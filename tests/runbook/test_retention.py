"""Retention."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.world import JSON, World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import NUMBER, ready

pytestmark = pytest.mark.asyncio(loop_scope="session")


def aged(live: World, document: JSON, *, days: int) -> None:
    """As if it had been sent so long ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    fields = {"sentAt": then, "receivedAt": then, "media.deadline": then + timedelta(days=7)}
    live.messages.update_one({"_id": document["_id"]}, {"$set": fields})


async def test_what_is_old_is_shown_then_goes_and_does_not_come_back(live: World, runbook: Runbook) -> None:
    message, younger = await live.send("photo", seed=77_100), await live.send("photo", seed=77_101)
    old, young = await ready(live, message.id), await ready(live, younger.id)
    aged(live, old, days=100)

    await runbook.run("retention-show", replace={NUMBER: live.simulator.number.phone_number_id})
    assert live.document(message.id) is not None
    await runbook.run("retention-apply")

    assert live.document(message.id) is None
    assert not (live.uploads / old["media"]["storage"]["original"]["key"]).exists()
    assert (await live.ended(younger.id))["_id"] == young["_id"]
    await live.deliver(message)  # Meta repeats its webhook
    after = await live.send("photo", seed=77_102)
    await ready(live, after.id)

    def dropped() -> bool | None:
        lines = live.stack.log_entries("ingestor")
        return any(each["event"] == "media.erased_before" and each["messageId"] == message.id for each in lines) or None

    await live.until(dropped)
    assert live.document(message.id) is None
