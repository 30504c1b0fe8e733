"""RabbitMQ and MongoDB for tests: given by the environment, in containers, or embedded; in this order."""

import asyncio
import json
import logging
import os
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from docker.errors import DockerException
from testcontainers.community.mongodb import MongoDbContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from local_stack import Infrastructure, container, infrastructure

# The same as in docker-compose.yml; a test sees to it.
RABBITMQ_IMAGE, MONGODB_IMAGE = container.IMAGE, "mongo:7.0"

_AMQP_PORT, _MANAGEMENT_PORT = 5672, 15672
_NO_CONTAINERS = (
    "TEST_INFRA=containers needs a Docker engine that answers and that has, or can fetch, "
    f"{RABBITMQ_IMAGE} and {MONGODB_IMAGE}. testcontainers starts a container of its own, too (Ryuk), which removes "
    "what a killed run leaves behind; where its image cannot be fetched, set TESTCONTAINERS_RYUK_DISABLED=true"
)
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
    with ExitStack() as running:
        try:
            # testcontainers' RabbitMqContainer would need a second client library, and leaves out the management port.
            broker = DockerContainer(RABBITMQ_IMAGE).with_exposed_ports(_AMQP_PORT, _MANAGEMENT_PORT)
            broker.waiting_for(LogMessageWaitStrategy("Server startup complete"))
            running.enter_context(broker)
            database = running.enter_context(MongoDbContainer(MONGODB_IMAGE))
        except DockerException as error:
            raise RuntimeError(_NO_CONTAINERS) from error
        with database.get_connection_client() as client:
            # The public image says that it waits for connections while it still makes its user, on a private port.
            client.admin.command("ping")
        host = broker.get_container_host_ip()
        yield TestServers(
            rabbitmq_url=f"amqp://guest:guest@{host}:{broker.get_exposed_port(_AMQP_PORT)}/",
            rabbitmq_management_url=f"http://{host}:{broker.get_exposed_port(_MANAGEMENT_PORT)}",
            mongodb_uri=database.get_connection_url(),
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
