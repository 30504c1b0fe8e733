"""The collection `messages` on a real MongoDB: who wins when two write at once, and what is never lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from shared import moves
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.media import Attachment, Declared, Facts, MediaStatus, Sender
from shared.repository.listing import BadCursor, Listing
from shared.repository.messages import IllegalMove, MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from tests.builders import NOW, NUMBER, make_attachment, make_failure, make_media, make_original, make_rendition

LATER = NOW + timedelta(minutes=15)


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def messages(database: Database) -> MessageRepository:
    return MessageRepository(database)


async def inserted(messages: MessageRepository, document: Attachment | None = None) -> Attachment:
    change = await messages.insert(document or make_attachment())
    assert change is not None
    return change.attachment


async def changed(messages: MessageRepository, current: Attachment, move: moves.Move) -> Attachment:
    change = await messages.change(current, move)
    assert change is not None
    return change.attachment


async def test_a_new_document_is_revision_one_by_the_clock_of_the_database(messages: MessageRepository) -> None:
    document = make_attachment(media=make_media(revision=7))

    change = await messages.insert(document)

    assert change is not None
    assert change.previous is None
    assert change.attachment.media.revision == 1
    assert abs(change.attachment.media.updated_at - system_clock()) < timedelta(minutes=1)
    assert change.attachment == await messages.get("mexample")


async def test_a_document_is_made_once_however_many_try(messages: MessageRepository) -> None:
    first = make_attachment(caption="first")

    changes = await asyncio.gather(*(messages.insert(first) for _ in range(20)))

    assert len([change for change in changes if change is not None]) == 1


async def test_inserting_again_changes_nothing(messages: MessageRepository) -> None:
    before = await inserted(messages, make_attachment(caption="first"))

    assert await messages.insert(make_attachment(caption="second")) is None

    assert await messages.get("mexample") == before


@pytest.mark.parametrize("text", ["$where", "$$ROOT", "$media.status", "{'$gt': ''}", "$", "ä\n\0", ""])
async def test_what_a_customer_wrote_is_never_read_as_an_expression(text: str, messages: MessageRepository) -> None:
    document = make_attachment(caption=text, file_name=text, sender=Sender(name=text, username=text))

    kept = await inserted(messages, document)

    assert (kept.caption, kept.file_name, kept.sender.name) == (text, text, text)


async def test_nothing_is_none(messages: MessageRepository) -> None:
    assert await messages.get("mnothing") is None


async def test_a_change_is_one_revision_and_knows_the_status_before(messages: MessageRepository) -> None:
    current = await inserted(messages)

    change = await messages.change(current, moves.mark_stored(make_original(), now=NOW))

    assert change is not None
    assert change.previous is MediaStatus.PENDING
    media = change.attachment.media
    assert (media.status, media.revision, media.storage.original) == (MediaStatus.STORED, 2, make_original())
    assert media.wake_at == LATER
    assert media.updated_at >= current.media.updated_at


async def test_of_two_who_read_the_same_only_one_writes(messages: MessageRepository) -> None:
    current = await inserted(messages)

    changes = await asyncio.gather(
        messages.change(current, moves.mark_stored(make_original(), now=NOW)),
        messages.change(current, moves.mark_failed(make_failure())),
        messages.change(current, moves.begin_attempt(2, now=NOW)),
    )

    assert len([change for change in changes if change is not None]) == 1
    kept = await messages.get(current.id)
    assert kept is not None
    assert kept.media.revision == 2


async def test_a_status_set_by_hand_is_noticed(messages: MessageRepository, database: Database) -> None:
    current = await inserted(messages)
    await database["messages"].update_one({"_id": current.id}, {"$set": {"media.status": "failed"}})

    assert await messages.change(current, moves.mark_stored(make_original(), now=NOW)) is None


async def test_a_document_that_was_erased_is_not_made_again_by_a_change(
    messages: MessageRepository, database: Database
) -> None:
    current = await inserted(messages)
    await database["messages"].delete_one({"_id": current.id})

    assert await messages.change(current, moves.mark_failed(make_failure())) is None
    assert await messages.get(current.id) is None


async def test_an_illegal_move_is_a_defect_and_changes_nothing(messages: MessageRepository) -> None:
    current = await inserted(messages)

    with pytest.raises(IllegalMove):
        await messages.change(current, moves.mark_ready({}, Facts()))

    assert await messages.get(current.id) == current


async def test_a_whole_life_leaves_nothing_stale_behind(messages: MessageRepository, database: Database) -> None:
    current = await inserted(messages)
    current = await changed(messages, current, moves.wait_for_retry(make_failure(), delay_seconds=30, now=NOW))
    assert current.media.next_attempt_at == NOW + timedelta(seconds=30)
    current = await changed(messages, current, moves.begin_attempt(2, now=NOW))
    assert current.media.next_attempt_at is None
    assert current.media.failure is None
    current = await changed(messages, current, moves.mark_stored(make_original(), now=NOW))
    current = await changed(messages, current, moves.mark_ready({"thumb": make_rendition()}, Facts(width=4, height=3)))

    document: Any = await database["messages"].find_one({"_id": current.id})

    assert set(document["media"]) == {
        "status",
        "revision",
        "providerMediaId",
        "attempts",
        "updatedAt",
        "declared",
        "storage",
        "facts",
    }
    assert document["media"]["revision"] == 5
    assert document["media"]["attempts"] == 2


async def test_an_original_found_missing_is_not_promised_any_more(messages: MessageRepository) -> None:
    current = await inserted(messages)
    current = await changed(messages, current, moves.mark_stored(make_original(), now=NOW))

    current = await changed(messages, current, moves.ingest_again(now=NOW))

    assert current.media.status is MediaStatus.PENDING
    assert current.media.storage.original is None
    assert current.media.attempts == 0


async def test_moving_the_safety_net_is_no_revision(messages: MessageRepository) -> None:
    current = await inserted(messages, make_attachment(media=make_media(wake_at=NOW)))

    assert await messages.wake_later(current, LATER)

    kept = await messages.get(current.id)
    assert kept is not None
    assert (kept.media.revision, kept.media.wake_at) == (1, LATER)
    assert kept.media.updated_at == current.media.updated_at


@pytest.mark.parametrize("wake_at", [NOW, None])
async def test_of_two_reconcilers_one_takes_a_stranded_document(wake_at: Any, messages: MessageRepository) -> None:
    current = await inserted(messages, make_attachment(media=make_media(wake_at=wake_at)))

    taken = await asyncio.gather(*(messages.wake_later(current, LATER) for _ in range(5)))

    assert sorted(taken) == [False, False, False, False, True]


async def test_a_lease_renewed_within_the_same_millisecond_is_renewed(messages: MessageRepository) -> None:
    current = await inserted(messages, make_attachment(media=make_media(wake_at=LATER)))

    assert await messages.wake_later(current, LATER)


async def test_stranded_is_what_is_not_final_and_was_not_looked_at_in_time(
    messages: MessageRepository, database: Database
) -> None:
    async def put(name: str, **media: Any) -> None:
        await inserted(messages, make_attachment(id=name, media=make_media(**media)))

    day = timedelta(days=1)
    await put("m-no-wake-up", deadline=NOW + 3 * day)
    await put("m-past", wake_at=NOW - day, deadline=NOW + day)
    await put("m-just-now", wake_at=NOW, deadline=NOW + 2 * day)
    await put("m-future", wake_at=NOW + day)
    await put("m-stored", status=MediaStatus.STORED, wake_at=NOW - day, deadline=NOW + 4 * day)
    for status in (MediaStatus.READY, MediaStatus.SKIPPED, MediaStatus.FAILED):
        await put(f"m-{status}", status=status, wake_at=NOW - day)
    await put("m-by-hand", status=MediaStatus.FAILED, deadline=NOW)
    await database["messages"].update_one({"_id": "m-by-hand"}, {"$set": {"media.status": "pending"}})

    stranded = [attachment.id async for attachment in messages.stranded(NOW)]

    assert stranded == ["m-by-hand", "m-past", "m-just-now", "m-no-wake-up", "m-stored"], "nearest deadline first"


async def test_documents_move_to_another_conversation_one_revision_each(messages: MessageRepository) -> None:
    for name in ("m1", "m2"):
        await inserted(messages, make_attachment(id=name, conversation_id="young"))
    await inserted(messages, make_attachment(id="m3", conversation_id="old"))

    moved = [change async for change in messages.move_conversation(source="young", target="old")]

    assert {(change.attachment.id, change.attachment.media.revision, change.previous) for change in moved} == {
        ("m1", 2, MediaStatus.PENDING),
        ("m2", 2, MediaStatus.PENDING),
    }
    assert {change.attachment.conversation_id for change in moved} == {"old"}


async def test_documents_are_counted_by_status(messages: MessageRepository) -> None:
    await inserted(messages, make_attachment(id="m1"))
    await inserted(messages, make_attachment(id="m2"))
    await inserted(messages, make_attachment(id="m3", media=make_media(status=MediaStatus.FAILED)))

    counts = await messages.count_by_status()

    assert counts == {
        MediaStatus.PENDING: 2,
        MediaStatus.FAILED: 1,
        MediaStatus.STORED: 0,
        MediaStatus.READY: 0,
        MediaStatus.SKIPPED: 0,
    }


async def test_a_preview_that_is_made_anew_is_not_overdue(messages: MessageRepository) -> None:
    stored = make_media(status=MediaStatus.STORED)
    await inserted(messages, make_attachment(id="m1", received_at=NOW, media=stored))
    shown = stored.model_copy(update={"facts": Facts(width=4, height=3)})
    await inserted(messages, make_attachment(id="m2", received_at=NOW, media=shown))

    counts = await messages.count_overdue(received_before=LATER)

    assert counts == {MediaStatus.PENDING: 0, MediaStatus.STORED: 1}


async def test_the_gauges_are_counted_without_reading_a_document(
    messages: MessageRepository, database: Database
) -> None:
    for number in range(20):
        await inserted(messages, make_attachment(id=f"m{number}"))
    await database.command("profile", 2)

    await messages.count_by_status()
    await messages.count_overdue(received_before=NOW)

    profile = database["system.profile"].find({"command.aggregate": "messages"})
    read = [entry["docsExamined"] async for entry in profile]
    assert len(read) == len(MediaStatus) + 2
    assert set(read) == {0}


async def test_pages_lose_and_repeat_nothing_among_equal_times(messages: MessageRepository, database: Database) -> None:
    for number in range(5):
        await inserted(messages, make_attachment(id=f"m{number}"))
    await inserted(messages, make_attachment(id="m-newest", sent_at=LATER))
    await inserted(messages, make_attachment(id="m-oldest", sent_at=NOW - timedelta(milliseconds=1)))
    listing = Listing(database)

    pages, cursor = [], None
    while True:
        page = await listing.messages(limit=2, cursor=cursor)
        pages.append([attachment.id for attachment in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert pages == [["m-newest", "m4"], ["m3", "m2"], ["m1", "m0"], ["m-oldest"]]


async def test_a_full_last_page_has_no_next_one(messages: MessageRepository, database: Database) -> None:
    for number in range(2):
        await inserted(messages, make_attachment(id=f"m{number}"))

    assert (await Listing(database).messages(limit=2)).next_cursor is None
    assert (await Listing(database).messages(limit=1)).next_cursor is not None


async def test_every_filter_that_is_given_applies(messages: MessageRepository, database: Database) -> None:
    failed = make_media(status=MediaStatus.FAILED, failure=make_failure(code=ErrorCode.PROVIDER_AUTH))
    await inserted(messages, make_attachment(id="m1", media=failed, conversation_id="c1"))
    await inserted(messages, make_attachment(id="m2", media=failed, phone_number_id="2", conversation_id="c2"))
    await inserted(messages, make_attachment(id="m3", conversation_id="c1"))
    listing = Listing(database)

    async def ids(**filters: Any) -> set[str]:
        return {attachment.id for attachment in (await listing.messages(limit=10, **filters)).items}

    assert await ids() == {"m1", "m2", "m3"}
    assert await ids(status=MediaStatus.FAILED) == {"m1", "m2"}
    assert await ids(code=ErrorCode.PROVIDER_AUTH, phone_number_id=NUMBER) == {"m1"}
    assert await ids(conversation_id="c1", status=MediaStatus.PENDING) == {"m3"}
    assert await ids(conversation_id="c9") == set()


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WzEsMl0", "W10", "WyJhIiwiYiJd", "ä", "WzFlOTksImEiXQ", "="])
async def test_a_made_up_cursor_is_refused(cursor: str, database: Database) -> None:
    with pytest.raises(BadCursor):
        await Listing(database).messages(limit=10, cursor=cursor)


async def test_what_changed_since_a_moment_comes_oldest_change_first(
    messages: MessageRepository, database: Database
) -> None:
    first = await inserted(messages, make_attachment(id="m1"))
    for name in ("m2", "m3"):
        await inserted(messages, make_attachment(id=name))
    for number, name in enumerate(("m2", "m1", "m3")):
        at = first.media.updated_at + timedelta(seconds=number)
        await database["messages"].update_one({"_id": name}, {"$set": {"media.updatedAt": at}})

    changes = await Listing(database).updated_since(first.media.updated_at, limit=10)

    assert [attachment.id for attachment in changes] == ["m1", "m3"]


async def test_a_document_with_what_meta_declared_keeps_it(messages: MessageRepository) -> None:
    declared = Declared(mime_type="image/jpeg", sha256="a" * 64, size_bytes=5)
    current = await inserted(messages, make_attachment(media=make_media(declared=declared)))

    current = await changed(messages, current, moves.mark_skipped(make_failure(), size_bytes=6))

    assert current.media.declared == declared.model_copy(update={"size_bytes": 6})
