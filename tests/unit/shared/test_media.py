from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from shared.clock import system_clock
from shared.media import Attachment, Facts, MediaStatus, Storage, public_json
from shared.model import Model, UtcTime, rfc3339
from tests.builders import NOW, SHA256, make_attachment, make_failure, make_media, make_original, make_rendition


class Moment(Model):
    happened_at: UtcTime
    note: str | None = None


def test_times_leave_as_utc_with_z_and_milliseconds() -> None:
    berlin = timezone(timedelta(hours=2))

    assert rfc3339(datetime(2026, 9, 21, 12, 0, 0, 999, tzinfo=berlin)) == "2026-09-21T10:00:00.000Z"
    assert rfc3339(datetime(2026, 9, 21, 10, 0, 0, 123456, tzinfo=UTC)) == "2026-09-21T10:00:00.123Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        Moment.model_validate({"happenedAt": "2026-09-21T10:00:00"})


def test_json_is_camel_case_without_absent_fields() -> None:
    assert Moment(happened_at=NOW).to_json() == {"happenedAt": "2026-09-21T10:00:00.000Z"}


def test_documents_keep_real_times() -> None:
    assert Moment(happened_at=NOW).to_document() == {"happenedAt": NOW}


def test_what_a_newer_version_wrote_is_readable() -> None:
    moment = Moment.model_validate({"happenedAt": NOW, "inventedLater": 1})

    assert moment == Moment(happened_at=NOW)


def test_a_value_cannot_be_changed() -> None:
    moment = Moment(happened_at=NOW)

    with pytest.raises(ValidationError):
        moment.note = "changed"  # type: ignore[misc]  # it is what is tested


def test_a_value_that_cannot_be_read_is_not_quoted_in_the_error() -> None:
    """Errors are logged, and documents hold names and captions."""
    with pytest.raises(ValidationError) as raised:
        Moment.model_validate({"happenedAt": "Ada Lovelace"})

    assert "happenedAt" in str(raised.value)
    assert "Ada" not in str(raised.value)


def test_the_clock_is_cut_to_what_the_database_keeps() -> None:
    now = system_clock()

    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


def test_a_document_survives_the_way_to_the_database_and_back() -> None:
    document = make_attachment(
        caption="$where", media=make_media(failure=make_failure(), storage=Storage(original=make_original()))
    )

    assert Attachment.model_validate(document.to_document()) == document


def test_a_pending_message_is_shown_without_an_original() -> None:
    message = public_json(make_attachment(media=make_media(wake_at=NOW, next_attempt_at=NOW, deadline=NOW)))

    assert message["id"] == "mexample"
    assert "_id" not in message
    assert "wakeAt" not in message["media"]
    assert "storage" not in message["media"]
    assert "original" not in message["media"]
    assert message["media"]["renditions"] == {}
    assert message["media"]["nextAttemptAt"] == "2026-09-21T10:00:00.000Z"
    assert "caption" not in message


def test_a_ready_message_is_shown_with_the_keys_of_its_files() -> None:
    media = make_media(
        status=MediaStatus.READY,
        storage=Storage(original=make_original(), renditions={"thumb": make_rendition()}),
        facts=Facts(width=1280, height=960),
    )

    shown = public_json(make_attachment(media=media))["media"]

    assert shown["original"] == {
        "key": f"incoming/12/{SHA256}.jpg",
        "mimeType": "image/jpeg",
        "sizeBytes": 10,
        "sha256": SHA256,
    }
    assert shown["renditions"]["thumb"]["key"] == f"renditions/12/{SHA256}/thumb-1.webp"
    assert shown["facts"] == {"width": 1280, "height": 960}
