from datetime import timedelta

import pytest
import typer

from shared.cli.durations import duration


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        (" 30d ", timedelta(days=30)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, means: timedelta) -> None:
    assert duration(text) == means


@pytest.mark.parametrize(
    "text", ["", "30", "d", "1.5h", "-1h", "1 h", "1w", "1h30m", "\N{SUPERSCRIPT TWO}h", "9999999999s"]
)
def test_what_is_no_duration_is_told_what_would_be(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="12h"):
        duration(text)
