"""Whatever is killed in between: nothing is lost, nothing is done twice."""

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACHMENTS = 100
IN_HAND = 16  # PREFETCH


async def test_killing_the_ingestor_with_a_hundred_attachments_under_way_loses_and_doubles_nothing(
    world: World,
) -> None:
    media = [world.simulator.add_sample("photo", size_bytes=40_000, seed=1000 + n) for n in range(ATTACHMENTS)]
    messages = [world.simulator.message(world.simulator.attachment(one)) for one in media]
    wamids = [message.id for message in messages]
    for start in range(0, ATTACHMENTS, 20):
        batch = messages[start : start + 20]
        await world.deliver(*batch, *batch[:4])  # Meta repeats itself
    in_progress = {"messageId": {"$in": wamids}, "media.status": "pending"}
    await world.until(lambda: world.messages.count_documents(in_progress) or None)

    await world.stack.kill("ingestor")
    assert world.messages.count_documents({"messageId": {"$in": wamids}, "media.status": "ready"}) < ATTACHMENTS
    await world.stack.start("ingestor")

    ready = {"messageId": {"$in": wamids}, "media.status": "ready"}
    await world.until(lambda: world.messages.count_documents(ready) == ATTACHMENTS or None, seconds=60)
    assert world.messages.count_documents({"messageId": {"$in": wamids}}) == ATTACHMENTS
    names = [path.name for path in world.originals()]
    assert all(names.count(f"{one.sha256}.jpg") == 1 for one in media)
    documents = list(world.messages.find({"messageId": {"$in": wamids}}))
    assert {document["media"]["revision"] for document in documents} == {3}
    downloads = [world.simulator.requests.downloads(one.id) for one in media]
    assert max(downloads) <= 2, "one that was cut off is fetched again, and none more than that"
    assert sum(downloads) <= ATTACHMENTS + IN_HAND
