"""RabbitMQ and MongoDB for tests: given by the environment, in containers, or embedded; in this order."""

import asyncio
import json
import logging
import os
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from local_stack import Infrastructure, infrastructure

_MANAGEMENT_PORT = 15672
_GUEST = "guest"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TestServers:
    """Where the servers of this test session are."""

    __test__ = False  # not a class of tests, whatever its name begins with

    rabbitmq_url: str
    rabbitmq_management_url: str
    mongodb_uri: str
    embedded: Infrastructure | None = None  # can be stopped and killed; None when the servers are not ours


@contextmanager
def running_servers() -> Iterator[TestServers]:
    """The servers, up until the block is left."""
    if "RABBITMQ_URL" in os.environ and "MONGODB_URI" in os.environ:
        yield _given()
    elif os.environ.get("TEST_INFRA") == "containers":
        with _containers() as servers:
            yield servers
    else:
        with embedded_servers() as servers:
            yield servers


def _given() -> TestServers:
    rabbitmq_url = os.environ["RABBITMQ_URL"]
    beside = f"http://{urlsplit(rabbitmq_url).hostname}:{_MANAGEMENT_PORT}"
    return TestServers(
        rabbitmq_url=rabbitmq_url,
        rabbitmq_management_url=os.environ.get("RABBITMQ_MANAGEMENT_URL", beside),
        mongodb_uri=os.environ["MONGODB_URI"],
    )


@contextmanager
def _containers() -> Iterator[TestServers]:
    broker = DockerContainer("rabbitmq:4-management").with_exposed_ports(5672, _MANAGEMENT_PORT)
    database = DockerContainer("mongo:7").with_exposed_ports(27017)
    broker.waiting_for(LogMessageWaitStrategy("Server startup complete"))
    database.waiting_for(LogMessageWaitStrategy("Waiting for connections"))
    with broker, database:
        host = broker.get_container_host_ip()
        yield TestServers(
            rabbitmq_url=f"amqp://guest:guest@{host}:{broker.get_exposed_port(5672)}/",
            rabbitmq_management_url=f"http://{host}:{broker.get_exposed_port(_MANAGEMENT_PORT)}",
            mongodb_uri=f"mongodb://{host}:{database.get_exposed_port(27017)}",
        )


@contextmanager
def embedded_servers() -> Iterator[TestServers]:
    """Servers on this machine that are ours alone: they may be stopped, killed and blocked."""
    # A loop of our own, which nobody else sees: the servers outlive the loops of the single tests.
    with (
        tempfile.TemporaryDirectory(prefix="attache-tests-", ignore_cleanup_errors=True) as data,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        context = infrastructure(Path(data), _log.info, management=True, disposable=True)
        servers = runner.run(context.__aenter__())
        try:
            assert servers.rabbitmq_management_url is not None
            yield TestServers(
                rabbitmq_url=servers.rabbitmq_url,
                rabbitmq_management_url=servers.rabbitmq_management_url,
                mongodb_uri=servers.mongodb_uri,
                embedded=servers,
            )
        finally:
            runner.run(context.__aexit__(None, None, None))


@contextmanager
def fresh_broker(servers: TestServers) -> Iterator[str]:
    """The URL of a virtual host with nothing in it; gone, with all its queues, when the block is left."""
    broker = urlsplit(servers.rabbitmq_url)
    name = f"test-{uuid4().hex}"
    _manage(servers, "PUT", f"/api/vhosts/{name}")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    _manage(servers, "PUT", f"/api/permissions/{name}/{broker.username or _GUEST}", everything)
    try:
        yield broker._replace(path=f"/{name}").geturl()
    finally:
        _manage(servers, "DELETE", f"/api/vhosts/{name}")


def _manage(servers: TestServers, method: str, path: str, body: object = None) -> None:
    broker, management = urlsplit(servers.rabbitmq_url), urlsplit(servers.rabbitmq_management_url)
    credentials = f"{broker.username or _GUEST}:{broker.password or _GUEST}".encode()
    headers = {"Authorization": f"Basic {b64encode(credentials).decode()}", "Content-Type": "application/json"}
    connection = HTTPConnection(management.hostname or "", management.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        assert response.status < 300, f"{method} {path}: {response.status} {response.read().decode()}"
    except ConnectionError as error:
        raise RuntimeError(
            f"tests need RabbitMQ's management API at {servers.rabbitmq_management_url} (RABBITMQ_MANAGEMENT_URL)"
        ) from error
    finally:
        connection.close()
