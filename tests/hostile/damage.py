"""Files that were damaged on their way: cut off, and with single bits turned. The same at each run."""

import random
from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.seeds import TYPES, seed

_CUTS = 8
_FLIPS = 6


def cases() -> Iterator[Case]:
    """Each good file, cut off at several places, and with more and more of its bits turned."""
    for name, mime_type in TYPES.items():
        for part in range(1, _CUTS):
            # more cuts near the start, where the headers are
            share = (part / _CUTS) ** 2
            yield Case(name=f"cut.{name}-{part}", mime_type=mime_type, make=lambda n=name, s=share: cut(n, s))  # type: ignore[misc]
        yield Case(name=f"cut.{name}-end", mime_type=mime_type, make=lambda n=name: seed(n)[:-1])  # type: ignore[misc]
        for number in range(_FLIPS):
            flips = f"flipped.{name}-{2**number}"
            yield Case(name=flips, mime_type=mime_type, make=lambda n=name, k=2**number: flipped(seed(n), k))  # type: ignore[misc]


def cut(name: str, share: float) -> bytes:
    """That part of the good file."""
    whole = seed(name)
    return whole[: max(8, int(len(whole) * share))]


def flipped(whole: bytes, count: int) -> bytes:
    """`count` bits turned; the first bytes stay, as they say which decoder is asked."""
    choice = random.Random(f"{count} of {len(whole)}")  # noqa: S311 - has to be the same at each run
    damaged = bytearray(whole)
    for _ in range(count):
        damaged[choice.randrange(min(12, len(whole) - 1), len(whole))] ^= 1 << choice.randrange(8)
    return bytes(damaged)
