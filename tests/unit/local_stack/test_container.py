"""RabbitMQ in a container: which one. Running it needs Docker: tests/compose/test_container_fallback.py."""

from pathlib import Path

import yaml

from local_stack.container import IMAGE
from tests.infrastructure import MONGODB_IMAGE, RABBITMQ_IMAGE

_COMPOSE_FILE = Path(__file__).parents[3] / "docker-compose.yml"


def test_tests_and_demos_run_the_servers_that_a_deployment_runs() -> None:
    deployed = yaml.safe_load(_COMPOSE_FILE.read_text())["services"]

    assert {IMAGE, RABBITMQ_IMAGE} == {deployed["rabbitmq"]["image"]}
    assert deployed["mongodb"]["image"] == MONGODB_IMAGE
