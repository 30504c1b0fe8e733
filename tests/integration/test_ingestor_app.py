"""The ingestor and the previewer put together: from a queue to a document, whatever is there first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr
from structlog.testing import capture_logs

import ingestor.app
import ingestor.settings
import previewer.app
import previewer.settings
from shared.broker.publisher import Publisher
from shared.broker.topology import IDENTITIES, INGEST
from shared.clock import system_clock
from shared.events import IdentityChanged, InstanceUpdated
from shared.media import Attachment, Customer, Declared, MediaStatus
from shared.repository.instances import InstanceRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import connect
from tests import images
from tests.amqp import Link, running_broker, until
from tests.builders import make_media_received
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, Kind, Simulator

Client = TestClient[web.Request, web.Application]
Messages = Callable[[str], Awaitable[Attachment | None]]


@pytest.fixture
async def meta() -> AsyncIterator[Simulator]:
    async with Simulator(app_secret="app-secret") as meta:
        yield meta


@pytest.fixture
async def messages(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[MessageRepository]:
    client = connect(SecretStr(mongodb_uri))
    yield MessageRepository(client[mongodb_database])
    client.close()


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[Client]:
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.fixture
def settings(
    meta: Simulator, broker_url: str, mongodb_uri: str, mongodb_database: str, tmp_path: Path
) -> ingestor.settings.Settings:
    return ingestor.settings.Settings(
        rabbitmq_url=SecretStr(broker_url),
        mongodb_uri=SecretStr(mongodb_uri),
        mongodb_database=mongodb_database,
        storage_url=str(tmp_path / "uploads"),
        whatsapp_graph_url=meta.base_url,
        whatsapp_access_token=SecretStr(DEMO_ACCESS_TOKEN),
        whatsapp_phone_number_id=DEMO_NUMBER.phone_number_id,
        credentials_encryption_key=(SecretStr(Fernet.generate_key().decode()),),
        media_retry_delays=(1,),
        reconcile_seconds=1,
    )


def previewer_settings(settings: ingestor.settings.Settings) -> previewer.settings.Settings:
    return previewer.settings.Settings(
        rabbitmq_url=settings.rabbitmq_url,
        mongodb_uri=settings.mongodb_uri,
        mongodb_database=settings.mongodb_database,
        storage_url=settings.storage_url,
        media_retry_delays=(1,),
        preview_workers=1,
    )


async def is_ready(client: Client) -> bool:
    return (await client.get("/readyz")).status == 200


async def has_status(messages: MessageRepository, media_id: str, status: MediaStatus) -> bool:
    found = await messages.get(media_id)
    return found is not None and found.media.status is status


async def test_an_announced_picture_becomes_ready(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository
) -> None:
    media = meta.add_media(images.jpeg(640, 480), kind=Kind.IMAGE, mime_type="image/jpeg")
    event = make_media_received(
        phone_number_id=DEMO_NUMBER.phone_number_id,
        provider_media_id=media.id,
        declared=Declared(mime_type="image/jpeg", sha256=media.sha256),
        sent_at=system_clock(),
        received_at=system_clock(),
    )
    async with (
        running(ingestor.app.build_app(settings)) as ingest,
        running(previewer.app.build_app(previewer_settings(settings))) as preview,
        running_broker(settings.rabbitmq_url.get_secret_value(), INGEST.queues()) as broker,
    ):
        await until(lambda: is_ready(ingest))
        await until(lambda: is_ready(preview))
        await Publisher(broker).publish([event], correlation_id="abc")

        await until(lambda: has_status(messages, event.media_id, MediaStatus.READY))

        metrics = await (await ingest.get("/metrics")).text()
        number = DEMO_NUMBER.phone_number_id
        assert f'attache_ingest_attempts_total{{code="",outcome="stored",phone_number_id="{number}"' in metrics
        assert "attache_storage_bytes_free" in metrics


async def test_the_database_may_come_later_than_the_ingestor(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository, mongodb_uri: str
) -> None:
    media = meta.add_media(images.jpeg(64, 48), kind=Kind.IMAGE, mime_type="image/jpeg")
    event = make_media_received(
        phone_number_id=DEMO_NUMBER.phone_number_id, provider_media_id=media.id, received_at=system_clock()
    )
    async with Link(mongodb_uri) as link:
        late = settings.model_copy(update={"mongodb_uri": SecretStr(f"{link.url}/?directConnection=true")})
        await link.cut()
        async with (
            running(ingestor.app.build_app(late)) as ingest,
            running_broker(settings.rabbitmq_url.get_secret_value(), INGEST.queues()) as broker,
        ):
            await Publisher(broker).publish([event], correlation_id="abc")
            assert not await is_ready(ingest)

            await link.mend()

            await until(lambda: has_status(messages, event.media_id, MediaStatus.STORED), seconds=30)
            await until(lambda: is_ready(ingest))


async def test_a_changed_identity_moves_the_documents(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository
) -> None:
    number, now = DEMO_NUMBER.phone_number_id, system_clock()
    customers = (Customer(wa_id="1"), Customer(wa_id="2"))
    events = []
    for customer in customers:
        media = meta.add_media(images.jpeg(64, 48), kind=Kind.IMAGE, mime_type="image/jpeg")
        events.append(
            make_media_received(
                phone_number_id=number,
                message_id=f"wamid.{media.id}",
                provider_media_id=media.id,
                customer=customer,
                received_at=now,
            )
        )
    changed = IdentityChanged(phone_number_id=number, before=customers[0], after=customers[1], changed_at=now)

    async def conversations() -> set[str]:
        found = [await messages.get(event.media_id) for event in events]
        return {document.conversation_id for document in found if document is not None}

    async def are_one() -> bool:
        return len(await conversations()) == 1

    queues = (*INGEST.queues(), *IDENTITIES.queues())
    async with (
        running(ingestor.app.build_app(settings)),
        running_broker(settings.rabbitmq_url.get_secret_value(), queues) as broker,
    ):
        await Publisher(broker).publish(events, correlation_id="abc")
        for event in events:
            await until(lambda event=event: has_status(messages, event.media_id, MediaStatus.STORED))  # type: ignore[misc]  # a lambda's default has no type
        assert len(await conversations()) == 2

        await Publisher(broker).publish([changed], correlation_id="abc")

        await until(are_one)


@pytest.mark.parametrize("is_told", [True, False], ids=["by the event", "by the reconciler: every ingestor was down"])
async def test_a_new_token_heals_without_a_restart(
    settings: ingestor.settings.Settings, meta: Simulator, messages: MessageRepository, is_told: bool
) -> None:
    number = DEMO_NUMBER.phone_number_id
    # with the event the next round of the reconciler is far away, without it the next round is all there is
    settings = settings.model_copy(update={"reconcile_seconds": 3600 if is_told else 1})
    meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = []
    for content in (b"one", b"two", b"three"):
        media = meta.add_media(content, kind=Kind.DOCUMENT, mime_type="application/octet-stream")
        events.append(
            make_media_received(
                phone_number_id=number,
                message_id=f"wamid.{media.id}",
                provider_media_id=media.id,
                received_at=system_clock(),
            )
        )

    async def all_have(status: MediaStatus) -> bool:
        return all([await has_status(messages, event.media_id, status) for event in events])

    client = connect(settings.mongodb_uri)
    instances = InstanceRepository(client[settings.mongodb_database], settings.credentials_encryption_key)
    async with (
        AsyncExitStack() as ingestors,
        running_broker(settings.rabbitmq_url.get_secret_value(), INGEST.queues()) as broker,
    ):
        clients = [await ingestors.enter_async_context(running(ingestor.app.build_app(settings))) for _ in range(2)]
        for each in clients:
            await until(lambda each=each: is_ready(each))  # type: ignore[misc]  # a lambda's default has no type
        await Publisher(broker).publish(events, correlation_id="abc")
        await until(lambda: all_have(MediaStatus.FAILED))
        asked = meta.requests.metadata()
        if not is_told:
            await ingestors.aclose()

        meta.tokens.replace(number, "a-new-access-token")
        saved = await instances.save(
            number, display_name="", access_token=SecretStr("a-new-access-token"), is_default=True
        )
        if is_told:
            told = InstanceUpdated(phone_number_id=number, instance_version=saved.version)
            await Publisher(broker).publish([told], correlation_id="abc", mandatory=False)
        else:
            await ingestors.enter_async_context(running(ingestor.app.build_app(settings)))
        await until(lambda: all_have(MediaStatus.STORED))

        documents = [await messages.get(event.media_id) for event in events]
        assert {document.media.attempts for document in documents if document} == {1}
        assert asked <= 2, "each ingestor may ask once before it knows what the other was told"
        assert meta.requests.metadata() == asked + 3, "nothing was fetched twice"
    client.close()


async def test_plain_http_to_another_machine_is_said_loudly(settings: ingestor.settings.Settings) -> None:
    bold = settings.model_copy(
        update={
            "whatsapp_allow_http_graph": True,
            "whatsapp_access_token": None,
            "whatsapp_phone_number_id": None,
        }
    )

    with capture_logs() as lines:
        async with asyncio.timeout(30), running(ingestor.app.build_app(bold)):
            pass

    (line,) = [line for line in lines if line["event"] == "graph.plain_http_allowed"]
    assert line["log_level"] == "warning"
