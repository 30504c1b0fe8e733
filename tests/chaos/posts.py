"""In which webhooks the attachments travel: late, twice, in batches of 1 to 50, as Meta delivers them. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

_DUPLICATES = 0.2
_SENT_TWICE_AT_ONCE = 0.05
_OUT_OF_PLACE, _REPEATED_WITHIN = 40, 300
_BATCHES = (1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 50)


@dataclass(frozen=True, kw_only=True)
class Post:
    """One webhook: which attachments are in it, and how often it is posted at the same moment."""

    attachments: tuple[int, ...]
    times: int = 1


def plan_posts(count: int, chance: random.Random) -> tuple[Post, ...]:
    """Every attachment at least once."""
    places = [(index + chance.uniform(0, _OUT_OF_PLACE), index) for index in range(count)]
    repeated = chance.sample(range(count), round(count * _DUPLICATES))
    places += [(index + chance.uniform(0, _REPEATED_WITHIN), index) for index in repeated]
    order = [index for _, index in sorted(places)]
    return tuple(_cut(order, chance))


def _cut(order: list[int], chance: random.Random) -> Iterator[Post]:
    position = 0
    while position < len(order):
        size = chance.choice(_BATCHES)
        times = 2 if chance.random() < _SENT_TWICE_AT_ONCE else 1
        yield Post(attachments=tuple(order[position : position + size]), times=times)
        position += size
