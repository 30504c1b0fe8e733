import pytest

from previewer.render.waveform import MOST_POINTS, Peaks, bars


def test_the_loudest_is_100_and_the_others_are_as_loud_in_proportion() -> None:
    peaks = Peaks()
    for at, loudness in ((0.0, 0.1), (0.001, 0.4), (0.002, 0.2)):
        peaks.add(at, loudness)

    assert peaks.normalised() == [25, 100, 50]


def test_nothing_heard_is_no_point() -> None:
    assert Peaks().normalised() == []


def test_what_nobody_can_hear_is_silence_and_not_made_loud() -> None:
    peaks = Peaks()
    for at in range(10):
        peaks.add(at / 1000, 2**-14)

    assert peaks.normalised() == [0] * 10


@pytest.mark.parametrize("seconds", [0.5, 3.2, 3.3, 61.0, 7_200.0, 86_400.0])
def test_a_beep_shows_where_it_is_however_long_the_sound(seconds: float) -> None:
    peaks, steps = Peaks(), 5_000
    for step in range(steps):
        peaks.add(seconds * step / steps, 0.8 if step == 3_000 else 0.0)

    points = peaks.normalised()

    assert MOST_POINTS / 2 <= len(points) <= MOST_POINTS
    assert max(points) == 100
    assert points.index(100) / len(points) == pytest.approx(0.6, abs=0.02)
    assert sum(points) == 100


def test_a_gap_of_a_century_costs_no_more_than_a_gap_of_a_second() -> None:
    peaks = Peaks()
    peaks.add(0.0, 1.0)
    peaks.add(3e9, 1.0)

    points = peaks.normalised()

    assert len(points) <= MOST_POINTS
    assert (points[0], points[-1]) == (100, 100)


def test_bars_keep_the_loudest_of_each_part() -> None:
    assert bars([1, 9, 3, 4], 2) == [9, 4]


def test_few_peaks_fill_all_bars() -> None:
    assert bars([7, 3], 4) == [7, 7, 3, 3]
    assert bars([], 3) == [0, 0, 0]
