"""The running system of one run: servers, ways, Meta, six services, and an operator."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack import Infrastructure, Service, Stack, infrastructure, stack
from local_stack.demo.secrets import DemoSecrets, environment
from local_stack.folder import prepare_folder
from local_stack.guard import open_guard
from tests.chaos.actions import SIDES
from tests.chaos.attachments import LIMIT_BYTES
from tests.chaos.disk import Disk, small_disk
from tests.chaos.machines import Machine, machines_of
from tests.chaos.meta import DEFAULT, OWN, Announced, announce, simulator_for
from tests.chaos.operator import Operator
from tests.chaos.plan import Plan
from tests.chaos.ways import Way, ways_to
from whatsapp_simulator import Simulator

DATABASE = "chaos"
_MODULES = {"webhook-gateway": "webhook_gateway", "media-server": "media_server"}
_START_SECONDS = 120.0  # a service is ready when its servers are, and those may be down just now
_YOUNG_QUEUES_SECONDS = 2.0  # RabbitMQ 3.10 loses a quorum queue whose leader is killed right after it was declared


@dataclass(frozen=True, kw_only=True)
class Site:
    """All but the services: it outlives them, so that what they leave can be looked at."""

    folder: Path
    plan: Plan
    disk: Disk
    servers: Infrastructure
    ways: Mapping[str, Way]
    simulator: Simulator
    announced: tuple[Announced, ...]
    operator: Operator
    secrets: DemoSecrets
    settings: Mapping[str, str]

    @property
    def logs(self) -> Mapping[str, Path]:
        """Everything that each service has written in all of its lives, and what the operator's commands have."""
        services = {name: self.folder / side / "logs" / f"{name}.log" for side in SIDES for name in SIDES[side]}
        return {**services, "attache": self.operator.log}


@dataclass(frozen=True, kw_only=True)
class World:
    """A site with its services up. Their stops and starts leave `machines` as they are."""

    site: Site
    stacks: Mapping[str, Stack]
    machines: Mapping[str, Machine]

    def url(self, service: str) -> str:
        """Base URL of a service."""
        return next(stack.url(service) for stack in self.stacks.values() if service in stack.names)


@asynccontextmanager
async def running_site(plan: Plan, folder: Path, progress: Callable[[str], None]) -> AsyncIterator[Site]:
    """Empty servers, an empty disk, and a Meta that holds what is planned."""
    folder = prepare_folder(folder)
    await _clear(folder)
    made_up, own_token = DemoSecrets.new(), f"EAA{DemoSecrets.new().access_token}"
    tokens = {DEFAULT.phone_number_id: made_up.access_token, OWN.phone_number_id: own_token}
    async with (
        small_disk(folder / "disk", attachments=len(plan.attachments)) as disk,
        infrastructure(folder, progress, disposable=True) as servers,
        simulator_for(
            plan, app_secret=made_up.app_secret, verify_token=made_up.verify_token, tokens=tokens
        ) as simulator,
        ways_to({"rabbitmq": servers.rabbitmq_url, "mongodb": servers.mongodb_uri, "meta": simulator.base_url}) as ways,
    ):
        settings = environment(
            made_up,
            simulator,
            rabbitmq_url=servers.rabbitmq_url,
            mongodb_uri=servers.mongodb_uri,
            limit_bytes=LIMIT_BYTES,
        ) | {
            "MONGODB_DATABASE": DATABASE,
            "STORAGE_URL": str(disk.uploads),
            "STORAGE_MIN_FREE_BYTES": str(disk.floor_bytes),
            "MEDIA_RETRY_DELAYS": "1,1,2,4",
            "RECONCILE_SECONDS": "1",
            "PREVIEW_WORKERS": "1",
        }
        yield Site(
            folder=folder,
            plan=plan,
            disk=disk,
            servers=servers,
            ways=ways,
            simulator=simulator,
            announced=announce(simulator, plan),
            operator=Operator(settings, folder=folder, tokens=tokens),
            secrets=made_up,
            settings=settings,
        )


@asynccontextmanager
async def running_world(site: Site) -> AsyncIterator[World]:
    """Both sides up, the second number's token saved, Meta subscribed."""
    async with AsyncExitStack() as running:
        started = await asyncio.gather(*(_side(site, side, running) for side in SIDES))
        stacks = dict(zip(SIDES, started, strict=True))
        world = World(site=site, stacks=stacks, machines=machines_of(site.servers, stacks))
        number = OWN.phone_number_id
        await site.operator.save_token(number, site.operator.tokens[number])
        subscribed = await site.simulator.subscribe(f"{world.url('webhook-gateway')}/webhooks/whatsapp")
        assert subscribed, "the gateway did not pass Meta's handshake"
        await asyncio.sleep(_YOUNG_QUEUES_SECONDS)
        yield world


async def _side(site: Site, side: str, running: AsyncExitStack) -> Stack:
    settings = {
        **site.settings,
        "RABBITMQ_URL": site.ways[f"{side} - rabbitmq"].url,
        "MONGODB_URI": site.ways[f"{side} - mongodb"].url,
        "WHATSAPP_GRAPH_URL": site.ways[f"{side} - meta"].url,
    }
    services = [Service(name=name, module=_MODULES.get(name, name.partition("-")[0]), port=0) for name in SIDES[side]]
    context = stack(site.folder / side, settings, services=services, start_seconds=_START_SECONDS)
    return await running.enter_async_context(context)


async def _clear(folder: Path) -> None:
    """Stop what a killed run has left there, and remove its data."""
    for guarded, name in ((folder, "infrastructure"), *((folder / side, "services") for side in SIDES)):
        async with open_guard(prepare_folder(guarded), name):
            pass
    for left in ("mongodb", "rabbitmq", "logs", *SIDES):
        await asyncio.to_thread(shutil.rmtree, folder / left, ignore_errors=True)
