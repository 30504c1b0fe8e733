"""Reading a board as Grafana does, and showing values as it does."""

import pytest

from tests.monitoring.boards import Board, Query, Window, boards
from tests.monitoring.units import shown

HOUR = Window(range_seconds=3600, step_seconds=15, scrape_seconds=15)


@pytest.fixture
def board() -> Board:
    return next(board for board in boards() if board.path.stem == "ingestion-failures")


def test_a_rate_is_taken_over_four_scrapes_or_over_a_longer_step() -> None:
    assert HOUR.values["__rate_interval"] == "60s"
    assert Window(range_seconds=86400, step_seconds=120, scrape_seconds=15).values["__rate_interval_ms"] == "135000"


def test_a_variable_that_is_not_chosen_stands_for_all_values(board: Board) -> None:
    filled = board.filled('rate(x{queue=~"$queue"}[$__rate_interval]) / $__rate_interval_ms', HOUR)

    assert filled == 'rate(x{queue=~".*"}[60s]) / 60000'


@pytest.mark.parametrize(
    ("chosen", "filled"),
    [
        (["ingestor.media-received"], r'x{queue=~"(ingestor\\.media-received)\\.dlq"}'),
        (["a", "b.c"], r'x{queue=~"((a|b\\.c))\\.dlq"}'),
    ],
)
def test_chosen_values_are_alternatives_taken_literally(board: Board, chosen: list[str], filled: str) -> None:
    assert board.filled(r'x{queue=~"($queue)\\.dlq"}', HOUR, {"queue": chosen}) == filled


def test_a_legend_names_the_labels() -> None:
    assert Query({"legendFormat": "{{kind}}: {{code}}"}).legend({"kind": "image"}) == "image: "
    assert Query({"legendFormat": "", "expr": "up"}).legend({"job": "ingestor"}) == "job=ingestor"
    assert Query({"legendFormat": "", "expr": "up"}).legend({}) == "up"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "short", "0"),
        (12345, "short", "12.3K"),
        (6.32, "cpm", "6.32/min"),
        (0.25, "s", "250 ms"),
        (300, "s", "5 min"),
        (604800, "s", "7 d"),
        (512 * 1024**2, "bytes", "512 MiB"),
        (58900, "Bps", "58.9 kB/s"),
        (0.005, "percentunit", "0.5 %"),
        (1, "bool_yes_no", "Yes"),
    ],
)
def test_a_value_is_shown_with_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit, None) == text
