"""RabbitMQ or MongoDB is down, has raised an alarm, or is lost with all that it held."""

import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from local_stack import Infrastructure
from tests.alarms import memory_alarm
from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from tests.runbook.runner import Runbook
from tests.runbook.scenes import failed, number_with_token, ready, said, send
from whatsapp_simulator.faults import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITH_DATABASE = ("ingestor", "previewer", "media-server")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def shaky(own_servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running Attache whose servers may be broken."""
    folder = tmp_path_factory.mktemp("shaky")
    async with running_world(own_servers, folder / "data", MEDIA_RETRY_DELAYS="1,600") as world:
        yield world


@pytest.fixture(scope="module")
def shaky_runbook(shaky: World, runbook_of: Callable[[World], Runbook]) -> Runbook:
    return runbook_of(shaky)


@pytest.fixture
def infrastructure(own_servers: TestServers) -> Infrastructure:
    assert own_servers.embedded is not None
    return own_servers.embedded


async def all_ready(world: World) -> None:
    """Every service says so."""
    async with aiohttp.ClientSession() as client:

        async def is_ready() -> bool | None:
            for name in world.stack.names:
                async with client.get(f"{world.stack.url(name)}/readyz") as response:
                    if response.status != 200:
                        return None
            return True

        await world.until_told(is_ready, seconds=60)


async def events(world: World, service: str, event: str, *, more_than: int) -> None:
    """Wait until the log of this service has more such lines."""

    def logged() -> bool | None:
        return True if count(world, service, event) > more_than else None

    await world.until(logged, seconds=60)


def count(world: World, service: str, event: str) -> int:
    """Such lines in its log."""
    return sum(entry["event"] == event for entry in world.stack.log_entries(service))


async def test_a_server_that_is_down_is_named_and_all_goes_on_when_it_is_back(
    shaky: World, shaky_runbook: Runbook, infrastructure: Infrastructure
) -> None:
    await infrastructure.rabbitmq.kill()
    await said(shaky, "ingestor", "broker.lost")
    await said(shaky, "webhook-gateway", "broker.lost")

    await shaky_runbook.run("down-ready")

    await infrastructure.rabbitmq.start()
    await said(shaky, "ingestor", "broker.reconnected")
    await said(shaky, "webhook-gateway", "broker.reconnected")
    await all_ready(shaky)
    await shaky_runbook.run("down-log")
    await ready(shaky, (await shaky.send("photo", seed=75_100)).id)


async def test_webhooks_are_accepted_while_mongodb_is_down(shaky: World, infrastructure: Infrastructure) -> None:
    await infrastructure.mongodb.kill()
    await said(shaky, "ingestor", "database.lost")
    message = await shaky.send("photo", seed=75_110)

    await infrastructure.mongodb.start()

    await ready(shaky, message.id)


async def test_an_alarm_is_named_and_nothing_is_restarted_when_it_is_over(
    shaky: World, shaky_runbook: Runbook, own_servers: TestServers
) -> None:
    media = shaky.simulator.add_sample("photo", size_bytes=40_000, seed=75_120)
    message = shaky.simulator.message(shaky.simulator.attachment(media))
    async with memory_alarm(own_servers):
        assert set((await shaky.simulator.send(message)).statuses) == {503}
        await said(shaky, "webhook-gateway", "broker.blocked")
        await shaky_runbook.run("alarm-log")

    await said(shaky, "webhook-gateway", "broker.unblocked")
    await all_ready(shaky)
    await shaky_runbook.run("alarm-over-log")
    await shaky.deliver(message)
    await ready(shaky, message.id)


async def test_what_had_a_document_comes_back_when_rabbitmq_has_lost_everything(
    shaky: World, shaky_runbook: Runbook, own_servers: TestServers, infrastructure: Infrastructure
) -> None:
    waiting = await shaky.send("photo", seed=75_130, faults=[Fault(name=FaultName.SERVER_ERROR, times=2)])
    await with_next_attempt(shaky, waiting.id, attempts=2)
    given_up = await failed(shaky, seed=75_131)
    # one that was accepted and has no document yet
    await shaky.stack.terminate("ingestor")
    lost = await shaky.send("photo", seed=75_132)
    before = {name: count(shaky, name, "broker.reconnected") for name in shaky.stack.names}
    await infrastructure.rabbitmq.kill()
    empty(Path(infrastructure.rabbitmq.program.environment["RABBITMQ_MNESIA_BASE"]))
    await infrastructure.rabbitmq.start()
    await virtual_host(shaky, own_servers)
    await shaky.stack.start("ingestor")

    for name in ("webhook-gateway", "previewer", "media-server"):
        await events(shaky, name, "broker.reconnected", more_than=before[name])
    await all_ready(shaky)
    # what the block hurry-stranded does in Compose's mongosh
    shaky.messages.update_many({"media.status": {"$in": ["pending", "stored"]}}, {"$unset": {"media.wakeAt": ""}})
    await ready(shaky, waiting.id)
    (lost_id,) = ids(shaky, lost.id)
    ran = await shaky_runbook.run("lost-attachments")
    assert ran.stdout.split("\n")[0].split()[0] == lost_id
    assert len(ran.stdout.splitlines()) == 1
    await shaky_runbook.run("retry-failed", replace={"106540352242922": given_up.document["phoneNumberId"]})
    await ready(shaky, given_up.wamid)
    await ready(shaky, (await shaky.send("photo", seed=75_133)).id)


async def test_an_empty_mongodb_takes_numbers_and_attachments_again(
    shaky: World, shaky_runbook: Runbook, infrastructure: Infrastructure
) -> None:
    number = await number_with_token(shaky, "200300400500931", "EAAtokenOfTheNumber931")
    await ready(shaky, (await send(shaky, number, seed=75_140)).id)
    for name in WITH_DATABASE:
        await shaky.stack.terminate(name)
    await infrastructure.mongodb.kill()
    argv = list(infrastructure.mongodb.program.argv)
    empty(Path(argv[argv.index("--dbpath") + 1]))
    meanwhile = await send(shaky, number, seed=75_141)  # waits in RabbitMQ

    await infrastructure.mongodb.start()
    for name in WITH_DATABASE:
        await shaky.stack.start(name)

    await all_ready(shaky)
    tried = await with_next_attempt(shaky, meanwhile.id, attempts=2)  # with the token of the default instance
    await number_with_token(shaky, number.phone_number_id, "EAAtokenOfTheNumber931")
    await shaky_runbook.run("retry-one", replace={"m7k2exampleid": tried["_id"]})
    await ready(shaky, meanwhile.id)
    fresh = await send(shaky, number, seed=75_142)
    await ready(shaky, fresh.id)
    assert number.phone_number_id in (await shaky_runbook.run("instances", shown=False)).stdout
    indexes = shaky.messages.index_information()
    assert len(indexes) > 1, "they are made anew"


async def with_next_attempt(world: World, wamid: str, *, attempts: int) -> JSON:
    """The document, once it waits for a later attempt."""

    def found() -> JSON | None:
        document = world.document(wamid)
        if document is None or document["media"].get("nextAttemptAt") is None:
            return None
        return document if document["media"]["attempts"] == attempts else None

    return await world.until(found)


def ids(world: World, wamid: str) -> Sequence[str]:
    """Our ids of this message, from the gateway's log."""
    lines = world.stack.log_entries("webhook-gateway")
    return sorted({line["mediaId"] for line in lines if line.get("messageId") == wamid and "mediaId" in line})


def empty(folder: Path) -> None:
    """As a new disk."""
    shutil.rmtree(folder)
    folder.mkdir()


async def virtual_host(world: World, servers: TestServers) -> None:
    """This world's, as Compose makes `/` in a new RabbitMQ."""
    name = urlsplit(world.settings["RABBITMQ_URL"]).path.removeprefix("/")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    headers = {"Authorization": aiohttp.encode_basic_auth("guest", "guest")}
    async with aiohttp.ClientSession(f"{servers.rabbitmq_management_url}/api/", headers=headers) as management:

        async def answers() -> bool | None:
            try:
                async with management.put(f"vhosts/{name}") as response:
                    return True if response.status < 300 else None
            except aiohttp.ClientError:
                return None

        await world.until_told(answers)
        async with management.put(f"permissions/{name}/guest", json=everything) as response:
            assert response.status < 300
