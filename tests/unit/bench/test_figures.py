"""What the bench says of its rounds."""

import pytest

from tests.bench.figures import Figure, percentile, ratio


def make_figure(*rounds: float, subject: str = "Attache", limit: float | None = None) -> Figure:
    return Figure(row="gateway", name="rate", unit="1/s", rounds=rounds, subject=subject, limit=limit)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0.5, 1)], ids=["p50", "p99", "highest", "lowest"]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 99) == 7.0


def test_the_ratio_divides_our_median_by_that_of_the_other() -> None:
    ours, other = make_figure(90, 100, 500), make_figure(150, 200, 210, subject="Express")

    assert ratio(other, [ours, other]) == 0.5
    assert ratio(ours, [ours, other]) is None


def test_one_round_above_the_limit_is_above_the_limit() -> None:
    assert make_figure(50, 63, limit=64).is_within is True
    assert make_figure(50, 64, limit=64).is_within is False
    assert make_figure(50).is_within is None
