"""The media-server on a real MongoDB and a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import WSCloseCode, WSMsgType
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from yarl import URL

from media_server.api.schemas import ConversationPage, Message, MessagePage
from media_server.app import build_app
from media_server.catch_up import changed_since
from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.topology import EXCHANGE, INGEST, PREVIEW
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.events import MediaErased, MediaReceived, MediaStored, MediaUpdated, decode
from shared.media import Attachment, Customer, FailureStage, MediaStatus, Sender, public_json
from shared.repository.conversations import ConversationRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from tests.builders import NOW, NUMBER, WA_ID, make_failure
from tests.unit.media_server.documents import ORIGINAL_KEY, make_message
from tests.unit.media_server.server import Client, authorization, make_settings

BYTES = b"four"


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def messages(database: Database) -> MessageRepository:
    return MessageRepository(database)


@pytest.fixture
async def client(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    settings = make_settings(
        storage_url=str(tmp_path), mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, rabbitmq_url=broker_url
    )
    async with TestClient(TestServer(build_app(settings)), headers=authorization()) as client:
        await until_ready(client)
        yield client


@pytest.fixture
async def without_broker(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[Client]:
    settings = make_settings(storage_url=str(tmp_path), mongodb_uri=mongodb_uri, mongodb_database=mongodb_database)
    async with TestClient(TestServer(build_app(settings)), headers=authorization()) as client:
        yield client


@pytest.fixture
async def publisher(broker_url: str) -> AsyncIterator[Publisher]:
    """Another service that tells changes."""
    broker = Broker(SecretStr(broker_url), service="test", queues=[])
    await broker.start()
    yield Publisher(broker)
    await broker.close()


async def until_ready(client: Client) -> None:
    async with asyncio.timeout(15):
        while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - a probe is asked, it does not tell
            await asyncio.sleep(0.05)


async def inserted(messages: MessageRepository, *attachments: Attachment) -> list[Attachment]:
    changes = [await messages.insert(attachment) for attachment in attachments]
    return [change.attachment for change in changes if change is not None]


async def got(client: Client, path: str, *, status: int = 200) -> Any:
    response = await client.get(path)
    body = await response.json()
    assert response.status == status, body
    return body


async def next_message(broker_url: str, queue_name: str) -> AbstractIncomingMessage:
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue(queue_name, ensure=False)
        async with asyncio.timeout(5):
            while (message := await queue.get(fail=False)) is None:  # noqa: ASYNC110 - the queue is asked, as above
                await asyncio.sleep(0.02)
        await message.ack()
        return message


def failed(stage: FailureStage, code: ErrorCode, **what: Any) -> Attachment:
    return make_message(MediaStatus.FAILED, failure=make_failure(stage=stage, code=code), **what)


# reading


async def test_a_message_is_shown_as_specified_and_its_link_gives_the_bytes(
    client: Client, messages: MessageRepository, tmp_path: Path
) -> None:
    await inserted(messages, make_message())
    place(tmp_path / ORIGINAL_KEY)

    shown = await got(client, "/api/messages/mabcdefghijkl")
    file = await client.get(URL(shown["media"]["original"]["url"], encoded=True))

    assert Message.model_validate(shown).to_json() == shown
    assert await file.read() == BYTES


def place(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(BYTES)


async def test_an_unknown_message_is_404_wherever_it_is_asked_for(client: Client) -> None:
    for path in ("/api/messages/mnone", "/api/messages/mnone/content/original", "/api/conversations/cnone/messages"):
        assert (await got(client, path, status=404))["code"] == "not_found"
    assert (await client.post("/api/messages/mnone/retry")).status == 404


async def test_messages_come_newest_first_page_by_page(client: Client, messages: MessageRepository) -> None:
    expected = [f"m{number}" for number in (4, 3, 2, 1, 0)]
    # two share their second: the id decides between them
    sent = {"m0": 0, "m1": 1, "m2": 2, "m3": 2, "m4": 4}
    for media_id, seconds in sent.items():
        await inserted(messages, make_message(media_id=media_id, sent_at=NOW + timedelta(seconds=seconds)))

    found: list[str] = []
    path = "/api/messages?limit=2"
    for _ in range(3):
        page = await got(client, path)
        assert MessagePage.model_validate(page).items
        found += [item["id"] for item in page["items"]]
        path = f"/api/messages?limit=2&cursor={page['nextCursor']}"

    assert found == expected
    assert page["nextCursor"] is None


async def test_filters_narrow_together(client: Client, messages: MessageRepository) -> None:
    await inserted(
        messages,
        make_message(media_id="mready"),
        failed(FailureStage.INGEST, ErrorCode.PROVIDER_AUTH, media_id="mauth", stored=False),
        failed(FailureStage.PREVIEW, ErrorCode.PREVIEW_TIMEOUT, media_id="mpreview"),
    )

    async def ids(query: str) -> list[str]:
        return sorted(item["id"] for item in (await got(client, f"/api/messages?{query}"))["items"])

    assert await ids("status=failed") == ["mauth", "mpreview"]
    assert await ids("status=failed&code=provider_auth") == ["mauth"]
    assert await ids(f"phoneNumberId={NUMBER}&status=ready") == ["mready"]
    assert await ids("phoneNumberId=999") == []


async def test_conversations_are_listed_with_their_counts(
    client: Client, database: Database, messages: MessageRepository
) -> None:
    conversation_id = await conversation(database, Customer(wa_id=WA_ID))
    await inserted(
        messages,
        make_message(media_id="m1", conversation_id=conversation_id),
        failed(FailureStage.INGEST, ErrorCode.INTERNAL, media_id="m2", conversation_id=conversation_id),
    )

    page = await got(client, "/api/conversations")

    assert ConversationPage.model_validate(page).items[0].to_json() == page["items"][0]
    assert page["nextCursor"] is None
    [only] = page["items"]
    assert (only["id"], only["messageCount"], only["failedCount"]) == (conversation_id, 2, 1)
    assert only["participants"] == [{"waId": WA_ID, "name": "Ada"}]


async def conversation(database: Database, customer: Customer) -> str:
    conversations = ConversationRepository(database)
    resolved = await conversations.resolve(phone_number_id=NUMBER, customer=customer, group_id=None, sent_at=NOW)
    sender = Sender(wa_id=customer.wa_id, user_id=customer.user_id, name="Ada")
    await conversations.seen(resolved.conversation_id, sender=sender, sent_at=NOW)
    return resolved.conversation_id


async def test_the_id_of_a_merged_conversation_keeps_working(
    client: Client, database: Database, messages: MessageRepository
) -> None:
    older = await conversation(database, Customer(wa_id=WA_ID))
    younger = await conversation(database, Customer(user_id="US.1"))
    both = await conversation(database, Customer(wa_id=WA_ID, user_id="US.1"))
    await inserted(messages, make_message(conversation_id=both))

    by_old_ids = [await got(client, f"/api/conversations/{each}/messages") for each in (older, younger)]

    assert [[item["id"] for item in page["items"]] for page in by_old_ids] == [["mabcdefghijkl"]] * 2
    assert [item["id"] for item in (await got(client, "/api/conversations"))["items"]] == [both]


async def test_content_leads_to_the_file(client: Client, messages: MessageRepository) -> None:
    await inserted(messages, make_message())

    for name in ("original", "thumb"):
        response = await client.get(f"/api/messages/mabcdefghijkl/content/{name}", allow_redirects=False)
        assert response.status == 302
        assert response.headers["Location"].startswith("/media/")
        assert response.headers["Cache-Control"] == "no-store"
    await got(client, "/api/messages/mabcdefghijkl/content/poster", status=404)


# another try


@pytest.mark.parametrize(
    ("attachment", "status", "queue"),
    [
        (failed(FailureStage.INGEST, ErrorCode.PROVIDER_AUTH, stored=False), "pending", INGEST.name),
        (failed(FailureStage.PREVIEW, ErrorCode.PREVIEW_TIMEOUT), "stored", PREVIEW.name),
        (make_message(MediaStatus.SKIPPED, stored=False), "pending", INGEST.name),
        (make_message(MediaStatus.PENDING, stored=False, attempts=4, next_attempt_at=NOW), "pending", INGEST.name),
    ],
)
async def test_a_retry_moves_the_document_and_sets_it_going(
    client: Client, messages: MessageRepository, broker_url: str, attachment: Attachment, status: str, queue: str
) -> None:
    await inserted(messages, attachment)

    response = await client.post(f"/api/messages/{attachment.id}/retry")

    shown = await response.json()
    assert (response.status, shown["media"]["status"], shown["media"]["revision"]) == (202, status, 2)
    assert "failure" not in shown["media"]
    assert "nextAttemptAt" not in shown["media"]
    message = await next_message(broker_url, queue)
    event_type: type[MediaReceived | MediaStored] = MediaReceived if queue == INGEST.name else MediaStored
    event = decode(event_type, message.body)
    assert event.media_id == attachment.id
    assert message.headers["x-attempt"] == 1
    assert message.type == f"{event.routing_key}.v1"


async def test_a_retry_is_seen_live(client: Client, messages: MessageRepository) -> None:
    await inserted(messages, make_message(MediaStatus.SKIPPED, stored=False))
    async with client.ws_connect("/api/events") as socket:
        response = await client.post("/api/messages/mabcdefghijkl/retry")

        frame = await socket.receive_json(timeout=5)

    assert frame["message"] == await response.json()


async def test_there_is_nothing_to_retry_once_it_is_queued(client: Client, messages: MessageRepository) -> None:
    await inserted(messages, make_message(MediaStatus.SKIPPED, stored=False))

    first = await client.post("/api/messages/mabcdefghijkl/retry")
    second = await client.post("/api/messages/mabcdefghijkl/retry")

    assert (first.status, second.status) == (202, 409)
    problem = await second.json()
    assert problem["code"] == "nothing_to_retry"
    assert "mabcdefghijkl is pending: an attempt is under way or queued already" in problem["detail"]


async def test_of_many_who_retry_at_once_one_wins(client: Client, messages: MessageRepository, broker_url: str) -> None:
    await inserted(messages, make_message(MediaStatus.SKIPPED, stored=False))

    answers = await asyncio.gather(*(client.post("/api/messages/mabcdefghijkl/retry") for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [202] + [409] * 7
    stored = await messages.get("mabcdefghijkl")
    assert stored is not None
    assert stored.media.revision == 2


async def test_a_retry_without_broker_is_left_to_the_reconciler_at_once(
    without_broker: Client, messages: MessageRepository
) -> None:
    await inserted(messages, make_message(MediaStatus.SKIPPED, stored=False))

    response = await without_broker.post("/api/messages/mabcdefghijkl/retry")

    assert response.status == 202
    stranded = [each.id async for each in messages.stranded(system_clock())]
    assert stranded == ["mabcdefghijkl"]


# live


async def test_a_change_told_by_another_service_reaches_the_browser(client: Client, publisher: Publisher) -> None:
    attachment = make_message()
    async with client.ws_connect("/api/events") as socket:
        await publisher.publish([MediaUpdated.of(public_json(attachment))], correlation_id="x", mandatory=False)

        frame = await socket.receive_json(timeout=5)

    assert (frame["type"], frame["message"]["id"]) == ("message_media_updated", attachment.id)
    assert frame["message"]["media"]["original"]["url"].startswith("/media/")


async def test_a_body_that_is_not_understood_stops_nothing(
    client: Client, publisher: Publisher, broker_url: str
) -> None:
    async with client.ws_connect("/api/events") as socket, await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(EXCHANGE)
        for body in (b"not json", b'{"id": "m1"}', b'{"id": "m1", "media": 3}'):
            await exchange.publish(aio_pika.Message(body), MediaUpdated.routing_key)
        await publisher.publish([MediaUpdated.of(public_json(make_message()))], correlation_id="x")

        frame = await socket.receive_json(timeout=5)

    assert frame["message"]["id"] == "mabcdefghijkl"


async def test_since_sends_what_was_missed_first(client: Client, messages: MessageRepository) -> None:
    [before] = await inserted(messages, make_message(media_id="mbefore"))
    await tick()
    for media_id in ("mfirst", "msecond"):
        await inserted(messages, make_message(media_id=media_id))
        await tick()

    since = before.media.updated_at.isoformat()
    async with client.ws_connect("/api/events", params={"since": since}) as socket:
        frames = [await socket.receive_json(timeout=5) for _ in range(2)]

    assert [frame["message"]["id"] for frame in frames] == ["mfirst", "msecond"]


async def tick() -> None:
    """Let the database's clock, which counts milliseconds, go on."""
    await asyncio.sleep(0.002)


@pytest.mark.parametrize("instants", [5, 2, 1])
async def test_catching_up_page_by_page_misses_nothing_and_repeats_nothing(
    database: Database, messages: MessageRepository, instants: int
) -> None:
    ids = [f"m{number}" for number in range(5)]
    for number, media_id in enumerate(ids):
        await inserted(messages, make_message(media_id=media_id))
        changed_at = NOW + timedelta(milliseconds=1 + number % instants)
        await database["messages"].update_one({"_id": media_id}, {"$set": {"media.updatedAt": changed_at}})

    caught_up = [
        attachment.id async for attachment in changed_since(Listing(database), NOW, conversation_id=None, page_size=2)
    ]

    assert sorted(caught_up) == ids


async def test_one_conversation_is_watched_also_by_an_id_that_was_merged(
    client: Client, database: Database, publisher: Publisher
) -> None:
    await conversation(database, Customer(wa_id=WA_ID))
    younger = await conversation(database, Customer(user_id="US.1"))
    both = await conversation(database, Customer(wa_id=WA_ID, user_id="US.1"))
    async with client.ws_connect("/api/events", params={"conversationId": younger}) as socket:
        for media_id, conversation_id in (("mother", "celse"), ("mours", both)):
            changed = public_json(make_message(media_id=media_id, conversation_id=conversation_id))
            await publisher.publish([MediaUpdated.of(changed)], correlation_id="x")

        frame = await socket.receive_json(timeout=5)

    assert frame["message"]["id"] == "mours"


async def test_a_client_whose_conversation_is_merged_away_comes_back_and_misses_nothing(
    client: Client, database: Database, messages: MessageRepository, publisher: Publisher
) -> None:
    await conversation(database, Customer(wa_id=WA_ID))
    younger = await conversation(database, Customer(user_id="US.1"))
    since = (NOW - timedelta(days=1)).isoformat()
    async with client.ws_connect("/api/events", params={"conversationId": younger}) as socket:
        both = await conversation(database, Customer(wa_id=WA_ID, user_id="US.1"))
        await inserted(messages, make_message(conversation_id=both))

        closing = await socket.receive(timeout=10)

    assert (closing.type, socket.close_code) == (WSMsgType.CLOSE, WSCloseCode.SERVICE_RESTART)
    async with client.ws_connect("/api/events", params={"conversationId": younger, "since": since}) as again:
        assert (await again.receive_json(timeout=5))["message"]["id"] == "mabcdefghijkl"
        changed = public_json(make_message(media_id="mlater", conversation_id=both))
        await publisher.publish([MediaUpdated.of(changed)], correlation_id="x")
        assert (await again.receive_json(timeout=5))["message"]["id"] == "mlater"


async def test_an_erasure_told_by_another_service_reaches_the_browser(client: Client, publisher: Publisher) -> None:
    async with client.ws_connect("/api/events") as socket:
        await publisher.publish([MediaErased(id="mgone")], correlation_id="x", mandatory=False)

        assert await socket.receive_json(timeout=5) == {"type": "message_erased", "id": "mgone"}


async def test_watching_an_unknown_conversation_is_404(client: Client) -> None:
    response = await client.get("/api/events", params={"conversationId": "cnone"}, headers=UPGRADE)

    assert response.status == 404


UPGRADE: Mapping[str, str] = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


# the parts away, and watched


async def test_without_its_database_the_api_says_503_and_when_to_come_back(tmp_path: Path) -> None:
    settings = make_settings(storage_url=str(tmp_path))
    async with TestClient(TestServer(build_app(settings)), headers=authorization()) as client:
        answers = await asyncio.gather(
            client.get("/api/messages"), client.get("/api/conversations"), client.post("/api/messages/m1/retry")
        )
        codes = [(await answer.json())["code"] for answer in answers]

    assert codes == ["unavailable"] * 3
    for answer in answers:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_documents_are_counted_by_state(client: Client, messages: MessageRepository) -> None:
    await inserted(messages, make_message(media_id="m1"), make_message(media_id="m2"))

    metrics = await (await client.get("/metrics")).text()

    assert 'attache_documents{status="ready"} 2.0' in metrics
    assert 'attache_documents{status="failed"} 0.0' in metrics
    assert "attache_storage_bytes_free" in metrics


async def test_what_is_not_ready_five_minutes_after_its_webhook_is_overdue(
    client: Client, messages: MessageRepository
) -> None:
    now = system_clock()

    def received(media_id: str, minutes_ago: float, attachment: Attachment) -> Attachment:
        return attachment.model_copy(update={"id": media_id, "received_at": now - timedelta(minutes=minutes_ago)})

    pending = make_message(MediaStatus.PENDING, stored=False)
    await inserted(
        messages,
        received("mlate", 6, pending),
        received("mlater", 600, pending),
        received("mjustcame", 4, pending),
        received("mnopreview", 6, make_message(MediaStatus.STORED)),
        received("mready", 6, make_message()),
        received("mskipped", 6, make_message(MediaStatus.SKIPPED, stored=False)),
        received("mfailed", 6, failed(FailureStage.INGEST, ErrorCode.PROVIDER_AUTH, stored=False)),
    )

    metrics = await (await client.get("/metrics")).text()

    assert 'attache_media_overdue{status="pending"} 2.0' in metrics
    assert 'attache_media_overdue{status="stored"} 1.0' in metrics


async def test_what_is_not_stored_and_close_to_its_deadline_is_counted_at_risk(
    client: Client, messages: MessageRepository
) -> None:
    now = system_clock()

    def left(media_id: str, hours: float, attachment: Attachment) -> Attachment:
        media = attachment.media.model_copy(update={"deadline": now + timedelta(hours=hours)})
        return attachment.model_copy(update={"id": media_id, "media": media})

    pending = make_message(MediaStatus.PENDING, stored=False)
    refused = failed(FailureStage.INGEST, ErrorCode.PROVIDER_AUTH, stored=False)
    await inserted(
        messages,
        left("mpending", 23, pending),
        left("mrefused", 71, refused),
        left("mlong", 73, pending),
        left("mpast", -1, refused),
        left("mrejected", 1, failed(FailureStage.INGEST, ErrorCode.PROVIDER_REJECTED, stored=False)),
        left("mexpired", 1, failed(FailureStage.INGEST, ErrorCode.MEDIA_EXPIRED, stored=False)),
        left("mpreview", 1, failed(FailureStage.PREVIEW, ErrorCode.PREVIEW_TIMEOUT)),
        left("mready", 1, make_message()),
        left("mskipped", 1, make_message(MediaStatus.SKIPPED, stored=False)),
    )

    metrics = await (await client.get("/metrics")).text()

    assert 'attache_media_at_risk{hours="24"} 1.0' in metrics
    assert 'attache_media_at_risk{hours="72"} 2.0' in metrics
