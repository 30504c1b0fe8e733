"""What is said of media that Meta deleted while nothing could be done."""

import pytest

from ingestor.expiry import expired
from shared.errors import ErrorCode
from tests.builders import NOW, make_failure


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ErrorCode.PROVIDER_AUTH, "refused the access token"),
        (ErrorCode.PROVIDER_PERMISSION, "might not read media"),
        (ErrorCode.NO_INSTANCE, "no WhatsApp instance"),
    ],
)
def test_it_says_why_nothing_could_be_done_and_what_can_be_done_now(code: ErrorCode, words: str) -> None:
    failure = make_failure(code=code, provider_status=401, provider_code=190, instance_version=3)

    told = expired(failure, deadline=NOW, now=NOW)

    assert told.code is ErrorCode.MEDIA_EXPIRED
    assert words in told.message
    assert "until Meta deleted the media" in told.message
    assert "ask the customer" in told.message
    assert (told.provider_status, told.provider_code, told.instance_version) == (401, 190, 3)
