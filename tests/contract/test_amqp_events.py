"""Section 3 of the contract: events as an independent consumer of `media.events` sees them, queues as they are."""

import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aio_pika
import aiohttp
import pytest

from tests.contract.overheard import Heard
from tests.contract.recorded_run import NOT_JSON, UNDECODABLE, Run, identity_changed
from tests.contract.webhooks import CAPTION, FILE_NAME, NAME, PHONE, USERNAME
from tests.infrastructure import TestServers

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
WORK_QUEUES = {
    "ingestor.media-received": ("media.received", (1, 2, 3)),
    "ingestor.identity-changed": ("identity.changed", (1, 2, 3)),
    "ingestor.message-revoked": ("message.revoked", (1, 2, 3)),
    "previewer.media-stored": ("media.stored", (1, 2, 3)),
    "webhook-gateway.unreadable": (None, ()),
}
DEAD_LETTER_HEADERS = {
    "x-reason",
    "x-error-code",
    "x-attempt",
    "x-failed-at",
    "x-service",
    "x-original-queue",
}


def of_ours(run: Run) -> list[Heard]:
    return [heard for heard in run.heard if heard.raw != UNDECODABLE]


def arguments_of(queue: str) -> dict[str, Any]:
    """What the contract and its topology say a queue has."""
    if queue.endswith(".dlq"):
        return {"x-queue-type": "quorum", "x-delivery-limit": 2147483647}
    work, _, wait = queue.partition(".retry.")
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 100,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": work if wait else f"{work}.dlq",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return arguments | ({"x-message-ttl": int(wait.removesuffix("s")) * 1000} if wait else {})


@pytest.mark.parametrize("routing_key", ["media.received", "media.stored", "media.updated"])
async def test_the_routing_keys_of_the_table_are_used(run: Run, routing_key: str) -> None:
    assert run.events(routing_key)


async def test_no_other_routing_key_is_used(run: Run) -> None:
    known = {"media.received", "media.stored", "media.updated", "identity.changed", "instance.updated"}

    assert {heard.routing_key for heard in run.heard} <= known


async def test_the_type_is_the_routing_key_and_the_version(run: Run) -> None:
    assert {(h.routing_key, h.type) for h in of_ours(run)} == {
        (h.routing_key, f"{h.routing_key}.v1") for h in of_ours(run)
    }


async def test_every_event_has_a_message_id_of_its_own(run: Run) -> None:
    ids = [heard.message_id for heard in of_ours(run)]

    assert all(ids)
    assert len(set(ids)) == len(ids)


async def test_the_correlation_id_ties_all_events_and_lines_of_one_webhook(run: Run) -> None:
    keys = ("media.received", "media.stored", "media.updated")

    of_events = {heard.correlation_id for key in keys for heard in run.events(key, "ready")}
    of_lines = {line["correlationId"] for line in run.updates("ready")}

    assert len(of_events) == 1
    assert of_lines == of_events
    others = {heard.correlation_id for what in ("document", "other number") for heard in run.events(keys[0], what)}
    assert not others & of_events


async def test_the_timestamp_is_when_it_was_published(run: Run) -> None:
    now = datetime.now(UTC)

    for heard in of_ours(run):
        assert heard.timestamp is not None
        assert abs((now - heard.timestamp.astimezone(UTC)).total_seconds()) < 300


async def test_every_event_is_persistent(run: Run) -> None:
    assert {heard.delivery_mode for heard in of_ours(run)} == {2}


async def test_every_body_is_a_json_object_and_says_so(run: Run) -> None:
    assert {heard.content_type for heard in of_ours(run)} == {"application/json"}
    assert all(heard.body for heard in of_ours(run))


async def test_media_received_says_that_an_attachment_was_announced(run: Run) -> None:
    (received,) = run.events("media.received", "document")
    document = run.document("document")

    body = received.body
    assert body["mediaId"] == document["_id"]
    assert body["mediaId"].startswith("m")
    assert (body["phoneNumberId"], body["kind"], body["direction"]) == (run.phone_number_id, "document", "inbound")
    assert body["sender"] == {"waId": PHONE, "name": NAME, "username": USERNAME}
    assert (body["caption"], body["fileName"]) == (CAPTION, FILE_NAME)
    assert body["declared"]["mimeType"] == "application/pdf"
    assert re.fullmatch(r"[0-9a-f]{64}", body["declared"]["sha256"])
    assert TIME.fullmatch(body["sentAt"])
    assert TIME.fullmatch(body["receivedAt"])


async def test_media_received_comes_once_for_each_attachment_of_a_webhook(run: Run) -> None:
    assert all(len(run.events("media.received", what)) == 1 for what in ("ready", "document", "neighbour", "skipped"))


async def test_a_retry_by_the_api_sends_media_received_again(run: Run) -> None:
    first, again = run.events("media.received", "healed")

    assert again.body["mediaId"] == first.body["mediaId"]
    assert again.correlation_id != first.correlation_id


async def test_media_stored_says_that_the_original_is_safe(run: Run) -> None:
    (stored,) = run.events("media.stored", "ready")
    document = run.document("ready")

    assert stored.body == {
        "mediaId": document["_id"],
        "phoneNumberId": run.phone_number_id,
        "messageId": run.wamids["ready"],
        "conversationId": document["conversationId"],
        "sha256": document["media"]["storage"]["original"]["sha256"],
    }


async def test_what_is_not_stored_has_no_media_stored(run: Run) -> None:
    assert [run.events("media.stored", what) for what in ("skipped", "refused", "rejected")] == [[], [], []]


@pytest.mark.parametrize("what", ["ready", "skipped", "refused", "healed", "second try", "broken", "rejected"])
async def test_media_updated_comes_once_for_each_revision(run: Run, what: str) -> None:
    revisions = [heard.body["media"]["revision"] for heard in run.events("media.updated", what)]

    assert sorted(revisions) == list(range(1, run.document(what)["media"]["revision"] + 1))


@pytest.mark.parametrize("what", ["ready", "skipped", "refused", "second try", "broken", "rejected"])
async def test_media_updated_is_the_document_as_in_the_api_without_links(run: Run, what: str) -> None:
    last = max(run.events("media.updated", what), key=lambda heard: heard.body["media"]["revision"])
    shown = await run.world.shown(run.document(what)["_id"])

    def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
        media = dict(message["media"])
        files = {"original": media.pop("original", {}), **media.pop("renditions", {})}
        bare = {name: {k: v for k, v in file.items() if k not in names} for name, file in files.items()}
        return {**message, "media": {**media, "files": bare}}

    assert without(last.body, "key") == without(shown, "url", "expiresAt")
    assert b"/media/" not in last.raw
    assert b"expiresAt" not in last.raw
    assert b"wakeAt" not in last.raw


async def test_every_service_that_changes_a_status_tells_it(run: Run) -> None:
    services = {line["service"] for line in run.updates("healed")}

    assert services == {"webhook-gateway", "ingestor", "media-server", "previewer"}


async def test_identity_changed_says_that_a_customers_phone_number_changed(run: Run) -> None:
    changed = await identity_changed(run, new_phone="15550177332")

    assert (changed.type, changed.delivery_mode) == ("identity.changed.v1", 2)
    assert changed.body["phoneNumberId"] == run.phone_number_id
    assert changed.body["before"]["waId"] == PHONE
    assert changed.body["after"]["waId"] == "15550177332"
    assert TIME.fullmatch(changed.body["changedAt"])


async def managed(run: Run, servers: TestServers, what: str) -> Any:
    """What RabbitMQ's own management API lists of our virtual host."""
    broker = urlsplit(run.world.settings["RABBITMQ_URL"])
    credentials = b64encode(f"{broker.username}:{broker.password}".encode()).decode()
    url = f"{servers.rabbitmq_management_url}/api/{what}/{quote(broker.path.removeprefix('/'), safe='')}"
    headers = {"Authorization": f"Basic {credentials}"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_work_queues_have_retry_queues_and_a_dlq_beside_each(run: Run, servers: TestServers) -> None:
    expected = {
        name
        for queue, (_, waits) in WORK_QUEUES.items()
        for name in (queue, f"{queue}.dlq", *(f"{queue}.retry.{seconds}s" for seconds in waits))
    }

    queues = {queue["name"]: queue for queue in await managed(run, servers, "queues")}

    assert {name for name, queue in queues.items() if queue["durable"] and not queue.get("exclusive")} == expected
    assert {name: queues[name]["type"] for name in expected} == dict.fromkeys(expected, "quorum")
    assert {name: queues[name]["arguments"] for name in expected} == {name: arguments_of(name) for name in expected}


async def test_each_work_queue_is_bound_to_the_routing_key_that_is_in_its_name(run: Run, servers: TestServers) -> None:
    bindings = {
        (binding["destination"], binding["routing_key"])
        for binding in await managed(run, servers, "bindings")
        if binding["source"] == "media.events" and binding["destination"] in WORK_QUEUES
    }

    assert bindings == {(queue, key) for queue, (key, _) in WORK_QUEUES.items() if key is not None}
    assert all(queue.partition(".")[2] == key.replace(".", "-") for queue, key in bindings)


async def test_the_exchange_is_a_durable_topic_exchange(run: Run) -> None:
    async with await aio_pika.connect(run.world.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()

        # the broker refuses a declaration that differs from what is there
        await channel.declare_exchange("media.events", aio_pika.ExchangeType.TOPIC, durable=True)


@pytest.mark.parametrize(
    ("service", "routing_key"), [("media-server", "media.updated"), ("ingestor", "instance.updated")]
)
async def test_every_replica_hears_in_an_exclusive_classic_queue_bounded_and_drop_head(
    run: Run, servers: TestServers, service: str, routing_key: str
) -> None:
    found = [
        queue
        for queue in await managed(run, servers, "queues")
        if queue.get("exclusive") and queue["name"].startswith(f"{service}.{routing_key}.")
    ]

    assert len(found) == 1, "one replica runs"
    assert found[0]["type"] == "classic"
    assert found[0]["arguments"]["x-overflow"] == "drop-head"
    assert found[0]["arguments"]["x-max-length"] > 0


@pytest.mark.parametrize(
    ("queue", "what"),
    [
        ("ingestor.media-received", "refused"),
        ("ingestor.media-received", "rejected"),
        ("previewer.media-stored", "broken"),
    ],
)
async def test_a_dead_letter_carries_the_headers_of_the_contract(run: Run, queue: str, what: str) -> None:
    headers = run.letter(f"{queue}.dlq", what).headers
    failure = run.document(what)["media"]["failure"]

    assert set(headers) >= DEAD_LETTER_HEADERS | {"x-phone-number-id"}
    assert headers["x-original-queue"] == queue
    assert headers["x-service"] == queue.partition(".")[0]
    assert headers["x-error-code"] == failure["code"]
    assert headers["x-phone-number-id"] == run.phone_number_id
    assert isinstance(headers["x-attempt"], int)
    assert headers["x-attempt"] >= 1
    assert TIME.fullmatch(headers["x-failed-at"])
    assert headers["x-reason"]
    assert headers.get("x-provider-status") == failure.get("providerStatus")


async def test_x_provider_status_is_the_status_that_meta_answered(run: Run) -> None:
    assert run.letter("ingestor.media-received.dlq", "refused").headers["x-provider-status"] == 401


async def test_an_event_that_cannot_be_decoded_is_dead_lettered_at_once(run: Run) -> None:
    letter = next(h for h in run.dead["ingestor.media-received.dlq"] if h.raw == UNDECODABLE)

    assert set(letter.headers) >= DEAD_LETTER_HEADERS
    assert letter.headers["x-error-code"] == "undecodable_event"
    assert letter.headers["x-attempt"] == 1
    assert CAPTION not in str(letter.headers)


async def test_an_unreadable_webhook_is_parked_raw_with_the_same_headers(run: Run) -> None:
    parked = next(h for h in run.dead["webhook-gateway.unreadable.dlq"] if h.raw == NOT_JSON)

    assert set(parked.headers) >= DEAD_LETTER_HEADERS
    assert parked.headers["x-original-queue"] == "webhook-gateway.unreadable"
    assert parked.headers["x-service"] == "webhook-gateway"
    assert parked.headers["x-error-code"] == "undecodable_event"


async def test_x_death_is_never_copied(run: Run) -> None:
    assert not [name for dead in run.dead.values() for letter in dead for name in letter.headers if "death" in name]
