"""Section 2 of the contract, webhook-gateway: the real process answers as the table says."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.overheard import letters, publish, until
from tests.contract.processes import ServiceProcess, closed_port, service
from tests.contract.recorded_run import WEBHOOKS, Run
from tests.contract.webhooks import media_message, new_wamid, signed, status_webhook, webhook
from tests.e2e.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES = 4 * 1024 * 1024
NUMBER = "200300400500600"


@dataclass(frozen=True, kw_only=True)
class Lonely:
    """A gateway without a broker, with two app secrets."""

    process: ServiceProcess
    client: aiohttp.ClientSession


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def lonely(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lonely]:
    environment = {
        "RABBITMQ_URL": f"amqp://somebody:pa55word-of-broker@127.0.0.1:{closed_port()}/",
        "WHATSAPP_APP_SECRET": "the-new-app-secret, the-old-app-secret",
        "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
    }
    async with (
        service("webhook_gateway", environment, tmp_path_factory.mktemp("lonely")) as process,
        aiohttp.ClientSession(process.url) as client,
    ):
        yield Lonely(process=process, client=client)


async def posted(
    client: aiohttp.ClientSession, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of the answer."""
    async with client.post(WEBHOOKS, data=BytesIO(body), headers=headers or {}) as response:
        return response.status, await response.text(), dict(response.headers)


def handshake(world: World, **changed: str) -> dict[str, str]:
    return {
        "hub.mode": "subscribe",
        "hub.verify_token": world.settings["WHATSAPP_VERIFY_TOKEN"],
        "hub.challenge": "1158201444",
    } | {f"hub.{name}": value for name, value in changed.items()}


async def test_get_echoes_the_challenge_as_text_plain(world: World, gateway: aiohttp.ClientSession) -> None:
    async with gateway.get(WEBHOOKS, params=handshake(world)) as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert await response.read() == b"1158201444"


@pytest.mark.parametrize("changed", [{"verify_token": "another"}, {"verify_token": ""}, {"mode": "unsubscribe"}])
async def test_get_answers_403_to_everyone_else(
    world: World, gateway: aiohttp.ClientSession, changed: dict[str, str]
) -> None:
    async with gateway.get(WEBHOOKS, params=handshake(world, **changed)) as response:
        assert response.status == 403
        assert "1158201444" not in await response.text()


async def test_post_answers_413_when_too_large_before_the_signature_is_looked_at(
    gateway: aiohttp.ClientSession,
) -> None:
    status, _, _ = await posted(gateway, b" " * (MOST_BYTES + 1))

    assert status == 413


async def test_post_takes_4_mib(gateway: aiohttp.ClientSession) -> None:
    status, _, _ = await posted(gateway, b" " * MOST_BYTES)

    assert status == 401, "not 413: it fits"


async def test_post_answers_401_to_a_missing_signature(gateway: aiohttp.ClientSession) -> None:
    status, _, _ = await posted(gateway, webhook(phone_number_id=NUMBER))

    assert status == 401


@pytest.mark.parametrize("secret", ["another-secret", ""])
async def test_post_answers_401_to_a_bad_signature(gateway: aiohttp.ClientSession, secret: str) -> None:
    body = webhook(phone_number_id=NUMBER)

    status, _, _ = await posted(gateway, body, signed(body, secret))

    assert status == 401


async def test_post_looks_at_the_signature_before_parsing(world: World, gateway: aiohttp.ClientSession) -> None:
    broker_url, dead = world.settings["RABBITMQ_URL"], "webhook-gateway.unreadable.dlq"
    body = b"not JSON and not signed"

    status, _, _ = await posted(gateway, body, signed(body, "another-secret"))

    assert status == 401
    assert body not in [letter.raw for letter in await letters(broker_url, dead)], "what nobody signed is not parked"


async def test_post_answers_200_after_all_its_media_events_are_confirmed(run: Run) -> None:
    """Each POST of the run was answered 200, and each of its attachments was published and became a document."""
    assert all(run.events("media.received", what) for what in run.wamids)
    assert all(run.document(what) for what in run.wamids)


async def test_a_non_media_webhook_is_acknowledged_and_publishes_nothing(
    run: Run, world: World, gateway: aiohttp.ClientSession
) -> None:
    known = len(run.heard)
    body = status_webhook(phone_number_id=run.phone_number_id)

    status, _, _ = await posted(gateway, body, signed(body, world.settings["WHATSAPP_APP_SECRET"]))

    assert status == 200
    assert [heard for heard in run.heard[known:] if heard.routing_key == "media.received"] == []


async def test_signed_but_unreadable_is_parked_raw_and_answered_200(
    world: World, gateway: aiohttp.ClientSession
) -> None:
    broker_url, dead = world.settings["RABBITMQ_URL"], "webhook-gateway.unreadable.dlq"
    body = b'{"object": "whatsapp_business_account", "entry": ' + new_wamid().encode()

    status, _, _ = await posted(gateway, body, signed(body, world.settings["WHATSAPP_APP_SECRET"]))

    assert status == 200
    assert body in [letter.raw for letter in await letters(broker_url, dead)]


async def test_beside_an_item_that_cannot_be_understood_what_can_be_read_is_published_and_the_raw_body_is_parked(
    run: Run,
) -> None:
    assert run.document("neighbour")["media"]["status"] == "ready"
    wamid = run.wamids["neighbour"].encode()
    assert [letter for letter in run.dead["webhook-gateway.unreadable.dlq"] if wamid in letter.raw]


async def test_a_replay_of_a_parked_body_goes_to_the_queue_that_the_gateway_itself_consumes(world: World) -> None:
    message = media_message(world.simulator.add_sample("zip", size_bytes=40_000, seed=9101))
    body = webhook(message, phone_number_id=world.simulator.number.phone_number_id)

    await publish(world.settings["RABBITMQ_URL"], "webhook-gateway.unreadable", body)

    assert (await world.ended(message["id"]))["media"]["status"] == "ready"


async def test_without_a_confirm_within_5_s_post_answers_503_and_retry_after(lonely: Lonely) -> None:
    media = {"id": "1", "mime_type": "image/jpeg"}
    announcing = webhook({"from": "1", "id": new_wamid(), "type": "image", "image": media}, phone_number_id=NUMBER)
    unreadable = b"not JSON"
    started = time.monotonic()

    answers = await asyncio.gather(
        *(posted(lonely.client, body, signed(body, "the-new-app-secret")) for body in (announcing, unreadable))
    )

    assert [status for status, _, _ in answers] == [503, 503]
    assert all(int(headers["Retry-After"]) > 0 for _, _, headers in answers)
    assert 4.5 < time.monotonic() - started < 7


@pytest.mark.parametrize(
    ("secret", "status"), [("the-new-app-secret", 200), ("the-old-app-secret", 200), ("neither", 401)]
)
async def test_each_listed_app_secret_is_accepted(lonely: Lonely, secret: str, status: int) -> None:
    body = status_webhook(phone_number_id=NUMBER)

    answered, _, _ = await posted(lonely.client, body, signed(body, secret))

    assert answered == status


async def test_without_its_broker_the_gateway_lives_and_is_not_ready(lonely: Lonely) -> None:
    async with lonely.client.get("/healthz") as alive, lonely.client.get("/readyz") as ready:
        assert (alive.status, ready.status) == (200, 503)
        answer = await ready.json()

    assert answer["status"] == "not_ready"
    assert answer["checks"]["rabbitmq"]["ok"] is False
    assert isinstance(answer["checks"]["rabbitmq"]["error"], str)
    assert "pa55word" not in str(answer)


async def test_the_password_of_a_broker_that_is_away_is_in_no_log(lonely: Lonely) -> None:
    async def waits() -> bool:
        return any("broker" in entry["event"] for entry in lonely.process.log_entries())

    await until(waits)

    written = lonely.process.stdout.read_text() + lonely.process.stderr.read_text()
    for secret in ("pa55word", "the-new-app-secret", "the-old-app-secret", "a-verify-token"):
        assert secret not in written


async def test_what_the_gateway_does_not_have_is_404(gateway: aiohttp.ClientSession) -> None:
    for path in ("/", "/webhooks", "/webhooks/whatsapp/", "/api/messages"):
        async with gateway.get(path) as response:
            assert response.status == 404, path
