"""Meta asks a number to slow down: how long, for whom, and for how much longer the next time."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestor.throttle import Throttle
from shared.errors import SlowedDown

START = datetime(2026, 9, 21, 10, 0, tzinfo=UTC)


class SetClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def throttle(clock: SetClock) -> Throttle:
    return Throttle(delays=(5, 30, 120), clock=clock)


def test_a_number_waits_as_long_as_meta_asked_and_no_other_does(throttle: Throttle, clock: SetClock) -> None:
    assert throttle.slow_down("1", asked_seconds=60) == 60

    throttle.demand("2")
    clock.advance(59)
    with pytest.raises(SlowedDown) as raised:
        throttle.demand("1")
    assert raised.value.retry_after_seconds == 1
    clock.advance(1)
    throttle.demand("1")


def test_without_a_time_from_meta_each_wait_is_longer_until_meta_answers(throttle: Throttle, clock: SetClock) -> None:
    waits = []
    for _ in range(4):
        waits.append(throttle.slow_down("1", asked_seconds=None))
        clock.advance(waits[-1])
    assert waits == [5, 30, 120, 120]

    throttle.accepted("1")

    assert throttle.slow_down("1", asked_seconds=None) == 5


def test_where_meta_names_a_time_that_is_the_time(throttle: Throttle, clock: SetClock) -> None:
    for _ in range(5):
        assert throttle.slow_down("1", asked_seconds=1) == 1
        clock.advance(1)


def test_a_wait_that_meta_has_not_named_stays_short(clock: SetClock) -> None:
    throttle = Throttle(delays=(5, 3600, 21600), clock=clock)
    throttle.slow_down("1", asked_seconds=None)
    clock.advance(5)

    assert throttle.slow_down("1", asked_seconds=None) == 120


def test_what_is_refused_at_the_same_time_is_one_refusal(throttle: Throttle, clock: SetClock) -> None:
    for _ in range(16):
        throttle.slow_down("1", asked_seconds=None)
    clock.advance(5)

    throttle.demand("1")
    assert throttle.slow_down("1", asked_seconds=None) == 30


def test_an_answer_to_an_earlier_question_does_not_end_the_wait(throttle: Throttle) -> None:
    throttle.slow_down("1", asked_seconds=60)

    throttle.accepted("1")

    with pytest.raises(SlowedDown):
        throttle.demand("1")


def test_nobody_waits_longer_than_the_longest_delay(throttle: Throttle) -> None:
    assert throttle.slow_down("1", asked_seconds=1e9) == 120
