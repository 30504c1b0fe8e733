"""The four services at once, without their servers or with one that takes nothing: they wait, say for what, go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pymongo import MongoClient

from local_stack import Infrastructure
from local_stack.demo.secrets import DemoSecrets, environment
from shared.broker.publisher import CONFIRM_SECONDS
from tests.alarms import memory_alarm
from tests.amqp import until
from tests.contract.processes import ServiceProcess, service
from tests.infrastructure import TestServers
from whatsapp_simulator import Simulator
from whatsapp_simulator.webhooks import Message

GATEWAY, MEDIA_SERVER, INGESTOR, PREVIEWER = "webhook_gateway", "media_server", "ingestor", "previewer"
SERVICES = (GATEWAY, MEDIA_SERVER, INGESTOR, PREVIEWER)
WITH_DATABASE = (MEDIA_SERVER, INGESTOR, PREVIEWER)
FOR_RABBITMQ = "start RabbitMQ, or correct RABBITMQ_URL"
FOR_MONGODB = "start MongoDB, or correct MONGODB_URI"
ALARM = "memory or disk alarm"
eventually = partial(until, seconds=60)  # machines are busy with other things too


@dataclass(frozen=True, kw_only=True)
class Services:
    """The running processes, and what they stand on."""

    processes: Mapping[str, ServiceProcess]
    servers: Infrastructure
    meta: Simulator
    database_name: str
    client: aiohttp.ClientSession

    async def problems(self, name: str) -> dict[str, str]:
        """What the service's readiness complains of."""
        async with self.client.get(f"{self.processes[name].url}/readyz") as response:
            checks = (await response.json())["checks"]
        wrong = {check: str(answer["error"]) for check, answer in checks.items() if not answer["ok"]}
        assert (response.status == 200) == (not wrong)
        return wrong

    async def ready(self) -> bool:
        """All four."""
        return not any(await asyncio.gather(*(self.problems(name) for name in SERVICES)))

    async def complain_of(self, check: str, text: str, names: tuple[str, ...]) -> bool:
        """Each of these, with this text."""
        found = await asyncio.gather(*(self.problems(name) for name in names))
        return all(text in problems.get(check, "") for problems in found)

    async def have_said(self, event: str, names: tuple[str, ...], *, next_step: str | None = None) -> bool:
        """Each of these, in its log."""
        lines = [self._said(name, event) for name in names]
        return all(lines) and all(next_step is None or next_step in str(each[-1].get("next")) for each in lines)

    def _said(self, name: str, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.processes[name].log_entries() if entry["event"] == event]

    async def make_ready(self, sample: str, *, seed: int) -> None:
        """One attachment, from Meta's webhook to its preview; Meta sends again what is not answered with 200."""
        await self.send(self.announced(sample, seed=seed))

    def announced(self, sample: str, *, seed: int) -> Message:
        """A message with an attachment of its own."""
        return self.meta.message(self.meta.attachment(self.meta.add_sample(sample, size_bytes=40_000, seed=seed)))

    async def send(self, message: Message) -> None:
        """Deliver it, by as many tries as Meta makes, and wait until the attachment is ready."""
        assert (await self.meta.send(message)).accepted
        await self.arrived(message)

    async def arrived(self, message: Message) -> None:
        """Wait until its attachment is ready."""
        with MongoClient[dict[str, Any]](self.servers.mongodb_uri) as client:
            found = client[self.database_name]["messages"]

            async def is_ready() -> bool:
                return found.count_documents({"messageId": message.id, "media.status": "ready"}) == 1

            await eventually(is_ready)


@pytest.fixture
async def absent(own_servers: TestServers) -> AsyncIterator[Infrastructure]:
    """Servers that are down; up again afterwards."""
    servers = own_servers.embedded
    assert servers is not None
    await asyncio.gather(servers.rabbitmq.kill(), servers.mongodb.kill())
    try:
        yield servers
    finally:
        await asyncio.gather(servers.rabbitmq.start(), servers.mongodb.start())


@asynccontextmanager
async def four_services(servers: Infrastructure, folder: Path) -> AsyncIterator[Services]:
    made_up, name = DemoSecrets.new(), f"start-order-{folder.name}"
    async with (
        Simulator(
            app_secret=made_up.app_secret,
            verify_token=made_up.verify_token,
            access_token=made_up.access_token,
            retry_delays_seconds=(0.2, 0.5),
        ) as meta,
        aiohttp.ClientSession() as client,
        AsyncExitStack() as stack,
    ):
        settings = environment(
            made_up, meta, rabbitmq_url=servers.rabbitmq_url, mongodb_uri=servers.mongodb_uri, limit_bytes=5_000_000
        ) | {"MONGODB_DATABASE": name, "STORAGE_URL": str(folder / "uploads"), "MEDIA_RETRY_DELAYS": "1,2,3"}
        for each in SERVICES:
            (folder / each).mkdir()
        started = await asyncio.gather(
            *(stack.enter_async_context(service(each, settings, folder / each)) for each in SERVICES)
        )
        processes = dict(zip(SERVICES, started, strict=True))
        assert await meta.subscribe(f"{processes[GATEWAY].url}/webhooks/whatsapp")
        yield Services(processes=processes, servers=servers, meta=meta, database_name=name, client=client)


async def test_services_that_start_before_their_servers_and_lose_them_later_wait_say_so_and_go_on(
    absent: Infrastructure, tmp_path: Path
) -> None:
    async with four_services(absent, tmp_path) as services:
        # down at start
        await eventually(lambda: services.complain_of("rabbitmq", FOR_RABBITMQ, SERVICES))
        await eventually(lambda: services.complain_of("mongodb", FOR_MONGODB, WITH_DATABASE))
        await eventually(lambda: services.have_said("broker.waiting", SERVICES, next_step=FOR_RABBITMQ))
        await eventually(lambda: services.have_said("database.waiting", WITH_DATABASE, next_step=FOR_MONGODB))

        # one comes, then the other
        await absent.mongodb.start()
        await eventually(lambda: services.have_said("database.ready", WITH_DATABASE))
        assert not await services.ready()
        await absent.rabbitmq.start()
        await eventually(services.ready)
        await services.make_ready("photo", seed=1)

        # both go away in mid-flight and come back, the database as one that has no indexes
        with MongoClient[dict[str, Any]](absent.mongodb_uri) as client:
            messages = client[services.database_name]["messages"]
            indexes = set(messages.index_information())
            messages.drop_indexes()
        await asyncio.gather(absent.rabbitmq.kill(), absent.mongodb.kill())
        await eventually(lambda: services.complain_of("rabbitmq", FOR_RABBITMQ, SERVICES))
        await eventually(lambda: services.complain_of("mongodb", FOR_MONGODB, WITH_DATABASE))
        await eventually(lambda: services.have_said("broker.lost", SERVICES, next_step=FOR_RABBITMQ))
        await eventually(lambda: services.have_said("database.lost", WITH_DATABASE, next_step=FOR_MONGODB))
        await asyncio.gather(absent.rabbitmq.start(), absent.mongodb.start())
        await eventually(services.ready)
        await eventually(lambda: services.have_said("broker.reconnected", SERVICES))
        await eventually(lambda: services.have_said("database.back", WITH_DATABASE))
        with MongoClient[dict[str, Any]](absent.mongodb_uri) as client:
            assert set(client[services.database_name]["messages"].index_information()) == indexes
        await services.make_ready("photo", seed=2)

    assert {process.stderr.read_text() for process in services.processes.values()} == {""}


async def test_an_alarm_of_the_broker_is_said_by_all_who_publish_and_costs_nothing(
    own_servers: TestServers, tmp_path: Path
) -> None:
    assert own_servers.embedded is not None
    async with four_services(own_servers.embedded, tmp_path) as services:
        await eventually(services.ready)
        ingestor = services.processes[INGESTOR].pid
        accepted, refused = services.announced("photo", seed=3), services.announced("photo", seed=4)
        os.kill(ingestor, signal.SIGSTOP)  # it has the event in hand when the alarm is raised
        assert (await services.meta.send(accepted)).accepted

        async with memory_alarm(own_servers):
            os.kill(ingestor, signal.SIGCONT)
            delivery = await services.meta.send(refused)
            assert set(delivery.statuses) == {503}
            assert max(delivery.seconds[1:]) < CONFIRM_SECONDS / 2, "nobody waits for a confirm that cannot come"
            await eventually(lambda: services.complain_of("rabbitmq", ALARM, (GATEWAY, INGESTOR)))
            await eventually(lambda: services.have_said("broker.blocked", (GATEWAY, INGESTOR), next_step="free memory"))

        await eventually(services.ready)
        await services.arrived(accepted)
        await services.send(refused)  # as Meta does, for days
        await eventually(lambda: services.have_said("broker.unblocked", (GATEWAY, INGESTOR)))
