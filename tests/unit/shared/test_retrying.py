import pytest

from shared.errors import ErrorCode
from shared.events import MediaReceived, MediaStored
from shared.media import NEXT, Attachment, Failure, FailureStage, MediaStatus
from shared.requeue import received_again, stored_again
from shared.retrying import second_try
from tests.builders import NOW, NUMBER, SHA256, WAMID
from tests.unit.media_server.documents import make_message

AT_INGEST = Failure(stage=FailureStage.INGEST, code=ErrorCode.PROVIDER_NOT_FOUND, message="not there", at=NOW)
AT_PREVIEW = Failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_TIMEOUT, message="too slow", at=NOW)


@pytest.mark.parametrize(
    ("attachment", "to", "event_type"),
    [
        (make_message(MediaStatus.FAILED, failure=AT_INGEST, stored=False), MediaStatus.PENDING, MediaReceived),
        (make_message(MediaStatus.FAILED, failure=AT_PREVIEW), MediaStatus.STORED, MediaStored),
        # the original was found missing, then the preview failed: there is nothing to preview
        (make_message(MediaStatus.FAILED, failure=AT_PREVIEW, stored=False), MediaStatus.PENDING, MediaReceived),
        # set to failed by hand
        (make_message(MediaStatus.FAILED, stored=False), MediaStatus.PENDING, MediaReceived),
        (make_message(MediaStatus.SKIPPED, stored=False), MediaStatus.PENDING, MediaReceived),
        (make_message(MediaStatus.PENDING, stored=False, next_attempt_at=NOW), MediaStatus.PENDING, MediaReceived),
        (make_message(MediaStatus.STORED, next_attempt_at=NOW), MediaStatus.STORED, MediaStored),
    ],
)
def test_what_failed_was_skipped_or_waits_goes_back_to_where_it_stopped(
    attachment: Attachment, to: MediaStatus, event_type: type[object]
) -> None:
    attempt = second_try(attachment, now=NOW)

    assert attempt is not None
    assert attempt.move.to is to
    assert attempt.move.to in NEXT[attachment.media.status]
    assert isinstance(attempt.event, event_type)


@pytest.mark.parametrize(
    "attachment",
    [
        make_message(MediaStatus.READY),
        make_message(MediaStatus.STORED),
        make_message(MediaStatus.PENDING, stored=False),
    ],
)
def test_what_is_done_queued_or_under_way_is_left_alone(attachment: Attachment) -> None:
    assert second_try(attachment, now=NOW) is None


def test_the_announcement_is_made_again_from_the_document() -> None:
    attachment = make_message(MediaStatus.FAILED, failure=AT_INGEST, stored=False, file_name="a.pdf")

    event = received_again(attachment)

    assert (event.media_id, event.message_id, event.phone_number_id) == (attachment.id, WAMID, NUMBER)
    assert event.provider_media_id == attachment.media.provider_media_id
    assert (event.file_name, event.declared) == ("a.pdf", attachment.media.declared)
    assert (event.sent_at, event.received_at, event.rejection) == (NOW, NOW, None)


def test_what_meta_rejected_is_announced_as_rejected() -> None:
    failure = AT_INGEST.model_copy(update={"code": ErrorCode.PROVIDER_REJECTED, "provider_code": 131052})
    attachment = make_message(MediaStatus.FAILED, failure=failure, stored=False, provider_media_id=None)

    rejection = received_again(attachment).rejection

    assert rejection is not None
    assert (rejection.provider_code, rejection.message) == (131052, "not there")


def test_an_original_is_announced_by_its_digest() -> None:
    assert stored_again(make_message()).sha256 == SHA256


def test_without_an_original_there_is_nothing_to_preview() -> None:
    with pytest.raises(ValueError, match="no original"):
        stored_again(make_message(stored=False))
