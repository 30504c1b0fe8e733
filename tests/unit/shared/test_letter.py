"""A dead letter, whatever is in it; and what a replay could do for it."""

from datetime import timedelta
from typing import Any

import pytest

from shared.broker.letter import Letter
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, UNREADABLE, WorkQueue
from shared.dead_letters.fates import Fate, fate_of
from shared.dead_letters.queues import QUEUES, UnknownQueue, queue_named
from shared.dead_letters.selection import Selection
from shared.events import encode
from shared.repository.standing import Standing
from tests.builders import NOW, NUMBER, WAMID, make_media_received, make_media_stored, make_stored

RECEIVED = make_media_received(media_id="mone")


def make_letter(**fields: Any) -> Letter:
    """Of an announced attachment, with the headers of the contract."""
    letter: dict[str, Any] = {
        "queue": INGEST,
        "id": "one",
        "body": encode(RECEIVED),
        "headers": {
            "x-error-code": "provider_auth",
            "x-reason": "the token is refused",
            "x-failed-at": "2026-09-21T10:00:00.000Z",
            "x-attempt": 3,
        },
        "type": "media.received.v1",
        "correlation_id": "abc",
        "sent_at": NOW - timedelta(hours=1),
    }
    return Letter(**letter | fields)


def standing(**fields: Any) -> Standing:
    """Of a document that failed at ingestion and has time left."""
    facts: dict[str, Any] = {
        "status": "failed",
        "stage": "ingest",
        "deadline": NOW + timedelta(days=1),
        "has_original": False,
    }
    return Standing(**facts | fields)


def test_a_letter_says_what_it_is_about_and_why_it_was_given_up() -> None:
    letter = make_letter()

    assert (letter.media_id, letter.wamid, letter.phone_number_id) == ("mone", WAMID, NUMBER)
    assert (letter.code, letter.reason, letter.attempt) == ("provider_auth", "the token is refused", 3)
    assert letter.failed_at == NOW
    assert letter.is_ours


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"mediaId": 7}', b"{ not json"])
@pytest.mark.parametrize("queue", QUEUES.values())
def test_a_letter_that_cannot_be_read_has_no_event_and_is_still_a_letter(queue: WorkQueue, body: bytes) -> None:
    letter = make_letter(queue=queue, body=body, headers={})

    assert (letter.event, letter.media_id, letter.wamid, letter.phone_number_id) == (None, None, None, None)
    assert (letter.code, letter.attempt, letter.is_ours) == (None, 1, False)
    assert letter.failed_at == NOW - timedelta(hours=1), "when it was sent"
    assert fate_of(letter, None, erased=False, now=NOW) is Fate.OPEN


@pytest.mark.parametrize("text", ["", "yesterday", 7, None, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_counts_as_absent(text: object) -> None:
    assert make_letter(headers={"x-failed-at": text}, sent_at=None).failed_at is None


@pytest.mark.parametrize(
    ("of", "erased", "fate"),
    [
        (standing(), False, Fate.OPEN),
        (standing(stage=None), False, Fate.OPEN),
        (standing(status="skipped"), False, Fate.OPEN),
        (standing(deadline=None), False, Fate.OPEN),
        (standing(deadline=NOW), False, Fate.EXPIRED),
        (standing(status="skipped", deadline=NOW), False, Fate.EXPIRED),
        (standing(stage="preview", has_original=True), False, Fate.SETTLED),
        (standing(status="pending"), False, Fate.SETTLED),
        (standing(status="stored"), False, Fate.SETTLED),
        (standing(status="ready", deadline=NOW), False, Fate.SETTLED),
        (None, False, Fate.OPEN),
        (None, True, Fate.SETTLED),
    ],
)
def test_the_document_decides_the_fate_of_an_announced_attachment(
    of: Standing | None, erased: bool, fate: Fate
) -> None:
    assert fate_of(make_letter(), of, erased=erased, now=NOW) is fate


@pytest.mark.parametrize(
    ("of", "fate"),
    [
        (standing(stage="preview", has_original=True, deadline=NOW), Fate.OPEN),
        (standing(stage="preview"), Fate.SETTLED),
        (standing(), Fate.SETTLED),
        (standing(status="ready"), Fate.SETTLED),
        (None, Fate.SETTLED),
    ],
)
def test_the_document_decides_the_fate_of_a_preview_which_has_no_deadline(of: Standing | None, fate: Fate) -> None:
    letter = make_letter(queue=PREVIEW, body=encode(make_media_stored(make_stored())))

    assert fate_of(letter, of, erased=False, now=NOW) is fate


@pytest.mark.parametrize(
    ("selection", "has"),
    [
        (Selection(), True),
        (Selection(code="provider_auth"), True),
        (Selection(code="internal"), False),
        (Selection(phone_number_id=NUMBER), True),
        (Selection(phone_number_id="1"), False),
        (Selection(id="one"), True),
        (Selection(id="mone"), True),
        (Selection(id=WAMID), True),
        (Selection(id="two"), False),
        (Selection(since=NOW), True),
        (Selection(since=NOW + timedelta(seconds=1)), False),
        (Selection(until=NOW), True),
        (Selection(until=NOW - timedelta(seconds=1)), False),
    ],
)
def test_a_selection_has_what_fits_every_filter(selection: Selection, has: bool) -> None:
    assert selection.has(make_letter()) is has


@pytest.mark.parametrize("queue", [INGEST, IDENTITIES, PREVIEW, UNREADABLE])
def test_a_queue_is_named_with_and_without_its_suffix(queue: WorkQueue) -> None:
    assert queue_named(queue.name) == queue_named(queue.dead_letters) == queue


@pytest.mark.parametrize("name", ["", "nope", "ingestor.media-received.retry.5s", ".dlq"])
def test_what_is_no_queue_of_ours_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(UnknownQueue, match=r"webhook-gateway\.unreadable, ingestor\.media-received"):
        queue_named(name)
