from datetime import timedelta

import pytest

from media_server.api.content import refuse_missing
from media_server.problems import Problem
from shared.errors import ErrorCode
from shared.media import Attachment, Failure, FailureStage, MediaStatus
from tests.builders import NOW
from tests.unit.media_server.documents import make_message

LIMIT = 100
INGEST, PREVIEW = FailureStage.INGEST, FailureStage.PREVIEW


def at(stage: FailureStage, code: ErrorCode) -> Failure:
    return Failure(stage=stage, code=code, message="why", at=NOW)


PENDING = make_message(MediaStatus.PENDING, stored=False)
WAITING = make_message(MediaStatus.PENDING, stored=False, next_attempt_at=NOW + timedelta(seconds=29.5))
OVERDUE = make_message(MediaStatus.PENDING, stored=False, next_attempt_at=NOW - timedelta(seconds=9))
STORED = make_message(MediaStatus.STORED)
READY = make_message(MediaStatus.READY)
SKIPPED = make_message(MediaStatus.SKIPPED, stored=False, failure=at(INGEST, ErrorCode.MEDIA_TOO_LARGE))
NO_DOWNLOAD = make_message(MediaStatus.FAILED, stored=False, failure=at(INGEST, ErrorCode.PROVIDER_AUTH))
NO_PREVIEW = make_message(MediaStatus.FAILED, failure=at(PREVIEW, ErrorCode.PREVIEW_TIMEOUT))
BY_HAND = make_message(MediaStatus.FAILED, stored=False)


@pytest.mark.parametrize(
    ("attachment", "name"),
    [(STORED, "original"), (READY, "original"), (READY, "thumb"), (NO_PREVIEW, "original")],
)
def test_what_is_stored_is_served(attachment: Attachment, name: str) -> None:
    refuse_missing(attachment, name, now=NOW, limit_bytes=LIMIT)


@pytest.mark.parametrize(
    ("attachment", "name", "status", "code", "retry_after"),
    [
        (PENDING, "original", 404, "not_ready", "5"),
        (WAITING, "original", 404, "not_ready", "30"),
        (OVERDUE, "thumb", 404, "not_ready", "1"),
        (STORED, "preview", 404, "not_ready", "5"),
        (READY, "preview", 404, "not_found", None),
        (SKIPPED, "original", 410, "media_too_large", None),
        (NO_DOWNLOAD, "original", 410, "provider_auth", None),
        (NO_DOWNLOAD, "thumb", 410, "provider_auth", None),
        (NO_PREVIEW, "preview", 410, "preview_timeout", None),
        (BY_HAND, "original", 410, "internal", None),
    ],
)
def test_what_is_missing_is_explained(
    attachment: Attachment, name: str, status: int, code: str, retry_after: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        refuse_missing(attachment, name, now=NOW, limit_bytes=LIMIT)

    problem = caught.value
    assert (problem.status, problem.code, problem.headers.get("Retry-After")) == (status, code, retry_after)


@pytest.mark.parametrize(
    ("attachment", "says"),
    [
        (PENDING, "is pending: its file is on its way"),
        (WAITING, "the next one is at 2026-09-21T10:00:29.500Z"),
        (SKIPPED, "MEDIA_MAX_ORIGINAL_BYTES"),
        (SKIPPED, "POST /api/messages/mabcdefghijkl/retry"),
        (NO_DOWNLOAD, "failed: why. To try again, POST /api/messages/mabcdefghijkl/retry"),
        (BY_HAND, "POST /api/messages/mabcdefghijkl/retry"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do_next(attachment: Attachment, says: str) -> None:
    with pytest.raises(Problem, match="mabcdefghijkl") as caught:
        refuse_missing(attachment, "original", now=NOW, limit_bytes=LIMIT)

    assert says in caught.value.detail


def test_an_unknown_name_is_told_those_that_there_are() -> None:
    with pytest.raises(Problem, match=r"has no file of that name; it has original, thumb$"):
        refuse_missing(READY, "waveform", now=NOW, limit_bytes=LIMIT)


def test_without_a_preview_it_is_said_why_and_where_the_original_is() -> None:
    failure = at(PREVIEW, ErrorCode.PREVIEW_UNREADABLE).model_copy(update={"message": "This picture is damaged."})
    attachment = make_message(MediaStatus.FAILED, failure=failure)

    with pytest.raises(Problem) as caught:
        refuse_missing(attachment, "preview", now=NOW, limit_bytes=LIMIT)

    assert caught.value.detail == (
        "This picture is damaged. The original: /api/messages/mabcdefghijkl/content/original. "
        "To try the preview again, POST /api/messages/mabcdefghijkl/retry"
    )


@pytest.mark.parametrize("status", [MediaStatus.STORED, MediaStatus.FAILED])
def test_a_preview_that_is_made_anew_or_cannot_be_is_served_as_it_was(status: MediaStatus) -> None:
    failure = at(PREVIEW, ErrorCode.PREVIEW_CRASHED) if status is MediaStatus.FAILED else None

    refuse_missing(make_message(status, failure=failure), "thumb", now=NOW, limit_bytes=LIMIT)
