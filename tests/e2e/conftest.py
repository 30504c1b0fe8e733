"""One running Attache for all end-to-end tests: the four real processes, real servers, a simulated Meta."""

import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from pymongo import MongoClient

from local_stack import stack
from local_stack.demo.secrets import DemoSecrets, environment
from tests.e2e.world import JSON, World, listening
from tests.infrastructure import TestServers, fresh_broker
from whatsapp_simulator.simulator import Simulator

LIMIT_BYTES = 5_000_000


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Started once; tests keep out of each other's way by sending their own attachments."""
    data = tmp_path_factory.mktemp("e2e")
    made_up = DemoSecrets.new()
    name = f"e2e-{secrets.token_hex(6)}"
    with fresh_broker(servers) as broker_url, MongoClient[JSON](servers.mongodb_uri) as database:
        async with Simulator(
            app_secret=made_up.app_secret, verify_token=made_up.verify_token, access_token=made_up.access_token
        ) as simulator:
            settings = environment(
                made_up,
                simulator,
                rabbitmq_url=broker_url,
                mongodb_uri=servers.mongodb_uri,
                limit_bytes=LIMIT_BYTES,
            ) | {
                "MONGODB_DATABASE": name,
                "STORAGE_URL": str(data / "uploads"),
                "MEDIA_RETRY_DELAYS": "1,2,3",
                "RECONCILE_SECONDS": "1",
            }
            headers = {"Authorization": f"Bearer {made_up.operator_token}"}
            async with (
                stack(data, settings) as services,
                aiohttp.ClientSession(services.url("media-server"), headers=headers) as api,
            ):
                assert await simulator.subscribe(f"{services.url('webhook-gateway')}/webhooks/whatsapp")
                running = World(
                    stack=services,
                    simulator=simulator,
                    api=api,
                    database=database,
                    database_name=name,
                    uploads=data / "uploads",
                )
                async with listening(running):
                    yield running
        database.drop_database(name)
