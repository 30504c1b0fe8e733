"""From a signed webhook to the document that people see: the gateway and the ingestor on real servers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr

import ingestor.app
import ingestor.settings
import webhook_gateway.app
import webhook_gateway.settings
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.media import Attachment, MediaStatus, public_json
from shared.repository.conversations import ConversationRepository
from shared.repository.listing import Listing
from shared.repository.mongo import Database, connect
from tests.amqp import until
from tests.unit.webhook_gateway.examples import EXAMPLES, whole
from tests.unit.webhook_gateway.payloads import APP_SECRET, change, escaped, image, message, signed, webhook
from whatsapp_simulator import Simulator

PATH = "/webhooks/whatsapp"
Client = TestClient[web.Request, web.Application]
BY_NAME = {example.name: example for example in EXAMPLES}


@dataclass(frozen=True, kw_only=True)
class World:
    """Both services, and the database as people look at it."""

    gateway: Client
    database: Database

    async def post(self, payload: Any) -> None:
        body = escaped(payload)
        async with self.gateway.post(PATH, data=body, headers=signed(body)) as response:
            assert response.status == 200

    async def documents(self, count: int) -> list[Attachment]:
        """As soon as there are as many."""
        listing = Listing(self.database)
        await until(lambda: self._are(count))
        return [*(await listing.messages(limit=200)).items]

    async def _are(self, count: int) -> bool:
        return await self.database["messages"].count_documents({}) == count


@pytest.fixture
async def world(broker_url: str, mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        meta = await stack.enter_async_context(Simulator(app_secret=APP_SECRET))
        ingest = ingestor.app.build_app(
            ingestor.settings.Settings(
                rabbitmq_url=SecretStr(broker_url),
                mongodb_uri=SecretStr(mongodb_uri),
                mongodb_database=mongodb_database,
                storage_url=str(tmp_path / "uploads"),
                whatsapp_graph_url=meta.base_url,
                credentials_encryption_key=(SecretStr(Fernet.generate_key().decode()),),
            )
        )
        take = webhook_gateway.app.build_app(
            webhook_gateway.settings.Settings(
                rabbitmq_url=SecretStr(broker_url),
                whatsapp_app_secret=(SecretStr(APP_SECRET),),
                whatsapp_verify_token=SecretStr("verify-me"),
            ),
            clock=system_clock,
        )
        clients = [await stack.enter_async_context(TestClient(TestServer(app))) for app in (ingest, take)]
        for client in clients:
            await until(is_ready(client))
        database = connect(SecretStr(mongodb_uri))
        stack.callback(database.close)
        yield World(gateway=clients[1], database=database[mongodb_database])


def is_ready(client: Client) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        async with client.get("/readyz") as response:
            return response.status == 200

    return ready


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("rejected-131052", 131052, "Failed to download the media from the sender."),
        ("rejected-131052-unsupported", 131052, "Larger than 100 MB."),
        ("rejected-131060", 131060, "This message is currently unavailable."),
        ("rejected-in-value", 131052, "Failed."),
    ],
)
async def test_what_meta_could_not_deliver_is_shown_as_failed_with_metas_code(
    name: str, code: int, said: str, world: World
) -> None:
    for _ in range(2):
        await world.post(whole(BY_NAME[name]))

    (document,) = await world.documents(1)
    page = await Listing(world.database).messages(status=MediaStatus.FAILED, code=ErrorCode.PROVIDER_REJECTED, limit=10)
    assert page.items == [document]
    failure = public_json(document)["media"]["failure"]
    assert (failure["stage"], failure["code"]) == ("ingest", "provider_rejected")
    assert (failure["providerCode"], failure["message"]) == (code, said)
    assert document.media.wake_at is None
    (conversation,) = (await Listing(world.database).conversations(limit=10)).items
    assert (conversation.id, conversation.failed_count) == (document.conversation_id, 1)


async def test_the_address_of_a_file_at_meta_is_kept_nowhere(world: World) -> None:
    await world.post(whole(BY_NAME["image"], BY_NAME["call-recording"]))

    documents = await world.documents(2)

    assert "lookaside" not in json.dumps([public_json(document) for document in documents])
    assert "lookaside" not in str([document async for document in world.database["messages"].find({})])


async def test_what_the_business_sent_itself_has_a_deadline_too_and_stands_with_its_customer(world: World) -> None:
    await world.post(whole(BY_NAME["echo"]))

    (document,) = await world.documents(1)

    assert document.media.deadline is not None
    (conversation,) = (await Listing(world.database).conversations(limit=10)).items
    assert [(person.wa_id, person.user_id) for person in conversation.participants] == [
        ("15550109999", "US.10000000000000000001")
    ]


async def test_a_customer_who_changes_number_and_user_id_stays_in_one_conversation(world: World) -> None:
    def from_(number: str, user: str, wamid: str) -> Any:
        sent = message(wamid, image=image(wamid), **{"from": number, "from_user_id": user})
        return webhook(change(sent, contacts=None))

    system = {"type": "user_changed_user_id", "previous_user_id": "US.1", "user_id": "US.2"}
    told = message("wamid.S", type="system", image=None, system=system, **{"from": "15550100002"})

    await world.post(from_("15550100001", "US.1", "wamid.1"))
    await world.post(from_("15550100002", "US.2", "wamid.2"))
    before = {document.conversation_id for document in await world.documents(2)}
    await world.post(webhook(change(told, contacts=None)))
    await until(lambda: is_one_conversation(world))

    (conversation,) = (await Listing(world.database).conversations(limit=10)).items
    assert len(before) == 2
    for earlier in before:
        assert await ConversationRepository(world.database).surviving(earlier) == conversation.id
    assert conversation.message_count == 2


async def is_one_conversation(world: World) -> bool:
    return len(await world.database["messages"].distinct("conversationId")) == 1
