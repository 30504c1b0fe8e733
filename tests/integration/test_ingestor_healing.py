"""Refused credentials: failed at once for all to see, Meta left in peace, and healed by itself when they work again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from prometheus_client import REGISTRY
from pydantic import SecretStr

from shared.broker import publisher as publishing
from shared.broker.publisher import Publisher, PublishFailed
from shared.broker.retry import DeadLetter
from shared.errors import ErrorCode
from shared.events import MediaReceived
from shared.media import Attachment, MediaStatus
from shared.repository.blobs import BlobRepository
from shared.repository.instances import InstanceRepository
from shared.retrying import Retrying
from tests.ingestors import LIFETIME, NUMBER, World, photo, running_world
from whatsapp_simulator import DEMO_ACCESS_TOKEN, BusinessNumber, Fault, FaultName, Step

OTHER = BusinessNumber(phone_number_id="200300400500888", display_phone_number="15550100888")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(
        mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, broker_url=broker_url, folder=tmp_path / "uploads"
    ) as world:
        yield world


def permission_missing(times: int | None = None) -> Fault:
    return Fault(name=FaultName.GRAPH_ERROR, at=Step.METADATA, code=10, times=times)


async def failed(world: World, *events: MediaReceived) -> Sequence[Attachment]:
    """These, delivered one after the other; each fails."""
    for event in events:
        assert isinstance(await world.deliver(event), DeadLetter)
    return [await world.document(event) for event in events]


async def code(world: World, event: MediaReceived) -> ErrorCode | None:
    failure = (await world.document(event)).media.failure
    return failure.code if failure else None


async def test_a_refused_token_fails_everything_at_once_and_meta_is_asked_once_a_minute(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    ingestors = (world.ingestor, world.another())
    events = [world.announced(photo(world), digest=False) for _ in range(12)]

    for number, event in enumerate(events[:6]):
        await ingestors[number % 2].deliver(event)
    assert world.meta.requests.metadata() == 1
    world.clock.ahead = MINUTE + timedelta(seconds=1)
    for number, event in enumerate(events[6:]):
        await ingestors[number % 2].deliver(event)

    assert world.meta.requests.metadata() == 2
    documents = [await world.document(event) for event in events]
    failures = [document.media.failure for document in documents]
    assert {document.media.status for document in documents} == {MediaStatus.FAILED}
    assert {(f.code, f.provider_status, f.provider_code, f.instance_version) for f in failures if f} == {
        (ErrorCode.PROVIDER_AUTH, 401, 190, 1)
    }
    assert all("make instance-set" in failure.message for failure in failures if failure)


async def test_of_everything_that_is_in_hand_at_the_same_moment_one_asks_meta(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = [world.announced(photo(world), digest=False) for _ in range(12)]

    await asyncio.gather(*(world.deliver(event) for event in events))

    assert world.meta.requests.metadata() == 1
    assert {await code(world, event) for event in events} == {ErrorCode.PROVIDER_AUTH}


async def test_a_token_that_dies_under_traffic_is_asked_about_once(world: World) -> None:
    """What is under way at that moment cannot be taken back; whether it is the token is asked once for all."""
    await world.deliver(world.announced(photo(world), digest=False))
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    asked = world.meta.requests.metadata()
    events = [world.announced(photo(world), digest=False) for _ in range(12)]

    await asyncio.gather(*(world.deliver(event) for event in events))
    later = world.announced(photo(world), digest=False)
    under_way = world.meta.requests.metadata() - asked
    await world.deliver(later)

    assert world.meta.requests.metadata() - asked == under_way, "nothing is asked for any more"
    assert {await code(world, event) for event in (*events, later)} == {ErrorCode.PROVIDER_AUTH}
    refusal = await world.refusals.get(NUMBER)
    assert refusal is not None
    assert refusal.certain


async def test_one_401_while_the_token_is_good_does_not_stop_the_number(world: World) -> None:
    refused = world.announced(photo(world, Fault(name=FaultName.UNAUTHORIZED, at=Step.METADATA)))
    await failed(world, refused)
    fine = world.announced(photo(world), digest=False)

    await world.deliver(fine)

    assert await code(world, refused) is ErrorCode.PROVIDER_AUTH
    assert (await world.document(fine)).media.status is MediaStatus.STORED
    refusal = await world.refusals.get(NUMBER)
    assert refusal is not None
    assert not refusal.shows(1), "the number is served"
    assert await world.ingestor.healer.once() == 0, "the same token would be refused again"


async def test_one_401_while_the_token_is_good_heals_when_meta_has_come_to_its_senses(world: World) -> None:
    refused = world.announced(photo(world, Fault(name=FaultName.UNAUTHORIZED, at=Step.METADATA, times=1)))
    await failed(world, refused)

    world.clock.ahead = MINUTE + timedelta(seconds=1)
    assert await world.ingestor.healer.once() == 0, "Meta is asked, and accepts"

    assert await world.ingestor.healer.once() == 1


async def test_one_attachment_that_may_not_be_read_does_not_stop_the_others(world: World) -> None:
    stubborn = world.announced(photo(world, permission_missing(), content=b"stubborn"))
    await failed(world, stubborn)
    fine = [world.announced(photo(world), digest=False) for _ in range(3)]

    for event in fine:
        await world.deliver(event)
        await failed(world, world.announced(photo(world, permission_missing(), content=event.media_id.encode())))

    assert {(await world.document(event)).media.status for event in fine} == {MediaStatus.STORED}
    refusal = await world.refusals.get(NUMBER)
    assert refusal is not None
    assert not refusal.certain


async def test_two_attachments_refused_one_after_the_other_stop_the_number(world: World) -> None:
    """Meta answers 10 for what lacks a permission, and still shows the number: the number itself cannot be asked."""
    events = [world.announced(photo(world, permission_missing()), digest=False) for _ in range(6)]

    await failed(world, *events)

    assert world.meta.requests.metadata() == 2
    assert {await code(world, event) for event in events} == {ErrorCode.PROVIDER_PERMISSION}


async def test_the_reconcilers_of_two_ingestors_ask_once_a_minute_between_them(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    (before,) = await failed(world, world.announced(photo(world)))
    healers = (world.ingestor.healer, world.another().healer)

    for _ in range(3):
        await asyncio.gather(*(healer.once() for healer in healers))
    assert world.meta.requests.metadata() == 1
    for minutes in (1, 2, 3):
        world.clock.ahead = minutes * (MINUTE + timedelta(seconds=1))
        await asyncio.gather(*(healer.once() for healer in healers))
        await asyncio.gather(*(healer.once() for healer in healers))

    assert world.meta.requests.metadata() == 4
    assert await world.messages.get(before.id) == before, "a probe that is refused changes nothing"


async def test_a_new_token_heals_everything_nearest_deadline_first(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    now = world.clock()
    events = [
        world.announced(photo(world), received_at=now - hours * HOUR, sent_at=now - hours * HOUR)
        for hours in (1, 100, 50)
    ]
    await failed(world, *events)
    await world.saved("a-new-access-token")

    assert await world.ingestor.healer.once() == 3

    queued = await world.queued(3)
    assert [event.media_id for event in queued] == [events[n].media_id for n in (1, 2, 0)]
    healed = await world.document(events[0])
    assert (healed.media.status, healed.media.attempts, healed.media.failure) == (MediaStatus.PENDING, 0, None)
    for event in queued:
        await world.deliver(event)
    assert {(await world.document(event)).media.status for event in events} == {MediaStatus.STORED}
    assert await world.ingestor.healer.once() == 0


async def test_two_ingestors_heal_each_once(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = [world.announced(photo(world)) for _ in range(10)]
    await failed(world, *events)
    await world.saved("a-new-access-token")

    healed = await asyncio.gather(world.ingestor.healer.once(), world.another().healer.once())

    assert sum(healed) == 10
    assert len({event.media_id for event in await world.queued(10)}) == 10


async def test_no_instance_heals_when_one_is_added(world: World) -> None:
    await world.instances.delete(NUMBER)
    event = world.announced(photo(world))
    await failed(world, event)
    assert await code(world, event) is ErrorCode.NO_INSTANCE
    assert await world.ingestor.healer.once() == 0

    await world.saved("a-new-access-token")

    assert await world.ingestor.healer.once() == 1
    await world.deliver((await world.queued(1))[0])
    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_an_instance_that_is_removed_leaves_its_number_to_the_default_one(world: World) -> None:
    world.meta.add_number(OTHER, access_token=DEMO_ACCESS_TOKEN)
    await world.instances.save(
        OTHER.phone_number_id, display_name="", access_token=SecretStr("never-issued"), is_default=False
    )
    event = world.announced(photo(world, number=OTHER))
    await failed(world, event)

    assert await world.instances.delete(OTHER.phone_number_id)

    assert await world.ingestor.healer.once() == 1
    await world.deliver((await world.queued(1))[0])
    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_a_permission_mended_at_meta_heals_when_the_probe_succeeds(world: World) -> None:
    newest = photo(world, permission_missing(times=2))
    now = world.clock()
    first = world.announced(photo(world, permission_missing(times=1)), received_at=now - HOUR)
    second = world.announced(newest, received_at=now)
    await failed(world, first, second)
    assert await code(world, second) is ErrorCode.PROVIDER_PERMISSION

    world.clock.ahead = MINUTE + timedelta(seconds=1)
    assert await world.ingestor.healer.once() == 0, "the probe is refused"
    world.clock.ahead = 2 * world.clock.ahead
    await world.ingestor.healer.once()
    assert world.ingestor.asked.is_set(), "the probe is accepted, and everybody in this process is told"

    assert await world.another().healer.once() == 2, "any ingestor heals; the one that probed may be gone"
    for event in await world.queued(2):
        await world.deliver(event)
    assert {(await world.document(event)).media.status for event in (first, second)} == {MediaStatus.STORED}
    assert [refusal async for refusal in world.refusals.all()] == []


async def test_an_attachment_that_comes_when_a_probe_is_due_is_the_probe(world: World) -> None:
    early = [world.announced(photo(world, permission_missing(times=1), content=bytes([n]) * 99)) for n in range(2)]
    await failed(world, *early)
    world.clock.ahead = MINUTE + timedelta(seconds=1)
    late = world.announced(photo(world))

    await world.deliver(late)

    assert (await world.document(late)).media.status is MediaStatus.STORED
    assert world.ingestor.asked.is_set()
    assert await world.ingestor.healer.once() == 2


async def test_attachments_that_meta_refuses_for_ever_stop_their_number_once_and_never_again(world: World) -> None:
    """Meta serves others with the same token, so no circle of healing, failing and stopping."""
    stubborn = [world.announced(photo(world, permission_missing(), content=bytes([n]) * 99)) for n in range(3)]
    await failed(world, *stubborn)
    world.clock.ahead += MINUTE + timedelta(seconds=1)
    await world.deliver(world.announced(photo(world), digest=False))
    assert await world.ingestor.healer.once() == 3, "Meta accepts the number again"
    for event in await world.queued(3):
        assert isinstance(await world.deliver(event), DeadLetter)

    asked = world.meta.requests.metadata()
    for _ in range(4):
        fine = world.announced(photo(world), digest=False)
        await world.deliver(fine)
        assert (await world.document(fine)).media.status is MediaStatus.STORED
        assert await world.ingestor.healer.once() == 0
        world.clock.ahead += MINUTE + timedelta(seconds=1)

    assert world.meta.requests.metadata() == asked + 4 + 3, "one probe a minute, beside those that came"
    refusal = await world.refusals.get(NUMBER)
    assert refusal is not None
    assert not refusal.shows(1)


async def test_each_probe_asks_for_another_attachment_so_that_one_cannot_hide_the_others(world: World) -> None:
    now = world.clock()
    stubborn = world.announced(photo(world, permission_missing()), received_at=now)
    mended = world.announced(photo(world, permission_missing(times=1), content=b"mended"), received_at=now - HOUR)
    await failed(world, stubborn, mended)

    healed = []
    for _ in range(3):
        world.clock.ahead += MINUTE + timedelta(seconds=1)
        healed.append(await world.ingestor.healer.once())

    assert healed == [0, 0, 2], "asked for the stubborn one, then for the other, then healed"


async def test_one_refused_number_does_not_stop_another(world: World) -> None:
    world.meta.add_number(OTHER, access_token="another-token")
    await world.instances.save(
        OTHER.phone_number_id, display_name="", access_token=SecretStr("another-token"), is_default=False
    )
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    await failed(world, world.announced(photo(world)))

    event = world.announced(photo(world, number=OTHER), digest=False)
    await world.deliver(event)

    assert (await world.document(event)).media.status is MediaStatus.STORED


async def test_healing_with_a_token_that_is_refused_too_ends_where_it_began(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = [world.announced(photo(world)) for _ in range(3)]
    await failed(world, *events)
    await world.instances.save(NUMBER, display_name="", access_token=SecretStr("never-issued"), is_default=True)
    assert await world.ingestor.healer.once() == 3
    for event in await world.queued(3):
        await world.deliver(event)
    asked = world.meta.requests.metadata()

    for _ in range(5):
        assert await world.ingestor.healer.once() == 0

    assert world.meta.requests.metadata() == asked == 2
    assert {await code(world, event) for event in events} == {ErrorCode.PROVIDER_AUTH}


async def test_a_link_refused_to_a_token_that_graph_takes_is_not_healed_by_the_same_token(world: World) -> None:
    event = world.announced(photo(world, Fault(name=FaultName.UNAUTHORIZED, at=Step.DOWNLOAD)))
    for attempt in (1, 2, 3, 4):
        await world.deliver(event, attempt=attempt)
    assert await code(world, event) is ErrorCode.PROVIDER_AUTH

    assert [await world.ingestor.healer.once() for _ in range(3)] == [0, 0, 0]

    await world.saved("a-new-access-token")
    assert await world.ingestor.healer.once() == 1


async def test_a_token_that_cannot_be_decrypted_heals_when_the_key_is_back_and_not_before(world: World) -> None:
    without_key = InstanceRepository(world.database, [SecretStr(Fernet.generate_key().decode())])
    locked_out = world.another(instances=without_key)
    event = world.announced(photo(world))
    await locked_out.deliver(event)
    failure = (await world.document(event)).media.failure
    assert failure is not None
    assert (failure.code, failure.instance_version) == (ErrorCode.NO_INSTANCE, 1)
    assert "CREDENTIALS_ENCRYPTION_KEY" in failure.message
    assert [await locked_out.healer.once() for _ in range(3)] == [0, 0, 0]

    restarted = world.another()

    assert await restarted.healer.once() == 1


async def test_past_the_deadline_it_says_that_the_token_was_refused_until_meta_deleted_it(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    event = world.announced(photo(world))
    await failed(world, event)
    world.clock.ahead = LIFETIME
    await world.saved("a-new-access-token")

    assert await world.ingestor.healer.once() == 0

    document = await world.document(event)
    failure = document.media.failure
    assert document.media.status is MediaStatus.FAILED
    assert failure is not None
    assert (failure.code, failure.provider_status, failure.provider_code) == (ErrorCode.MEDIA_EXPIRED, 401, 190)
    assert "refused the access token of this number" in failure.message
    assert "until Meta deleted the media" in failure.message
    assert [await world.ingestor.healer.once() for _ in range(2)] == [0, 0]
    assert await world.document(event) == document


async def test_what_was_moved_and_not_published_is_looked_at_within_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two must not cost a quarter of an hour of the media's life."""
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    event = world.announced(photo(world))
    await failed(world, event)
    await world.saved("a-new-access-token")

    async def killed(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(Publisher, "publish", killed)
    with pytest.raises(asyncio.CancelledError):
        await world.ingestor.healer.once()
    monkeypatch.undo()

    moved = (await world.document(event)).media
    assert moved.status is MediaStatus.PENDING
    world.clock.ahead += MINUTE + timedelta(seconds=1)
    assert await world.ingestor.reconciler.once() == 1
    assert [queued.media_id for queued in await world.queued(1)] == [event.media_id]


async def test_the_gauge_shows_which_numbers_meta_serves(world: World) -> None:
    def healthy(number: str) -> float | None:
        return REGISTRY.get_sample_value("attache_instance_healthy", {"phone_number_id": number})

    world.meta.add_number(OTHER, access_token=DEMO_ACCESS_TOKEN)
    await world.ingestor.healer.once()
    assert (healthy(NUMBER), healthy("other")) == (1, 1)
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)

    await failed(world, world.announced(photo(world, number=OTHER)))
    await world.ingestor.healer.once()
    assert (healthy(NUMBER), healthy("other"), healthy(OTHER.phone_number_id)) == (1, 0, None)

    await failed(world, world.announced(photo(world)))
    await world.ingestor.healer.once()
    assert healthy(NUMBER) == 0

    await world.saved("a-new-access-token")
    await world.ingestor.healer.once()
    assert (healthy(NUMBER), healthy("other")) == (1, 1)


async def test_healing_that_rabbitmq_interrupts_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = [world.announced(photo(world)) for _ in range(2)]
    await failed(world, *events)
    await world.saved("a-new-access-token")
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.0)
    with pytest.raises(PublishFailed):
        await world.ingestor.healer.once()
    monkeypatch.undo()

    healed, woken = await world.ingestor.healer.once(), await world.ingestor.reconciler.once()

    assert (healed, woken) == (1, 1), "the second is healed now, the first is in the reconciler's hands"
    assert {(await world.document(event)).media.status for event in events} == {MediaStatus.PENDING}


async def test_a_probe_for_media_that_meta_has_deleted_tells_that_the_token_is_taken(world: World) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    gone = photo(world)
    await failed(world, world.announced(gone))
    world.meta.tokens.grant(DEMO_ACCESS_TOKEN, NUMBER)
    world.meta.faults.put(gone.id, Fault(name=FaultName.EXPIRED, at=Step.METADATA))
    world.clock.ahead = MINUTE + timedelta(seconds=1)

    await world.ingestor.healer.once()

    assert await world.ingestor.healer.once() == 1


async def test_a_probe_that_tells_nothing_is_followed_by_one_for_another_attachment(world: World) -> None:
    """Meta calls "not found" what a token may not see, so a missing permission is not mended by that answer."""
    gone = photo(world, permission_missing(times=1))
    now = world.clock()
    await failed(world, world.announced(gone, received_at=now))
    there = photo(world, permission_missing(times=1))
    await failed(world, world.announced(there, received_at=now - HOUR))
    world.meta.faults.put(gone.id, Fault(name=FaultName.EXPIRED, at=Step.METADATA))

    world.clock.ahead = MINUTE + timedelta(seconds=1)
    await world.ingestor.healer.once()
    assert [refusal async for refusal in world.refusals.all()], "nothing is known"
    world.clock.ahead = 2 * world.clock.ahead
    await world.ingestor.healer.once()

    assert world.meta.requests.metadata(there.id) == 2
    assert await world.ingestor.healer.once() == 2


async def test_a_persons_retry_asks_meta_though_it_refuses_the_number(world: World) -> None:
    """Whoever presses the button may know that it works again; the others follow."""
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    events = [world.announced(photo(world), digest=False) for _ in range(3)]
    await failed(world, *events)
    world.meta.tokens.grant(DEMO_ACCESS_TOKEN, NUMBER)
    retrying = Retrying(
        messages=world.messages,
        blobs=BlobRepository(world.database),
        refusals=world.refusals,
        publisher=Publisher(world.broker),
        announce=world.announcer.announce,
        clock=world.clock,
    )

    await retrying.retry(events[0].media_id, ask_now=True)
    for event in await world.queued(1):
        await world.deliver(event)

    assert (await world.document(events[0])).media.status is MediaStatus.STORED
    assert await world.ingestor.healer.once() == 2


async def test_a_verified_number_is_asked_at_once(world: World) -> None:
    await failed(world, world.announced(photo(world, permission_missing(times=1))))
    await world.ingestor.healer.once()
    asked = world.meta.requests.metadata()

    await world.refusals.probe_now(NUMBER)
    await world.ingestor.healer.once()

    assert world.meta.requests.metadata() == asked + 1
    assert await world.ingestor.healer.once() == 1
