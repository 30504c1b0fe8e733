"""What Meta will hold: files of every kind with bytes of their own, and what is wrong with some of them. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.trouble import ENDS, READY, SHARES, Outcome, Trouble

LIMIT_BYTES = 40_000
"""`MEDIA_MAX_ORIGINAL_BYTES` of the services; only what is meant to be too large is larger."""
NUMBERS = 3
"""The default number, one with an access token of its own, one that uses the default's."""
_CUSTOMERS = 30
_SAMPLES = {
    "zip": 24,
    "pdf": 14,
    "photo": 14,
    "voice": 12,
    "video": 9,
    "still-sticker": 8,
    "transparent": 6,
    "audio": 5,
    "docx": 5,
    "sticker": 3,
}
_SHARED_CONTENTS = 12
_SHARED = 0.08


class SentAs(StrEnum):
    """Which of a customer's two identities the webhook has."""

    BOTH = "both"
    PHONE = "phone"
    USER_ID = "user id"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One attachment to be sent. Attachments with the same `content` have the same bytes."""

    index: int
    sample: str
    content: int
    filler_bytes: int
    number: int
    customer: int
    sent_as: SentAs
    trouble: Trouble

    @property
    def outcome(self) -> Outcome:
        return ENDS.get(self.trouble, READY)


def plan_attachments(count: int, chance: random.Random) -> tuple[Planned, ...]:
    """`count` attachments. Sizes are their own nearly always, so that a mix-up shows."""
    shared = [_bytes(-1 - number, chance) for number in range(_SHARED_CONTENTS)]
    planned = []
    for index in range(count):
        trouble = _trouble(chance)
        sample, content, filler_bytes = _bytes(index, chance)
        # bytes that are in the store already are linked without a download: trouble for good would never show
        if trouble not in ENDS and chance.random() < _SHARED:
            sample, content, filler_bytes = chance.choice(shared)
        if trouble is Trouble.BROKEN_PICTURE:
            sample = "transparent"
        if trouble is Trouble.TOO_LARGE:
            filler_bytes += LIMIT_BYTES
        planned.append(
            Planned(
                index=index,
                sample=sample,
                content=content,
                filler_bytes=filler_bytes,
                number=chance.randrange(NUMBERS),
                customer=chance.randrange(_CUSTOMERS),
                sent_as=chance.choices(tuple(SentAs), weights=(14, 3, 3))[0],
                trouble=trouble,
            )
        )
    return tuple(planned)


def _bytes(content: int, chance: random.Random) -> tuple[str, int, int]:
    sample = chance.choices(tuple(_SAMPLES), weights=tuple(_SAMPLES.values()))[0]
    return sample, content, chance.randint(64, 8000)


def _trouble(chance: random.Random) -> Trouble:
    luck = chance.random()
    for trouble, share in SHARES.items():
        luck -= share
        if luck < 0:
            return trouble
    return Trouble.NONE
