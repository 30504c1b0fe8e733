"""A running local stack on servers of its own, one of which is a RabbitMQ that Prometheus can scrape."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack import infrastructure
from tests.e2e.world import World, running_world
from tests.infrastructure import TestServers
from tests.monitoring.prometheus import Prometheus, Targets, prometheus, targets_of

BODY_BYTES = 65_536
"""The largest webhook of these worlds: small, so that the room for bodies is soon full."""


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """The stack, and the addresses that Prometheus scrapes."""

    world: World
    targets: Targets


@asynccontextmanager
async def monitored(folder: Path, **changed: str) -> AsyncIterator[Monitored]:
    """Everything but Prometheus, until the block is left. `changed` are settings of the services."""
    async with infrastructure(
        folder / "servers", lambda _: None, management=True, metrics=True, disposable=True
    ) as servers:
        assert servers.rabbitmq_management_url is not None
        given = TestServers(
            rabbitmq_url=servers.rabbitmq_url,
            rabbitmq_management_url=servers.rabbitmq_management_url,
            mongodb_uri=servers.mongodb_uri,
            embedded=servers,
        )
        settings = {"WEBHOOK_MAX_BODY_BYTES": str(BODY_BYTES), **changed}
        async with running_world(given, folder / "world", **settings) as world:
            yield Monitored(world=world, targets=targets_of(world, rabbitmq_metrics_url=servers.rabbitmq_metrics_url))


@asynccontextmanager
async def watched(folder: Path, **changed: str) -> AsyncIterator[tuple[World, Prometheus]]:
    """The same with a Prometheus that has scraped everything at least once."""
    async with monitored(folder, **changed) as stack, prometheus(folder, stack.targets) as prom:
        wanted = sum(map(len, stack.targets.values())) + 1  # itself
        await prom.until(f"count(up == 1) == {wanted}")
        yield stack.world, prom
