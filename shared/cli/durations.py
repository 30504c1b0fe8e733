"""Durations as operators type them: `90s`, `15m`, `12h`, `30d`."""

import re
from datetime import timedelta

import typer

DURATION = "DURATION"
"""What help shows in the place of the value."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=36_500)


def duration(text: str) -> timedelta:
    """The `parser` of a typer option; what is not right is told with what would be."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write a whole number and s, m, h or d: 90s, 15m, 12h, 30d")
    return min(timedelta(**{_UNITS[match[2]]: int(match[1])}), _LONGEST)
