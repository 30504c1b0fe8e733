"""The samples in `events/` are the contract with whoever reads or writes our events: added to, never edited."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aio_pika import DeliveryMode
from pydantic import ValidationError

from shared.broker.dead_letters import dead_letter_headers
from shared.broker.envelope import event_message
from shared.broker.retry import DeadLetter
from shared.broker.topology import INGEST, PREVIEW
from shared.errors import ErrorCode
from shared.events import (
    EVENT_TYPES,
    Event,
    IdentityChanged,
    InstanceUpdated,
    MediaErased,
    MediaReceived,
    MediaStored,
    MediaUpdated,
    MessageRevoked,
    Rejection,
    decode,
    encode,
    type_name,
)
from shared.media import (
    Customer,
    Declared,
    Facts,
    FailureStage,
    MediaKind,
    MediaStatus,
    Sender,
    Storage,
    public_json,
)
from tests.builders import (
    NOW,
    NUMBER,
    SHA256,
    WA_ID,
    WAMID,
    make_attachment,
    make_failure,
    make_media,
    make_original,
    make_rendition,
)

SAMPLES = Path(__file__).parent / "events"
MEDIA_ID = "mbykqyvdujmxpqpihq3aqzgpk5uigw6nk"
CONVERSATION_ID = "cgezdgnbvgy3tqojqgezdgnbv"
RECEIVED_AT = datetime(2026, 9, 21, 10, 0, 1, 250_000, tzinfo=UTC)
UPDATED_AT = datetime(2026, 9, 21, 10, 0, 2, 500_000, tzinfo=UTC)

UPDATED = make_attachment(
    id=MEDIA_ID,
    conversation_id=CONVERSATION_ID,
    caption="Happy birthday",
    received_at=RECEIVED_AT,
    media=make_media(
        status=MediaStatus.FAILED,
        revision=4,
        deadline=datetime(2026, 9, 28, 9, 45, 1, 250_000, tzinfo=UTC),
        updated_at=UPDATED_AT,
        declared=Declared(mime_type="image/jpeg", sha256=SHA256, size_bytes=10),
        storage=Storage(original=make_original(), renditions={"thumb": make_rendition()}),
        facts=Facts(width=1280, height=960, thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j2w"),
        failure=make_failure(
            stage=FailureStage.PREVIEW,
            code=ErrorCode.PREVIEW_TIMEOUT,
            message="making the preview takes longer than 20 s",
            provider_status=None,
            at=UPDATED_AT,
        ),
    ),
)

EXPECTED: tuple[Event, ...] = (
    MediaReceived(
        media_id=MEDIA_ID,
        phone_number_id=NUMBER,
        message_id=WAMID,
        provider_media_id="700000000000001",
        kind=MediaKind.DOCUMENT,
        sender=Sender(wa_id=WA_ID, user_id="US.1234567890", name="Ada", username="ada"),
        customer=Customer(wa_id=WA_ID, user_id="US.1234567890", parent_user_id="US.ENT.987654321"),
        group_id="Y2FwaV9ncm91cDox",
        caption="Verträge, signed",
        file_name="Verträge 2026 (1).pdf",
        sent_at=NOW,
        received_at=RECEIVED_AT,
        declared=Declared(mime_type="application/pdf", sha256=SHA256, size_bytes=204800),
        rejection=Rejection(provider_code=131052, message="Media download error"),
    ),
    MediaStored(
        media_id=MEDIA_ID,
        phone_number_id=NUMBER,
        message_id=WAMID,
        conversation_id=CONVERSATION_ID,
        sha256=SHA256,
    ),
    MediaUpdated.of(public_json(UPDATED)),
    MediaErased(id=MEDIA_ID, conversation_id=CONVERSATION_ID),
    MessageRevoked(phone_number_id=NUMBER, message_id=WAMID, revoked_at=NOW),
    IdentityChanged(
        phone_number_id=NUMBER,
        before=Customer(wa_id=WA_ID),
        after=Customer(wa_id="15550109999", user_id="US.1234567890", parent_user_id="US.ENT.987654321"),
        changed_at=NOW,
    ),
    InstanceUpdated(phone_number_id=NUMBER, instance_version=4),
)

every_event = pytest.mark.parametrize("event", EXPECTED, ids=type_name)


def sample(event: Event) -> Any:
    return json.loads((SAMPLES / f"{type_name(event)}.json").read_bytes())


def test_every_event_has_a_sample_and_every_sample_an_event() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == {type_name(event) for event in EVENT_TYPES}
    assert {type(event) for event in EXPECTED} == set(EVENT_TYPES)


@every_event
def test_a_sample_is_understood(event: Event) -> None:
    assert decode(type(event), json.dumps(sample(event)).encode()) == event


@every_event
def test_what_is_written_is_the_sample(event: Event) -> None:
    assert json.loads(encode(event)) == sample(event)


@every_event
def test_what_a_newer_version_adds_is_ignored(event: Event) -> None:
    newer = decode(type(event), json.dumps(sample(event) | {"inventedLater": {"a": [1]}}).encode())

    assert newer.to_json() | sample(event) == newer.to_json()


@every_event
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b'"text"'])
def test_what_is_not_the_event_is_refused_by_name_and_without_its_content(event: Event, body: bytes) -> None:
    with pytest.raises(ValidationError):
        decode(type(event), body)


def test_absent_optional_fields_are_left_out() -> None:
    event = MediaReceived(
        media_id="m1",
        phone_number_id="1",
        message_id="wamid.1",
        kind=MediaKind.IMAGE,
        sent_at=NOW,
        received_at=NOW,
        declared=Declared(mime_type="image/jpeg"),
    )

    assert json.loads(encode(event)) == {
        "mediaId": "m1",
        "phoneNumberId": "1",
        "messageId": "wamid.1",
        "direction": "inbound",
        "kind": "image",
        "sender": {},
        "customer": {},
        "sentAt": "2026-09-21T10:00:00.000Z",
        "receivedAt": "2026-09-21T10:00:00.000Z",
        "declared": {"mimeType": "image/jpeg"},
    }


@every_event
def test_the_envelope_rides_in_amqp_properties(event: Event) -> None:
    message = event_message(event, correlation_id="abc", attempt=3)

    assert message.type == f"{event.routing_key}.v1"
    assert message.message_id
    assert message.correlation_id == "abc"
    assert message.content_type == "application/json"
    assert message.delivery_mode is DeliveryMode.PERSISTENT
    assert message.headers == {"x-attempt": 3}
    assert message.timestamp is not None
    assert abs((datetime.now(UTC) - message.timestamp).total_seconds()) < 60


def test_two_messages_have_two_ids() -> None:
    first, second = (event_message(EXPECTED[1], correlation_id="abc") for _ in range(2))

    assert first.message_id != second.message_id


def test_a_dead_letter_tells_its_story_in_the_headers_of_the_contract() -> None:
    letter = DeadLetter(code=ErrorCode.PROVIDER_AUTH, reason="refused", provider_status=401, provider_code=190)

    headers = dead_letter_headers(
        letter, queue=INGEST, service="ingestor", attempt=2, failed_at=NOW, phone_number_id=NUMBER
    )

    assert headers == {
        "x-reason": "refused",
        "x-error-code": "provider_auth",
        "x-provider-status": 401,
        "x-attempt": 2,
        "x-failed-at": "2026-09-21T10:00:00.000Z",
        "x-service": "ingestor",
        "x-original-queue": "ingestor.media-received",
        "x-phone-number-id": NUMBER,
    }


def test_a_dead_letter_of_a_bug_shows_where_but_not_what() -> None:
    written = " ".join(["what", "a", "customer", "wrote"])
    try:
        raise KeyError(written)
    except KeyError as error:
        letter = DeadLetter(code=ErrorCode.INTERNAL, reason="internal error: KeyError")
        headers = dead_letter_headers(letter, queue=PREVIEW, service="previewer", attempt=1, failed_at=NOW, error=error)

    assert "test_event_samples.py" in str(headers["x-traceback"])
    assert str(headers["x-traceback"]).endswith("KeyError")
    assert written not in str(headers["x-traceback"])
    assert "x-provider-status" not in headers
    assert "x-phone-number-id" not in headers


def test_queues_have_the_names_of_the_contract() -> None:
    names = [queue.name for queue in PREVIEW.queues([5, 30, 5])]

    assert names == [
        "previewer.media-stored.dlq",
        "previewer.media-stored",
        "previewer.media-stored.retry.5s",
        "previewer.media-stored.retry.30s",
    ]
