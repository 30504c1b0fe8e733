"""The two routes: the order of checks, the answers, and what is published before a 200."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from shared.events import MediaReceived
from tests.unit.webhook_gateway.gateways import PATH, Client, MemoryPublisher, running_gateway
from tests.unit.webhook_gateway.payloads import (
    APP_SECRET,
    NUMBER,
    change,
    escaped,
    image,
    message,
    raw,
    signed,
    text_message,
    webhook,
)

LIMIT = 100_000
DLQ = "webhook-gateway.unreadable.dlq"


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def client(publisher: MemoryPublisher) -> AsyncIterator[Client]:
    async with running_gateway(publisher, max_body_bytes=LIMIT) as client:
        yield client


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


HANDSHAKE = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-me"}


async def test_verification_echoes_the_challenge_as_plain_text(client: Client) -> None:
    async with client.get(PATH, params=HANDSHAKE) as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert await response.read() == b"1158201444"


async def test_a_challenge_is_echoed_unescaped_and_never_as_html(client: Client) -> None:
    async with client.get(PATH, params=HANDSHAKE | {"hub.challenge": "<b>é&</b>"}) as response:
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await response.read() == "<b>é&</b>".encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub.mode": "unsubscribe"},
        {"hub.verify_token": "verify-mf"},
        {"hub.verify_token": "vérify-me"},
        {"hub.verify_token": ""},
        {"hub.mode": None},
        {"hub.challenge": None},
        {"hub.verify_token": None},
    ],
    ids=repr,
)
async def test_verification_refuses_a_wrong_or_missing_parameter(client: Client, wrong: dict[str, str | None]) -> None:
    params = {key: value for key, value in (HANDSHAKE | wrong).items() if value is not None}

    async with client.get(PATH, params=params) as response:
        await assert_problem(response, 403, "forbidden")


async def assert_problem(response: Any, status: int, code: str) -> None:
    problem = await response.json(content_type="application/problem+json")
    assert response.status == problem["status"] == status
    assert problem["code"] == code
    assert set(problem) == {"code", "title", "detail", "status"}


async def test_a_batch_is_published_under_one_correlation_id(client: Client, publisher: MemoryPublisher) -> None:
    body = escaped(
        webhook(
            change(message("wamid.1", image=image("1")), text_message(), message("wamid.2", image=image("2"))),
            change(message("wamid.3", image=image("3")), number="2"),
        )
    )

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200
        assert await response.read() == b""

    ((correlation_id, events),) = publisher.published
    assert correlation_id
    assert [event.message_id for event in events if isinstance(event, MediaReceived)] == [
        "wamid.1",
        "wamid.2",
        "wamid.3",
    ]
    assert publisher.sent == []


@pytest.mark.parametrize("secret", ["older-secret", APP_SECRET])
async def test_any_of_the_secrets_signs(client: Client, secret: str) -> None:
    body = raw(webhook())

    async with client.post(PATH, data=body, headers=signed(body, secret)) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing"),
        ({"X-Hub-Signature-256": "sha256=zz"}, "malformed"),
        ({"X-Hub-Signature-256": "sha256=" + "é" * 64}, "malformed"),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, "mismatch"),
        (signed(b"another body"), "mismatch"),
        (signed(b"not json at all", "another secret"), "mismatch"),
    ],
    ids=repr,
)
async def test_a_bad_signature_is_refused_before_anything_is_parsed(
    client: Client, publisher: MemoryPublisher, headers: dict[str, str], reason: str
) -> None:
    before = counted("attache_signature_errors_total", reason=reason)

    async with client.post(PATH, data=b"not json at all", headers=headers) as response:
        await assert_problem(response, 401, "unauthorized")

    assert counted("attache_signature_errors_total", reason=reason) == before + 1
    assert (publisher.published, publisher.sent) == ([], [])


async def test_a_body_over_the_limit_is_refused_before_its_signature_is_looked_at(client: Client) -> None:
    async with client.post(PATH, data=b"x" * (LIMIT + 1)) as response:
        await assert_problem(response, 413, "payload_too_large")


async def test_a_body_at_the_limit_is_taken(client: Client) -> None:
    body = raw(webhook()).ljust(LIMIT)

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200


async def test_an_endless_chunked_body_is_not_read_to_its_end(client: Client) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 65536
            await asyncio.sleep(0)

    async with client.post(PATH, data=endless()) as response:
        await assert_problem(response, 413, "payload_too_large")

    assert given < 1000


async def test_a_chunked_body_within_the_limit_is_taken(client: Client, publisher: MemoryPublisher) -> None:
    body = raw(webhook(change(message())))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    async with client.post(PATH, data=chunks(), headers=signed(body)) as response:
        assert response.status == 200

    assert len(publisher.published) == 1


async def test_a_body_that_is_not_what_its_encoding_says_is_a_bad_request(client: Client) -> None:
    headers = signed(b"junk") | {"Content-Encoding": "gzip"}

    async with client.post(PATH, data=b"junk", headers=headers) as response:
        await assert_problem(response, 400, "bad_request")


async def test_a_compressed_bomb_is_not_unpacked_beyond_the_limit(client: Client) -> None:
    bomb = gzip.compress(bytes(50_000_000))

    async with client.post(PATH, data=bomb, headers={"Content-Encoding": "gzip"}) as response:
        await assert_problem(response, 413, "payload_too_large")


async def test_without_confirms_meta_is_asked_to_send_again(client: Client, publisher: MemoryPublisher) -> None:
    publisher.away = True
    body = raw(webhook(change(message())))

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        await assert_problem(response, 503, "broker_unavailable")
        assert int(response.headers["Retry-After"]) > 0


async def test_a_body_that_cannot_be_parked_is_asked_for_again(client: Client, publisher: MemoryPublisher) -> None:
    publisher.full = DLQ
    body = raw(webhook(change(message(), message("wamid.ODD", image={}))))

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        await assert_problem(response, 503, "broker_unavailable")


async def test_an_unreadable_body_is_parked_with_its_story(client: Client, publisher: MemoryPublisher) -> None:
    body = b"{ not json"

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200

    ((queue, letter),) = publisher.sent
    assert (queue, letter.body) == (DLQ, body)
    assert letter.headers == {
        "x-reason": "not JSON",
        "x-error-code": "undecodable_event",
        "x-attempt": 1,
        "x-failed-at": "2026-09-22T12:00:00.000Z",
        "x-service": "webhook-gateway",
        "x-original-queue": "webhook-gateway.unreadable",
    }
    assert letter.delivery_mode == 2
    assert letter.correlation_id


async def test_a_partly_unreadable_body_is_parked_and_what_can_be_read_is_published(
    client: Client, publisher: MemoryPublisher
) -> None:
    body = raw(webhook(change(message("wamid.ODD", image={}), message("wamid.GOOD"))))

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200

    ((correlation_id, (event,)),) = publisher.published
    assert isinstance(event, MediaReceived)
    assert event.message_id == "wamid.GOOD"
    ((_, letter),) = publisher.sent
    assert letter.body == body
    assert letter.correlation_id == correlation_id
    assert letter.headers["x-phone-number-id"] == NUMBER
    assert letter.headers["x-reason"] == "image without a media id at entry[0].changes[0].value.messages[0]"


async def test_many_reasons_are_told_in_short(client: Client, publisher: MemoryPublisher) -> None:
    body = raw(webhook(change(*(message(f"wamid.{n}", image={}) for n in range(200)))))

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200

    ((_, letter),) = publisher.sent
    assert str(letter.headers["x-reason"]).endswith("and 195 more")


@pytest.mark.parametrize(
    "payload",
    [
        {"object": "page", "entry": [{"changes": [change(message())]}]},
        webhook(change(statuses=[{"id": "wamid.OUT", "status": "read"}])),
        webhook(change(text_message())),
    ],
)
async def test_a_webhook_without_media_is_acknowledged_while_the_broker_is_away(
    client: Client, publisher: MemoryPublisher, payload: Any
) -> None:
    publisher.away = True
    body = raw(payload)

    async with client.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200

    assert (publisher.published, publisher.sent) == ([], [])


async def test_each_event_has_a_line_and_a_count_and_the_webhook_one_line(client: Client) -> None:
    body = raw(
        webhook(
            change(message("wamid.1", image=image(caption="private words"))), {"field": "secret field", "value": {}}
        )
    )
    labels = {"service": "webhook-gateway", "status": "pending", "kind": "image", "code": ""}
    before = counted("attache_media_updates_total", **labels), counted("attache_webhooks_total", outcome="accepted")

    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        async with client.post(PATH, data=body, headers=signed(body)) as response:
            assert response.status == 200

    updated, handled = lines
    assert updated.pop("mediaId").startswith("m")
    assert updated.pop("correlationId") == handled.pop("correlationId")
    assert updated == {
        "event": "message_media_updated",
        "log_level": "info",
        "status": "pending",
        "previousStatus": None,
        "revision": 0,
        "kind": "image",
        "messageId": "wamid.1",
        "phoneNumberId": NUMBER,
    }
    assert handled.pop("durationMs") >= 0
    assert handled == {
        "event": "webhook.handled",
        "log_level": "info",
        "outcome": "accepted",
        "httpStatus": 200,
        "bytes": len(body),
        "events": 1,
        "unreadable": 0,
        "fields": {"messages": 1, "other": 1},
    }
    after = counted("attache_media_updates_total", **labels), counted("attache_webhooks_total", outcome="accepted")
    assert after == (before[0] + 1, before[1] + 1)


async def test_nothing_personal_is_logged(client: Client, publisher: MemoryPublisher) -> None:
    private = message("wamid.1", image=image("5", caption="private words", url="https://lookaside.example/x"))
    bodies = [raw(webhook(change(private, message("wamid.2", image={"caption": "private words"})))), b"private words"]

    with structlog.testing.capture_logs() as lines:
        for body in bodies:
            async with client.post(PATH, data=body, headers=signed(body)) as response:
                assert response.status == 200
        async with client.post(PATH, data=b"private words", headers={"X-Hub-Signature-256": "private words"}):
            pass
        async with client.get(PATH, params={"hub.verify_token": "private words"}):
            pass

    text = json.dumps(lines)
    for personal in ("private words", "15550109999", "Ada", "lookaside", "US.1000"):
        assert personal not in text
    reasons = json.dumps([dict(letter.headers) for _, letter in publisher.sent], default=str)
    assert "private words" not in reasons
    assert "15550109999" not in reasons


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (lambda client: client.get("/nowhere"), 404, "not_found"),
        (lambda client: client.put(PATH), 405, "method_not_allowed"),
    ],
)
async def test_every_error_is_a_problem_document(
    client: Client, ask: Callable[[Client], Awaitable[Any]], status: int, code: str
) -> None:
    await assert_problem(await ask(client), status, code)
