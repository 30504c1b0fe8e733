"""Dead letters of what was erased: removed where the event tells, named where only a person can judge.

A parked webhook may hold messages of many people, so none is removed unasked. One that is read after all brings
nothing back: the tombstones stand.
"""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from shared.broker.letter import Letter
from shared.broker.letters import NoSuchLetters, Verdict, reading
from shared.dead_letters.queues import QUEUES

IsErased = Callable[[Letter], Awaitable[bool]]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A letter that a person has to look at."""

    queue: str
    id: str
    reason: str


@dataclass(kw_only=True)
class Swept:
    """What was found."""

    removed: int = 0
    suspects: list[Suspect] = field(default_factory=list)


async def sweep(url: SecretStr, *, is_erased: IsErased, mentions: Collection[str], remove: bool = True) -> Swept:
    """Look through all dead letters. Raise `BeingRead` or `ReadingFailed`; what was not done is still there."""
    swept = Swept()

    async def visit(letters: Sequence[Letter]) -> Sequence[Verdict]:
        return [await judged(letter) for letter in letters]

    async def judged(letter: Letter) -> Verdict:
        if letter.event is None:
            if (reason := suspicion(letter.body, mentions)) is not None:
                swept.suspects.append(Suspect(queue=letter.queue.name, id=letter.id, reason=reason))
        elif await is_erased(letter):
            swept.removed += 1
            return Verdict.REMOVE if remove else Verdict.KEEP
        return Verdict.KEEP

    for queue in QUEUES.values():
        try:
            async with reading(url, queue) as reader:
                await reader.walk(visit)
        except NoSuchLetters:
            continue
    return swept


def suspicion(body: bytes, mentions: Collection[str]) -> str | None:
    """Why a body that is no event of ours may be about what was erased; None when it is not. Pure."""
    raw = body.decode("utf-8", "replace")
    if any(mention in raw for mention in mentions):
        return "mentions it"
    try:
        # written with escapes, a name does not show in the raw text
        said = _texts(json.loads(raw))
    except (ValueError, RecursionError):
        return "cannot be searched"
    return "mentions it" if any(_is_said(mention, text) for text in said for mention in mentions) else None


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            yield item
            if item.lstrip()[:1] in {"{", "["}:  # a Flow reply is JSON in JSON
                try:
                    waiting.append(json.loads(item))
                except (ValueError, RecursionError):
                    continue


def _is_said(mention: str, text: str) -> bool:
    return mention in text or (mention.isdigit() and mention == re.sub(r"[\s+().-]", "", text))
