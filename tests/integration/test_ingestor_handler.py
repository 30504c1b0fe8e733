"""The ingestor's work on a real MongoDB, a real folder and Meta as the simulator shows it. Broker: only to announce."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.broker.consumer import Delivery
from shared.broker.retry import DeadLetter, RetryIn, Settled
from shared.errors import ErrorCode
from shared.events import MediaStored, Rejection
from shared.media import Customer, Declared, FailureStage, MediaStatus, Sender
from shared.model import rfc3339
from shared.moves import ingest_again
from tests.ingestors import LIFETIME, LIMIT, NUMBER, PHOTO, World, photo, running_world
from whatsapp_simulator import DEMO_ACCESS_TOKEN, BusinessNumber, Fault, FaultName, SizeForm, Step

OTHER = BusinessNumber(phone_number_id="200300400500888", display_phone_number="15550100888")


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(
        mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, broker_url=broker_url, folder=tmp_path / "uploads"
    ) as world:
        yield world


async def test_an_attachment_becomes_a_verified_original_and_everybody_is_told(world: World) -> None:
    media = photo(world)
    event = world.announced(media, caption="$where", file_name=None)

    caused = await world.deliver(event)

    document = await world.document(event)
    key = f"incoming/{media.sha256[:2]}/{media.sha256}.jpg"
    assert caused == [
        MediaStored(
            media_id=event.media_id,
            phone_number_id=NUMBER,
            message_id=event.message_id,
            conversation_id=document.conversation_id,
            sha256=media.sha256,
        )
    ]
    original = document.media.storage.original
    assert original is not None
    assert original.to_json() == {
        "key": key,
        "mimeType": "image/jpeg",
        "sizeBytes": len(PHOTO),
        "sha256": media.sha256,
    }
    assert (world.folder / key).read_bytes() == PHOTO
    assert world.files() == [key]
    assert (document.media.status, document.media.revision, document.media.attempts) == (MediaStatus.STORED, 2, 1)
    assert document.media.deadline == event.received_at + LIFETIME - timedelta(minutes=15)
    assert document.caption == "$where"
    updates = await world.told(2)
    assert sorted((each["media"]["status"], each["media"]["revision"]) for each in updates) == [
        ("pending", 1),
        ("stored", 2),
    ]


async def test_every_change_of_state_is_one_log_line_without_what_is_private(world: World) -> None:
    event = world.announced(photo(world), caption="Happy birthday")

    with capture_logs() as lines:
        await world.deliver(event)

    told = [line for line in lines if line["event"] == "message_media_updated"]
    assert [(line["previousStatus"], line["status"], line["revision"]) for line in told] == [
        (None, "pending", 1),
        ("pending", "stored", 2),
    ]
    assert {line["mediaId"] for line in told} == {event.media_id}
    for private in ("Happy birthday", "Ada", DEMO_ACCESS_TOKEN, "hash=", "15550102030"):
        assert private not in str(lines)


async def test_the_same_picture_of_another_customer_is_linked_without_asking_meta(world: World) -> None:
    first, second = photo(world), photo(world)
    await world.deliver(world.announced(first))
    event = world.announced(second, customer=Customer(wa_id="2"), sender=Sender(wa_id="2"))

    caused = await world.deliver(event)

    assert isinstance(caused, list)
    assert len(caused) == 1
    assert (await world.document(event)).media.status is MediaStatus.STORED
    assert world.meta.requests.metadata(second.id) == 0
    assert world.meta.requests.downloads() == 1
    assert len(world.files()) == 1


async def test_the_same_picture_without_a_digest_is_stored_once(world: World) -> None:
    events = [world.announced(photo(world), digest=False) for _ in range(2)]

    for event in events:
        await world.deliver(event)

    assert {(await world.document(event)).media.status for event in events} == {MediaStatus.STORED}
    assert len(world.files()) == 1


async def test_the_same_event_many_times_at_once_is_one_download_and_one_document(world: World) -> None:
    media = photo(world)
    event = world.announced(media)

    answers = await asyncio.gather(*(world.deliver(event) for _ in range(10)))

    assert world.meta.requests.downloads(media.id) == 1
    assert await world.database["messages"].count_documents({}) == 1
    assert (await world.document(event)).media.revision == 2
    assert all(isinstance(answer, list) for answer in answers)


async def test_one_picture_from_many_customers_at_once_is_one_download(world: World) -> None:
    events = [world.announced(photo(world), customer=Customer(wa_id=str(number))) for number in range(6)]

    await asyncio.gather(*(world.deliver(event) for event in events))

    assert world.meta.requests.downloads() == 1
    assert {(await world.document(event)).media.status for event in events} == {MediaStatus.STORED}
    assert await world.database["conversations"].count_documents({}) == 6


@pytest.mark.parametrize("size_form", list(SizeForm))
async def test_a_size_in_any_form_is_understood(size_form: SizeForm, world: World) -> None:
    event = world.announced(photo(world, size_form=size_form))

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


@pytest.mark.parametrize(("size_form", "downloads"), [(SizeForm.INTEGER, 0), (SizeForm.ABSENT, 1)])
async def test_a_file_over_the_limit_is_skipped_and_leaves_nothing_behind(
    size_form: SizeForm, downloads: int, world: World
) -> None:
    media = photo(world, content=PHOTO + bytes(LIMIT), size_form=size_form)
    event = world.announced(media)

    answer = await world.deliver(event)

    document = await world.document(event)
    assert answer == []
    assert document.media.status is MediaStatus.SKIPPED
    assert document.media.failure is not None
    assert document.media.failure.code is ErrorCode.MEDIA_TOO_LARGE
    assert document.media.failure.stage is FailureStage.INGEST
    assert "MEDIA_MAX_ORIGINAL_BYTES" in document.media.failure.message
    assert document.media.declared.size_bytes == len(PHOTO) + LIMIT
    assert document.media.wake_at is None
    assert world.meta.requests.downloads(media.id) == downloads
    assert world.files() == []


@pytest.mark.parametrize("fault", [FaultName.CORRUPT, FaultName.TRUNCATED, FaultName.HTML])
async def test_wrong_bytes_are_never_kept_and_heal(fault: FaultName, world: World) -> None:
    event = world.announced(photo(world, Fault(name=fault, times=2)))

    answers = [await world.deliver(event, attempt=attempt) for attempt in (1, 2)]
    waiting = await world.document(event)

    assert answers == [RetryIn(seconds=5), RetryIn(seconds=30)]
    assert waiting.media.status is MediaStatus.PENDING
    assert waiting.media.attempts == 2
    assert waiting.media.failure is not None
    assert waiting.media.failure.code is ErrorCode.MEDIA_CORRUPT
    assert waiting.media.next_attempt_at is not None
    assert abs(waiting.media.next_attempt_at - world.clock() - timedelta(seconds=30)) < timedelta(seconds=10)
    assert world.files() == []

    await world.deliver(event, attempt=3)

    healed = await world.document(event)
    assert healed.media.status is MediaStatus.STORED
    assert healed.media.failure is None
    assert healed.media.next_attempt_at is None


async def test_bytes_that_stay_wrong_are_given_up_after_three_delays(world: World) -> None:
    event = world.announced(photo(world, Fault(name=FaultName.CORRUPT)))

    answers = [await world.deliver(event, attempt=attempt) for attempt in (1, 2, 3, 4)]

    assert answers[:3] == [RetryIn(seconds=5), RetryIn(seconds=30), RetryIn(seconds=120)]
    assert isinstance(answers[3], DeadLetter)
    assert answers[3].code is ErrorCode.MEDIA_CORRUPT
    assert (await world.document(event)).media.status is MediaStatus.FAILED
    assert world.files() == []


async def test_a_digest_that_the_webhook_announced_wrongly_is_not_believed_by_the_bytes(world: World) -> None:
    event = world.announced(photo(world), declared=Declared(mime_type="image/jpeg", sha256="0" * 64))

    assert await world.deliver(event) == RetryIn(seconds=5)
    assert world.files() == []


@pytest.mark.parametrize(
    ("fault", "code", "status", "seconds"),
    [
        (Fault(name=FaultName.SERVER_ERROR), ErrorCode.PROVIDER_UNAVAILABLE, 503, 5),
        (Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD), ErrorCode.PROVIDER_UNAVAILABLE, 503, 5),
        (Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=60), ErrorCode.PROVIDER_RATE_LIMITED, 429, 120),
        (Fault(name=FaultName.RATE_LIMITED, at=Step.DOWNLOAD), ErrorCode.PROVIDER_RATE_LIMITED, 429, 5),
        (Fault(name=FaultName.RESET), ErrorCode.PROVIDER_UNAVAILABLE, None, 5),
        (Fault(name=FaultName.RESET, at=Step.METADATA), ErrorCode.PROVIDER_UNAVAILABLE, None, 5),
        (Fault(name=FaultName.HTML, at=Step.METADATA), ErrorCode.PROVIDER_UNAVAILABLE, 200, 5),
        (Fault(name=FaultName.EXPIRED), ErrorCode.PROVIDER_NOT_FOUND, 400, 5),
        (Fault(name=FaultName.EXPIRED, at=Step.DOWNLOAD), ErrorCode.PROVIDER_NOT_FOUND, 404, 5),
    ],
    ids=lambda value: f"{value.name}-{value.step}" if isinstance(value, Fault) else None,
)
async def test_what_may_pass_is_tried_again(
    fault: Fault, code: ErrorCode, status: int | None, seconds: int, world: World
) -> None:
    event = world.announced(photo(world, fault))

    with capture_logs() as lines:
        answer = await world.deliver(event)

    document = await world.document(event)
    assert answer == RetryIn(seconds=seconds)
    assert document.media.status is MediaStatus.PENDING
    assert document.media.failure is not None
    assert (document.media.failure.code, document.media.failure.provider_status) == (code, status)
    (line,) = [line for line in lines if line["event"] == "Failed to ingest WhatsApp media"]
    assert line["conversationId"] == document.conversation_id
    assert line["messageId"] == event.message_id
    assert (line["code"], line["providerStatus"], line["attempt"], line["willRetry"]) == (code, status, 1, True)
    assert "providerCode" in line
    assert line["deadline"] == rfc3339(event.received_at + LIFETIME - timedelta(minutes=15))
    assert world.files() == []


async def test_a_number_that_is_to_slow_down_waits_alone_and_burns_no_attempt(world: World) -> None:
    world.meta.add_number(OTHER, access_token=DEMO_ACCESS_TOKEN)
    told = world.announced(photo(world, Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=60, times=1)))
    mate = world.announced(photo(world, content=b"mate"))
    stranger = world.announced(photo(world, content=b"stranger", number=OTHER))

    answers = [await world.deliver(event) for event in (told, mate, stranger)]

    assert answers[:2] == [RetryIn(seconds=120), RetryIn(seconds=120, same_attempt=True)]
    assert (await world.document(stranger)).media.status is MediaStatus.STORED
    assert world.meta.requests.metadata(mate.provider_media_id) == 0
    waiting = (await world.document(mate)).media
    assert (waiting.status, waiting.attempts) == (MediaStatus.PENDING, 1)
    assert waiting.next_attempt_at is not None
    assert waiting.failure is not None
    assert waiting.failure.code is ErrorCode.PROVIDER_RATE_LIMITED
    assert waiting.wake_at is not None
    assert waiting.wake_at > waiting.next_attempt_at, "the reconciler leaves alone what waits in a retry queue"

    world.clock.ahead = timedelta(seconds=100)
    for event in (told, mate):
        await world.deliver(event, redelivered=True)  # as the same attempt comes back

    assert {
        ((await world.document(event)).media.status, (await world.document(event)).media.attempts)
        for event in (told, mate)
    } == {(MediaStatus.STORED, 1)}


async def test_what_is_in_the_store_already_is_linked_while_its_number_has_to_wait(world: World) -> None:
    await world.deliver(world.announced(photo(world)))
    slow = Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=60)
    await world.deliver(world.announced(photo(world, slow, content=b"told")))
    event = world.announced(photo(world))

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_link_that_died_is_replaced_within_the_attempt(world: World) -> None:
    media = photo(world, Fault(name=FaultName.EXPIRED, at=Step.DOWNLOAD, times=1))
    event = world.announced(media)

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED
    assert world.meta.requests.metadata(media.id) == 2


async def test_media_past_its_lifetime_has_expired_and_is_not_waited_for(world: World) -> None:
    event = world.announced(photo(world))
    world.meta.clock.advance(8 * 86400)
    world.clock.ahead = timedelta(days=8)

    answer = await world.deliver(event)

    assert isinstance(answer, DeadLetter)
    assert answer.code is ErrorCode.MEDIA_EXPIRED
    document = await world.document(event)
    assert document.media.status is MediaStatus.FAILED
    assert document.media.failure is not None
    assert document.media.failure.provider_status == 400


@pytest.mark.parametrize(
    ("fault", "days", "code"),
    [
        (Fault(name=FaultName.EXPIRED), 8, ErrorCode.MEDIA_EXPIRED),
        (Fault(name=FaultName.GRAPH_ERROR, code=131008), 0, ErrorCode.PROVIDER_REJECTED),
    ],
)
async def test_what_meta_does_not_give_any_more_is_to_be_sent_again_and_not_retried(
    fault: Fault, days: int, code: ErrorCode, world: World
) -> None:
    event = world.announced(photo(world, fault))
    world.clock.ahead = timedelta(days=days)

    with capture_logs() as lines:
        await world.deliver(event)

    (line,) = [line for line in lines if line["event"] == "Failed to ingest WhatsApp media"]
    assert (line["code"], line["mediaId"], line["willRetry"]) == (code, event.media_id, False)
    assert "ask the customer to send it again" in line["next"]
    assert "make retry" not in line["next"]


async def test_past_the_deadline_one_attempt_is_still_made(world: World) -> None:
    event = world.announced(photo(world))
    world.clock.ahead = timedelta(days=8)

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_refused_token_burns_no_attempts_and_heals_with_a_new_one(world: World) -> None:
    media = photo(world)
    event = world.announced(media)
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)

    answer = await world.deliver(event)

    document = await world.document(event)
    assert isinstance(answer, DeadLetter)
    assert (answer.code, answer.provider_status, answer.provider_code) == (ErrorCode.PROVIDER_AUTH, 401, 190)
    assert document.media.status is MediaStatus.FAILED
    assert document.media.failure is not None
    assert document.media.failure.instance_version == 1
    assert world.meta.requests.metadata(media.id) == 1

    world.meta.tokens.replace(NUMBER, "new-token")
    await world.instances.save(NUMBER, display_name="", access_token=SecretStr("new-token"), is_default=True)
    assert await world.messages.change(document, ingest_again(now=world.clock())) is not None
    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_token_saved_while_the_old_one_was_refused_is_used_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.announced(photo(world))
    world.meta.tokens.replace(NUMBER, "new-token")
    read = world.instances.credentials

    async def read_then_saved_by_somebody(number: str) -> Any:
        found = await read(number)
        if found.version == 1:
            await world.instances.save(NUMBER, display_name="", access_token=SecretStr("new-token"), is_default=True)
        return found

    monkeypatch.setattr(world.instances, "credentials", read_then_saved_by_somebody)

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_without_an_instance_it_waits_for_one(world: World) -> None:
    await world.database["whatsapp_instances"].delete_many({})
    media = photo(world)
    event = world.announced(media)

    answer = await world.deliver(event)

    assert isinstance(answer, DeadLetter)
    assert answer.code is ErrorCode.NO_INSTANCE
    assert "make instance-set" in answer.reason
    assert world.meta.requests.metadata(media.id) == 0


async def test_media_that_meta_itself_could_not_deliver_is_a_document_too(world: World) -> None:
    event = world.announced(
        photo(world),
        provider_media_id=None,
        rejection=Rejection(provider_code=131052, message="Media download error"),
    )

    answer = await world.deliver(event)

    document = await world.document(event)
    assert answer == []
    assert document.media.status is MediaStatus.FAILED
    assert document.media.failure is not None
    assert document.media.failure.code is ErrorCode.PROVIDER_REJECTED
    assert document.media.failure.provider_code == 131052
    assert world.meta.requests.metadata() == 0


async def test_an_attempt_that_was_cut_off_goes_on_when_it_is_delivered_again(world: World) -> None:
    media = photo(world, Fault(name=FaultName.SLOW, delay_seconds=30, times=1))
    event = world.announced(media)
    cut_off = asyncio.create_task(world.deliver(event))
    async with asyncio.timeout(10):
        while world.meta.requests.metadata(media.id) == 0:  # noqa: ASYNC110 - happens in the simulator
            await asyncio.sleep(0.01)
    await asyncio.wait([cut_off], timeout=0.05)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)

    duplicate = await world.deliver(event)
    still = await world.document(event)
    redelivered = await world.deliver(event, redelivered=True)

    assert duplicate == []
    assert still.media.status is MediaStatus.PENDING
    assert isinstance(redelivered, list)
    assert len(redelivered) == 1
    document = await world.document(event)
    assert (document.media.status, document.media.attempts) == (MediaStatus.STORED, 1)
    assert world.files() == [document.media.storage.original.key] if document.media.storage.original else False


async def test_an_attempt_that_was_overtaken_is_ignored(world: World) -> None:
    media = photo(world, Fault(name=FaultName.SERVER_ERROR))
    event = world.announced(media)
    for attempt in (1, 2):
        await world.deliver(event, attempt=attempt)
    asked = world.meta.requests.metadata(media.id)

    answer = await world.deliver(event, attempt=1, redelivered=True)

    assert answer == []
    assert world.meta.requests.metadata(media.id) == asked
    assert (await world.document(event)).media.attempts == 2


async def test_a_duplicate_of_what_is_done_does_nothing(world: World) -> None:
    media = photo(world)
    event = world.announced(media)
    await world.deliver(event)
    before = await world.document(event)

    again = [await world.deliver(event), await world.deliver(event, redelivered=True)]

    assert all(isinstance(answer, list) for answer in again)
    assert await world.document(event) == before
    assert world.meta.requests.downloads(media.id) == 1


async def test_a_duplicate_of_what_was_given_up_does_nothing(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    media = photo(world)
    event = world.announced(media)
    await world.deliver(event)
    before = await world.document(event)

    assert await world.deliver(event) == []
    assert await world.document(event) == before
    assert world.meta.requests.metadata(media.id) == 1


async def test_a_duplicate_six_days_later_does_nothing(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    given_up = world.announced(photo(world, content=b"given up"))
    await world.deliver(given_up)
    await world.saved("a-new-access-token")
    done = world.announced(photo(world))
    await world.deliver(done)
    before = [await world.document(event) for event in (done, given_up)]
    asked = len(world.meta.requests.seen())

    world.clock.ahead = timedelta(days=6)
    answers = [await world.deliver(event) for event in (done, given_up)]

    assert [await world.document(event) for event in (done, given_up)] == before
    assert len(world.meta.requests.seen()) == asked
    assert answers[1] == []


async def test_a_letter_that_a_kill_kept_from_being_buried_is_buried_by_the_redelivery(world: World) -> None:
    event = world.announced(photo(world, Fault(name=FaultName.CORRUPT)))
    for attempt in (1, 2, 3):
        await world.deliver(event, attempt=attempt)
    letter = await world.deliver(event, attempt=4)
    before = await world.document(event)

    again = await world.deliver(event, attempt=4, redelivered=True)

    assert isinstance(again, DeadLetter)
    assert again == letter
    assert await world.document(event) == before
    assert await world.deliver(event, attempt=3, redelivered=True) == [], "an earlier attempt has no letter"


async def test_bytes_that_are_removed_while_they_are_stored_are_fetched_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.announced(photo(world))
    change = world.messages.change

    async def changed_under_a_remover(current: Any, move: Any) -> Any:
        if move.to is MediaStatus.STORED:
            await world.database["blobs"].update_many({}, {"$set": {"state": "deleting"}})
        return await change(current, move)

    monkeypatch.setattr(world.messages, "change", changed_under_a_remover)
    answer = await world.deliver(event)
    monkeypatch.undo()

    waiting = await world.document(event)
    assert answer == RetryIn(seconds=5)
    assert (waiting.media.status, waiting.media.storage.original) == (MediaStatus.PENDING, None)
    assert waiting.media.failure is not None
    assert waiting.media.failure.code is ErrorCode.STORAGE_UNAVAILABLE

    await world.database["blobs"].delete_many({})
    await world.deliver(event, attempt=2)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_late_failure_does_not_undo_a_success(world: World) -> None:
    event = world.announced(photo(world))
    await world.deliver(event)

    delivery = Delivery(attempt=1, redelivered=False, correlation_id="abc")
    decision = await world.handler.settle(event, RuntimeError("late"), delivery)

    assert isinstance(decision, Settled)
    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_damaged_original_is_downloaded_anew_and_repaired(world: World) -> None:
    first, second = photo(world), photo(world)
    await world.deliver(world.announced(first))
    (key,) = world.files()
    (world.folder / key).write_bytes(PHOTO[:10])
    event = world.announced(second)

    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED
    assert (world.folder / key).read_bytes() == PHOTO
    assert world.meta.requests.downloads(second.id) == 1


async def test_bytes_that_went_missing_are_downloaded_anew(world: World) -> None:
    first, second = photo(world), photo(world)
    await world.deliver(world.announced(first))
    (key,) = world.files()
    (world.folder / key).unlink()

    await world.deliver(world.announced(second))

    assert (world.folder / key).read_bytes() == PHOTO


async def test_what_is_erased_meanwhile_stays_erased(world: World) -> None:
    media = photo(world, Fault(name=FaultName.SLOW, delay_seconds=1.5, at=Step.METADATA))
    event = world.announced(media)
    working = asyncio.create_task(world.deliver(event))
    async with asyncio.timeout(10):
        while await world.messages.get(event.media_id) is None:  # noqa: ASYNC110 - written by the handler
            await asyncio.sleep(0.01)

    await world.database["messages"].delete_one({"_id": event.media_id})

    assert await working == []
    assert await world.messages.get(event.media_id) is None
    assert world.files() == []


async def test_identities_that_a_webhook_ties_together_move_the_documents(world: World) -> None:
    by_phone = world.announced(photo(world), customer=Customer(wa_id="1"))
    by_user = world.announced(photo(world), customer=Customer(user_id="US.1"))
    both = world.announced(photo(world), customer=Customer(wa_id="1", user_id="US.1"))

    for event in (by_phone, by_user, both):
        await world.deliver(event)

    conversations = {(await world.document(event)).conversation_id for event in (by_phone, by_user, both)}
    assert len(conversations) == 1
    assert {(await world.document(event)).media.revision for event in (by_phone, by_user)} == {2, 3}


async def test_an_attempt_that_failed_before_there_was_a_document_is_told_too(world: World) -> None:
    event = world.announced(photo(world))
    delivery = Delivery(attempt=2, redelivered=False, correlation_id="abc")

    with capture_logs() as lines:
        decision = await world.handler.settle(event, RuntimeError("a defect"), delivery)

    assert isinstance(decision, RetryIn)
    (told,) = [line for line in lines if line["event"] == "Failed to ingest WhatsApp media"]
    assert (told["mediaId"], told["messageId"], told["conversationId"]) == (event.media_id, event.message_id, None)
    assert (told["code"], told["attempt"], told["willRetry"]) == ("internal", 2, True)
    assert "a defect" not in str(told), "the text of a foreign exception may hold anything"
