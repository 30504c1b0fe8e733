"""Fixtures for every suite. Servers start only when a test asks for one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio
from pymongo import MongoClient

from tests.infrastructure import TestServers, embedded_servers, fresh_broker, running_servers

if TYPE_CHECKING:
    from tests.e2e.world import World

collect_ignore = ["compose"]  # only `make test-compose`, which names the folder: it needs a Docker engine


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    """RabbitMQ and MongoDB of this session."""
    with running_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def own_servers() -> Iterator[TestServers]:
    """RabbitMQ and MongoDB that a test may stop, kill and block; whoever does puts them right again."""
    with embedded_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def rabbitmq_url(servers: TestServers) -> str:
    """The session's broker, shared by all tests; `broker_url` is one of your own."""
    return servers.rabbitmq_url


@pytest.fixture(scope="session")
def mongodb_uri(servers: TestServers) -> str:
    """The session's database server; `mongodb_database` is a database of your own on it."""
    return servers.mongodb_uri


@pytest.fixture
def broker_url(servers: TestServers) -> Iterator[str]:
    """A broker with no queues and no exchanges but the built-in ones, for this test alone."""
    with fresh_broker(servers) as url:
        yield url


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of an empty database for this test alone; dropped afterwards."""
    name = f"test-{uuid4().hex}"
    yield name
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(name)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One running Attache for all tests that want it; they keep out of each other's way by sending their own media."""
    from tests.e2e.world import running_world  # the whole stack and the simulator: only for those who want them

    async with running_world(servers, tmp_path_factory.mktemp("world")) as world:
        yield world
