"""Whether a program prints what the operations guide shows.

What changes from one run to the next may differ: digits, the width of columns and rules, and whatever `…` stands for.
A line that is only `…` stands for any number of lines. Other lines must be there, in this order; the program may print
more.
"""

import re

_CHANGING = re.compile(r"(…|\s+|\d[\d,.:]*|[─━]+)")


def first_missing(shown: str, printed: str) -> str | None:
    """The first shown line that was not printed; None when all were."""
    lines = iter([line.strip() for line in printed.splitlines()])
    for expected in (line.strip() for line in shown.splitlines()):
        if expected in {"", "…"}:
            continue
        pattern = re.compile("".join(_pattern(part) for part in _CHANGING.split(expected)))
        if not any(pattern.fullmatch(line) for line in lines):
            return expected
    return None


def _pattern(part: str) -> str:
    if part == "…":
        return ".*"
    if part.isspace():
        return r"\s+"
    if part[:1].isdecimal():
        return r"\d[\d,.:]*"
    return "[─━]+" if part[:1] in {"─", "━"} else re.escape(part)
