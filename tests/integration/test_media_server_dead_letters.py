"""`/api/dead-letters` on a real MongoDB and a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from media_server.api.schemas import DeadLetterPage, DeadLettersReplayed
from media_server.app import build_app
from media_server.settings import Settings
from media_server.state import STOPPING
from shared.broker.connection import Broker
from shared.broker.dead_letters import dead_letter_headers
from shared.broker.envelope import event_message
from shared.broker.letters import reading
from shared.broker.publisher import Publisher
from shared.broker.retry import DeadLetter
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, UNREADABLE, WorkQueue
from shared.errors import ErrorCode
from shared.events import MediaReceived, decode, encode
from shared.media import MediaStatus
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from tests.amqp import running_broker
from tests.builders import NOW, NUMBER, make_failure, make_media_received
from tests.letters import letter, new_pile
from tests.unit.media_server.documents import make_message
from tests.unit.media_server.server import ADMIN, OPERATOR, Client, authorization, make_settings

QUEUES = [queue for work in (INGEST, IDENTITIES, PREVIEW, UNREADABLE) for queue in work.queues()]
AUTH, MISSING = ErrorCode.PROVIDER_AUTH, ErrorCode.PROVIDER_NOT_FOUND
LETTERS = "/api/dead-letters"


@pytest.fixture
def settings(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> Settings:
    return make_settings(
        storage_url=str(tmp_path), mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, rabbitmq_url=broker_url
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """As admin."""
    async with TestClient(TestServer(build_app(settings)), headers=authorization(ADMIN)) as client:
        async with asyncio.timeout(15):
            while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - a probe is asked, it does not tell
                await asyncio.sleep(0.05)
        yield client


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    """With the queues of all services."""
    async with running_broker(broker_url, QUEUES) as broker:
        yield broker


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    client = connect(settings.mongodb_uri)
    yield client[settings.mongodb_database]
    client.close()


class Graveyard:
    """Attachments that were given up: each with its document and its dead letter."""

    def __init__(self, broker: Broker, database: Database) -> None:
        self._publisher = Publisher(broker)
        self._messages = MessageRepository(database)

    async def attachment(
        self,
        code: ErrorCode = AUTH,
        *,
        name: str,
        number: str = NUMBER,
        status: MediaStatus = MediaStatus.FAILED,
        at: datetime = NOW,
        **media: Any,
    ) -> str:
        """Our id of it."""
        event = make_media_received(phone_number_id=number, message_id=f"wamid.{name}")
        failure = make_failure(code=code, message=f"why {name} failed")
        document = make_message(status, media_id=event.media_id, stored=False, failure=failure, **media)
        await self._messages.insert(document.model_copy(update={"phone_number_id": number}))
        await self.letter(INGEST, event_message(event, correlation_id="x"), code, number=number, name=name, at=at)
        return event.media_id

    async def letter(
        self, queue: WorkQueue, message: aio_pika.Message, code: ErrorCode, *, name: str, number: str, at: datetime
    ) -> None:
        letter = DeadLetter(code=code, reason=f"why {name} failed")
        headers = dead_letter_headers(
            letter, queue=queue, service="test", attempt=3, failed_at=at, phone_number_id=number
        )
        message.headers.update(headers)
        await self._publisher.send(queue.dead_letters, message)


@pytest.fixture
def graves(broker: Broker, database: Database) -> Graveyard:
    return Graveyard(broker, database)


async def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    response = await client.get(f"{LETTERS}{query}")
    page = await response.json()
    assert response.status == 200, page
    assert DeadLetterPage.model_validate(page).to_json()["items"] == page["items"]
    items: list[dict[str, Any]] = page["items"]
    return items


async def replayed(client: Client, *, status: int = 200, **body: Any) -> dict[str, Any]:
    response = await client.post(f"{LETTERS}/replay", json=body)
    answer: dict[str, Any] = await response.json()
    assert response.status == status, answer
    if status == 200:
        assert DeadLettersReplayed.model_validate(answer).to_json() == answer
    return answer


async def test_letters_are_shown_by_queue_code_and_number_with_times_and_the_newest_reason(
    client: Client, graves: Graveyard
) -> None:
    await graves.attachment(name="one", at=NOW)
    await graves.attachment(name="two", at=NOW + timedelta(hours=1))
    await graves.attachment(MISSING, name="three")
    await graves.attachment(name="elsewhere", number="999")
    body = aio_pika.Message(b"{ not json", message_id="raw")
    await graves.letter(UNREADABLE, body, ErrorCode.UNDECODABLE_EVENT, name="raw", number=NUMBER, at=NOW)

    groups = await listed(client)

    assert [(each["queue"], each["code"], each["phoneNumberId"], each["count"]) for each in groups] == [
        (INGEST.name, "provider_auth", NUMBER, 2),
        (INGEST.name, "provider_auth", "999", 1),
        (INGEST.name, "provider_not_found", NUMBER, 1),
        (UNREADABLE.name, "undecodable_event", NUMBER, 1),
    ]
    assert groups[0]["firstFailedAt"] == "2026-09-21T10:00:00.000Z"
    assert groups[0]["lastFailedAt"] == "2026-09-21T11:00:00.000Z"
    assert groups[0]["reason"] == "why two failed"


async def test_looking_fifty_times_changes_nothing(client: Client, graves: Graveyard) -> None:
    await graves.attachment(name="one")

    looks = [await listed(client, f"?queue={INGEST.name}") for _ in range(50)]

    assert len({str(look) for look in looks}) == 1
    assert looks[0][0]["count"] == 1


async def test_one_queue_can_be_asked_for_and_groups_come_page_by_page(client: Client, graves: Graveyard) -> None:
    for number in ("1", "2", "3"):
        await graves.attachment(name=number, number=number)

    first = await (await client.get(f"{LETTERS}?queue={INGEST.name}.dlq&limit=2")).json()
    second = await (await client.get(LETTERS, params={"limit": 2, "cursor": first["nextCursor"]})).json()

    assert [each["phoneNumberId"] for each in first["items"]] == ["1", "2"]
    assert ([each["phoneNumberId"] for each in second["items"]], second["nextCursor"]) == (["3"], None)
    assert await listed(client, f"?queue={PREVIEW.name}") == []


async def test_queues_that_nobody_has_declared_yet_hold_no_letters(client: Client) -> None:
    assert await listed(client) == []
    assert await replayed(client) == {"replayed": 0, "alreadyDone": 0, "expired": 0, "remaining": 0}
    assert (await client.delete(f"{LETTERS}?queue={UNREADABLE.name}")).status == 204


async def test_a_replay_sets_going_what_fits_and_counts_the_rest(
    client: Client, graves: Graveyard, database: Database, broker_url: str
) -> None:
    again = await graves.attachment(name="again")
    await graves.attachment(name="late", deadline=NOW)
    await graves.attachment(name="done", status=MediaStatus.READY)
    await graves.attachment(MISSING, name="other-code")
    await graves.attachment(name="other-number", number="999")

    answer = await replayed(client, queue=INGEST.name, code="provider_auth", phoneNumberId=NUMBER)

    assert answer == {"replayed": 1, "alreadyDone": 1, "expired": 1, "remaining": 3}
    current = await MessageRepository(database).get(again)
    assert current is not None
    assert (current.media.status, current.media.attempts, current.media.failure) == (MediaStatus.PENDING, 0, None)
    async with await aio_pika.connect(broker_url) as connection:
        queue = await (await connection.channel()).get_queue(INGEST.name)
        event = await queue.get(timeout=5)
        await event.ack()
    assert decode(MediaReceived, event.body).media_id == again
    assert event.headers["x-attempt"] == 1


async def test_a_limit_is_how_many_go_at_most_and_without_a_body_all_go(client: Client, graves: Graveyard) -> None:
    for number in range(5):
        await graves.attachment(name=str(number))

    first = await replayed(client, limit=2)
    rest = await (await client.post(f"{LETTERS}/replay")).json()

    assert (first["replayed"], first["remaining"]) == (2, 3)
    assert (rest["replayed"], rest["remaining"]) == (3, 0)


async def test_a_replayed_change_is_seen_live(client: Client, graves: Graveyard) -> None:
    media_id = await graves.attachment(name="one")
    async with client.ws_connect("/api/events") as socket:
        await replayed(client)

        frame = await socket.receive_json(timeout=5)

    assert (frame["message"]["id"], frame["message"]["media"]["status"]) == (media_id, "pending")


async def test_a_replay_ends_when_the_service_stops_and_the_letters_stay(client: Client, graves: Graveyard) -> None:
    await graves.attachment(name="one")
    assert client.app is not None
    client.app[STOPPING].set()

    answer = await replayed(client)

    assert answer["replayed"] == 0
    assert (await listed(client))[0]["count"] == 1


async def test_removing_leaves_other_queues_and_the_documents(
    client: Client, graves: Graveyard, database: Database
) -> None:
    media_id = await graves.attachment(name="one")
    body = aio_pika.Message(b"{ not json", message_id="raw")
    await graves.letter(UNREADABLE, body, ErrorCode.UNDECODABLE_EVENT, name="raw", number=NUMBER, at=NOW)

    removed = await client.delete(f"{LETTERS}?queue={INGEST.name}")

    assert (removed.status, await removed.read()) == (204, b"")
    assert [each["queue"] for each in await listed(client)] == [UNREADABLE.name]
    current = await MessageRepository(database).get(media_id)
    assert current is not None
    assert current.media.status is MediaStatus.FAILED


async def test_while_somebody_else_reads_all_of_it_is_409_and_nothing_is_changed(
    client: Client, graves: Graveyard, broker_url: str
) -> None:
    await graves.attachment(name="one")
    body = {"queue": INGEST.name}
    async with reading(SecretStr(broker_url), INGEST):
        answers = await asyncio.gather(
            client.get(LETTERS, params=body),
            client.post(f"{LETTERS}/replay", json=body),
            client.delete(LETTERS, params=body),
        )
        problems = [await answer.json() for answer in answers]

    for answer, problem in zip(answers, problems, strict=True):
        assert (answer.status, problem["code"]) == (409, "being_read")
        assert INGEST.name in problem["detail"]
        assert "send the same request again" in problem["detail"]
    assert (await listed(client))[0]["count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("GET", f"{LETTERS}?queue=nope", None, "queue is one of webhook-gateway.unreadable"),
        ("GET", f"{LETTERS}?limit=0", None, "1 to 200"),
        ("GET", f"{LETTERS}?cursor=nope", None, "cursor"),
        ("DELETE", LETTERS, None, "queue is missing"),
        ("DELETE", f"{LETTERS}?queue=", None, "queue is one of"),
        ("POST", f"{LETTERS}/replay", {"queue": "nope"}, "queue is one of"),
        ("POST", f"{LETTERS}/replay", {"code": "nope"}, "code is not right; expected one of provider_auth"),
        ("POST", f"{LETTERS}/replay", {"limit": 0}, "limit is not right; expected a whole number from 1"),
        ("POST", f"{LETTERS}/replay", {"limit": "5"}, "limit is not right"),
        ("POST", f"{LETTERS}/replay", {"phoneNumberId": 5}, "phoneNumberId is not right"),
        ("POST", f"{LETTERS}/replay", {"number": "5"}, "known are queue, code, phoneNumberId, limit"),
    ],
)
async def test_what_is_wrong_is_told_with_what_would_be_right(
    client: Client, method: str, path: str, body: dict[str, Any] | None, says: str
) -> None:
    response = await client.request(method, path, json=body)

    problem = await response.json()
    assert (response.status, problem["code"]) == (400, "bad_request")
    assert says in problem["detail"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"limit": ' + b"1" * 5000 + b"}", "application/json"),
        (b'{"limit": 1}', "application/json; charset=nope"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
    ],
)
async def test_a_body_that_is_no_json_is_400(client: Client, body: bytes, content_type: str) -> None:
    response = await client.post(f"{LETTERS}/replay", data=body, headers={"Content-Type": content_type})

    problem = await response.json()
    assert (response.status, problem["code"]) == (400, "bad_request")
    assert "a JSON object" in problem["detail"]


async def test_a_letter_with_an_odd_time_is_listed_and_removed(client: Client, broker_url: str) -> None:
    async with await aio_pika.connect(broker_url) as connection:
        pile = await new_pile(connection)
        headers = {"x-error-code": "internal", "x-failed-at": "0001-01-01T00:00:00+14:00"}
        body = encode(make_media_received()).replace(b"2026-09-21", b"0001-01-01").replace(b"Z", b"+14:00")
        odd = [letter(INGEST, id=str(len(each)), body=each, headers=headers) for each in (b"{}", body)]
        await pile.put(INGEST.dead_letters, odd)
        await pile.until_there_are(INGEST.dead_letters, 2)

        assert sum(each["count"] for each in await listed(client)) == 2
        assert (await client.delete(f"{LETTERS}?queue={INGEST.name}")).status == 204
        await pile.until_there_are(INGEST.dead_letters, 0)


async def test_an_operator_may_not_look_replay_or_remove(client: Client, graves: Graveyard) -> None:
    await graves.attachment(name="one")
    as_operator = authorization(OPERATOR)

    answers = [
        await client.get(LETTERS, headers=as_operator),
        await client.post(f"{LETTERS}/replay", headers=as_operator),
        await client.delete(f"{LETTERS}?queue={INGEST.name}", headers=as_operator),
    ]

    assert [answer.status for answer in answers] == [403] * 3
    assert (await listed(client))[0]["count"] == 1


async def test_without_the_broker_it_says_503_and_that_nothing_is_lost(settings: Settings) -> None:
    away = settings.model_copy(update={"rabbitmq_url": SecretStr("amqp://guest:guest@127.0.0.1:1/")})
    async with TestClient(TestServer(build_app(away)), headers=authorization(ADMIN)) as client:
        response = await client.get(LETTERS)

        problem = await response.json()
    assert (response.status, problem["code"]) == (503, "unavailable")
    assert "RabbitMQ does not answer" in problem["detail"]
