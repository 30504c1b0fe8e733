import pytest

from ingestor.claim import Claim, claim
from shared.broker.consumer import Delivery
from shared.media import MediaStatus
from tests.builders import make_attachment, make_media


@pytest.mark.parametrize(
    ("attempts", "attempt", "redelivered", "expected"),
    [
        (0, 1, False, Claim.BEGIN),
        (2, 3, False, Claim.BEGIN),
        (2, 3, True, Claim.BEGIN),
        (1, 1, True, Claim.RESUME),
        (1, 1, False, Claim.IGNORE),  # a repeated webhook
        (3, 1, True, Claim.IGNORE),
        (3, 2, False, Claim.IGNORE),
        (1, 4, False, Claim.IGNORE),  # planned before somebody asked for a retry now
    ],
)
def test_an_attempt_begins_resumes_or_is_a_duplicate(
    attempts: int, attempt: int, redelivered: bool, expected: Claim
) -> None:
    current = make_attachment(media=make_media(status=MediaStatus.PENDING, attempts=attempts))

    assert claim(current, Delivery(attempt=attempt, redelivered=redelivered, correlation_id="c")) is expected


@pytest.mark.parametrize("status", [s for s in MediaStatus if s is not MediaStatus.PENDING])
def test_what_is_not_pending_is_done(status: MediaStatus) -> None:
    current = make_attachment(media=make_media(status=status, attempts=1))

    assert claim(current, Delivery(attempt=2, redelivered=True, correlation_id="c")) is Claim.DONE
