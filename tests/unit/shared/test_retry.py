from datetime import datetime, timedelta

import pytest

from shared.broker.retry import DeadLetter, RetryIn, RetryPolicy
from shared.errors import CredentialError, ErrorCode, PermanentError, SlowedDown, TransientError
from tests.builders import NOW

DELAYS = (5, 30, 120, 600, 3600, 21600)
FAR = NOW + timedelta(days=6)
POLICY = RetryPolicy(delays=DELAYS)

AWAY = TransientError("Meta has a passing problem", code=ErrorCode.PROVIDER_UNAVAILABLE, provider_status=503)


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(DELAYS, start=1)))
def test_a_transient_error_waits_the_next_delay(attempt: int, seconds: int) -> None:
    assert POLICY.decide(AWAY, attempt=attempt, deadline=FAR, now=NOW) == RetryIn(seconds=seconds)


@pytest.mark.parametrize("attempt", [7, 8, 50])
def test_the_last_delay_repeats_until_the_deadline(attempt: int) -> None:
    assert POLICY.decide(AWAY, attempt=attempt, deadline=FAR, now=NOW) == RetryIn(seconds=21600)


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(21600, 21600), (21599, 3600), (3600, 3600), (3599, 600), (120, 120), (119, 30), (30, 30), (29, 5), (5, 5)],
)
def test_near_the_deadline_the_longest_delay_that_fits_is_taken(left: int, seconds: int) -> None:
    deadline = NOW + timedelta(seconds=left)

    assert POLICY.decide(AWAY, attempt=20, deadline=deadline, now=NOW) == RetryIn(seconds=seconds)


@pytest.mark.parametrize("left", [4, 0, -1, -86400])
def test_when_no_delay_fits_any_more_the_media_has_expired(left: int) -> None:
    decision = POLICY.decide(AWAY, attempt=3, deadline=NOW + timedelta(seconds=left), now=NOW)

    assert isinstance(decision, DeadLetter)
    assert decision.code is ErrorCode.MEDIA_EXPIRED
    assert decision.provider_status == 503
    assert "3 attempts" in decision.reason
    assert "passing problem" in decision.reason


def test_without_a_deadline_the_list_is_used_up_once() -> None:
    last = POLICY.decide(AWAY, attempt=len(DELAYS), deadline=None, now=NOW)
    over = POLICY.decide(AWAY, attempt=len(DELAYS) + 1, deadline=None, now=NOW)

    assert last == RetryIn(seconds=21600)
    assert isinstance(over, DeadLetter)
    assert over.code is ErrorCode.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize("deadline", [FAR, None])
def test_a_bug_uses_the_list_up_once_and_its_text_stays_with_us(deadline: datetime | None) -> None:
    bug = KeyError("what a customer wrote")

    last = POLICY.decide(bug, attempt=len(DELAYS), deadline=deadline, now=NOW)
    over = POLICY.decide(bug, attempt=len(DELAYS) + 1, deadline=deadline, now=NOW)

    assert last == RetryIn(seconds=21600)
    assert isinstance(over, DeadLetter)
    assert over.code is ErrorCode.INTERNAL
    assert "KeyError" in over.reason
    assert "customer" not in over.reason


@pytest.mark.parametrize(
    "error",
    [
        PermanentError(
            "Meta refuses the request", code=ErrorCode.PROVIDER_REJECTED, provider_status=400, provider_code=100
        ),
        CredentialError("the token is refused", code=ErrorCode.PROVIDER_AUTH, provider_status=401, provider_code=190),
    ],
)
def test_permanent_and_credential_errors_burn_no_attempts(error: PermanentError | CredentialError) -> None:
    decision = POLICY.decide(error, attempt=1, deadline=FAR, now=NOW)

    assert decision == DeadLetter(
        code=error.code,
        reason=error.message,
        provider_status=error.provider_status,
        provider_code=error.provider_code,
    )


def test_few_retries_end_after_the_first_three_delays() -> None:
    corrupt = TransientError("the digest differs", code=ErrorCode.MEDIA_CORRUPT, max_retries=3)

    decisions = [POLICY.decide(corrupt, attempt=attempt, deadline=FAR, now=NOW) for attempt in (1, 2, 3, 4)]

    assert decisions[:3] == [RetryIn(seconds=5), RetryIn(seconds=30), RetryIn(seconds=120)]
    assert isinstance(decisions[3], DeadLetter)
    assert decisions[3].code is ErrorCode.MEDIA_CORRUPT


@pytest.mark.parametrize("deadline_days", [6, None])
def test_no_retries_means_none(deadline_days: int | None) -> None:
    deadline = None if deadline_days is None else NOW + timedelta(days=deadline_days)

    decision = POLICY.decide(TransientError("once is enough", max_retries=0), attempt=1, deadline=deadline, now=NOW)

    assert isinstance(decision, DeadLetter)


@pytest.mark.parametrize(
    ("asked", "attempt", "seconds"),
    [(1, 1, 5), (5, 1, 5), (5.1, 1, 30), (31, 1, 120), (121, 2, 600), (10, 4, 600), (90_000, 1, 21600)],
)
def test_what_the_other_side_asks_for_rounds_up_to_a_listed_delay(asked: float, attempt: int, seconds: int) -> None:
    busy = TransientError("slow down", code=ErrorCode.PROVIDER_RATE_LIMITED, retry_after_seconds=asked)

    assert POLICY.decide(busy, attempt=attempt, deadline=FAR, now=NOW) == RetryIn(seconds=seconds)


@pytest.mark.parametrize(("left", "seconds"), [(0.4, 5), (20, 30), (90_000, 21600)])
def test_a_number_that_has_to_wait_costs_its_attachments_no_attempt(left: float, seconds: int) -> None:
    waits = SlowedDown("Meta was not asked", retry_after_seconds=left)

    assert POLICY.decide(waits, attempt=4, deadline=FAR, now=NOW) == RetryIn(seconds=seconds, same_attempt=True)


def test_what_was_never_asked_for_is_asked_for_at_least_once() -> None:
    waits = SlowedDown("Meta was not asked", retry_after_seconds=20)

    assert POLICY.decide(waits, attempt=1, deadline=NOW, now=NOW) == RetryIn(seconds=30, same_attempt=True)


def test_every_decision_to_wait_is_a_listed_delay() -> None:
    """There is a queue for each listed delay and for no other."""
    policy = RetryPolicy(delays=(2, 7, 3))
    for attempt in range(1, 9):
        for asked in (None, 1, 4, 100):
            error = TransientError("later", retry_after_seconds=asked)
            decision = policy.decide(error, attempt=attempt, deadline=FAR, now=NOW)
            assert isinstance(decision, RetryIn)
            assert decision.seconds in policy.delays
