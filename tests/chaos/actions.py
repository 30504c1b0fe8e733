"""What is done to the running system, as data. Every action ends with the repair of what it broke. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from whatsapp_simulator import Fault, FaultName, Per, Step

SIDES: Mapping[str, tuple[str, ...]] = {
    "a": ("webhook-gateway", "ingestor-1", "previewer-1", "media-server"),
    "b": ("ingestor-2", "previewer-2"),
}
"""The services by the network they are in: each side reaches RabbitMQ, MongoDB and Meta by ways of its own."""
SERVICES = tuple(service for services in SIDES.values() for service in services)
SERVERS = ("rabbitmq", "mongodb")
WAYS = tuple(f"{side} - {server}" for side in SIDES for server in (*SERVERS, "meta"))
GROUPS: Mapping[str, tuple[str, ...]] = {
    "both ingestors": ("ingestor-1", "ingestor-2"),
    "both previewers": ("previewer-1", "previewer-2"),
    "every service": SERVICES,
}
META: Mapping[str, Fault] = {
    "429": Fault(name=FaultName.RATE_LIMITED, share=0.5, retry_after_seconds=2),
    "429 at the download": Fault(name=FaultName.RATE_LIMITED, at=Step.DOWNLOAD, share=0.3),
    "500": Fault(name=FaultName.SERVER_ERROR, status=500, share=0.7),
    "503 at the download": Fault(name=FaultName.SERVER_ERROR, at=Step.DOWNLOAD, status=503, share=0.5),
    "code 2": Fault(name=FaultName.GRAPH_ERROR, code=2, share=0.5),
    "truncated": Fault(name=FaultName.TRUNCATED, share=0.5, per=Per.ATTACHMENT, times=1),
    "wrong bytes": Fault(name=FaultName.CORRUPT, share=0.5, per=Per.ATTACHMENT, times=1),
    "stall": Fault(name=FaultName.STALL, at=Step.DOWNLOAD, share=0.5, delay_seconds=3.0),
    "reset": Fault(name=FaultName.RESET, at=Step.DOWNLOAD, share=0.5),
    "reset at metadata": Fault(name=FaultName.RESET, at=Step.METADATA, share=0.5),
    "no JSON": Fault(name=FaultName.NOT_JSON, share=0.5),
}
"""By what the plan calls it. `times=1`: a few tries are all that damaged bytes get."""
REFUSALS: Mapping[str, Fault] = {
    "code 10": Fault(name=FaultName.GRAPH_ERROR, code=10),
    "code 190": Fault(name=FaultName.GRAPH_ERROR, code=190),
}
"""Mended at Meta, without a new token."""
EVERYWHERE: Mapping[str, Fault] = {**META, **REFUSALS}


class Verb(StrEnum):
    """How it is done."""

    KILL = "kill -9"
    STOP = "stop"
    PAUSE = "SIGSTOP"
    FILL_DISK = "fill the disk"
    CUT = "cut"
    FREEZE = "freeze"
    FREEZE_AND_CUT = "freeze, then cut"
    META = "Meta answers"
    TOKEN = "refuse the token of"
    TOKEN_FOR_A_WHILE = "refuse for a while the token of"
    BY_HAND = "set to pending by hand"
    ERASE = "erase"
    REPLAY = "replay the dead letters"
    REPLAY_KILLED = "replay the dead letters, kill -9 that"
    RETRY_FAILED = "retry what failed"
    PRUNE = "prune the storage"
    CHECK = "check and repair the storage"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One fault: `pause` seconds after the one before has been repaired, for `seconds`."""

    verb: Verb
    target: str
    pause: float
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.verb.value} {self.target}".strip()


Card = tuple[Verb, str]

MACHINES: Sequence[Card] = (
    *((Verb.KILL, name) for name in (*SERVICES, *GROUPS, *SERVERS)),
    *((Verb.STOP, name) for name in ("webhook-gateway", "ingestor-1", "previewer-2", "media-server", *SERVERS)),
    *((Verb.PAUSE, name) for name in (*SERVICES, *SERVERS)),
    (Verb.FILL_DISK, "to the brim"),
    (Verb.FILL_DISK, "below the floor"),
)
NETWORK: Sequence[Card] = (
    *((Verb.CUT, way) for way in WAYS),
    *((Verb.FREEZE, way) for way in WAYS[::2]),
    *((Verb.FREEZE_AND_CUT, way) for way in WAYS[1::2]),
    *((Verb.META, name) for name in META),
    (Verb.TOKEN, "the default number"),
    (Verb.TOKEN, "the second number"),
)
SLOW_NETWORK: Sequence[Card] = (
    *NETWORK,
    *((Verb.META, name) for name in REFUSALS),
    (Verb.TOKEN_FOR_A_WHILE, "the default number"),
    (Verb.TOKEN_FOR_A_WHILE, "the second number"),
)
"""Takes a minute to heal: Meta is asked no more often whether it accepts a token again."""
PEOPLE: Sequence[Card] = (
    (Verb.BY_HAND, ""),
    (Verb.ERASE, ""),
    (Verb.REPLAY, ""),
    (Verb.REPLAY_KILLED, ""),
    (Verb.RETRY_FAILED, ""),
    (Verb.PRUNE, ""),
    (Verb.CHECK, ""),
)
_SECONDS: Mapping[Verb, tuple[float, float]] = {
    Verb.KILL: (0.0, 2.0),
    Verb.STOP: (0.0, 2.0),
    Verb.PAUSE: (2.0, 7.0),
    Verb.FILL_DISK: (3.0, 6.0),
    Verb.CUT: (0.5, 5.0),
    Verb.FREEZE: (2.0, 7.0),
    Verb.FREEZE_AND_CUT: (2.0, 7.0),
    Verb.META: (2.0, 6.0),
    Verb.TOKEN: (2.0, 6.0),
    Verb.TOKEN_FOR_A_WHILE: (2.0, 6.0),
    Verb.REPLAY_KILLED: (0.8, 2.0),
}
_AT_ONCE = (0.0, 0.0)
PAUSE_SECONDS = (0.3, 2.5)


def plan_lane(
    cards: Sequence[Card],
    count: int,
    chance: random.Random,
    *,
    pause: tuple[float, float] = PAUSE_SECONDS,
    pace: float = 1.0,
) -> tuple[Action, ...]:
    """`count` actions, one after the other: each card once before any comes again. `pace` 0.5: each half as long."""
    dealt: list[Card] = []
    while len(dealt) < count:
        dealt += chance.sample(cards, len(cards))
    return tuple(
        Action(
            verb=verb,
            target=target,
            pause=round(chance.uniform(*pause) * pace, 1),
            seconds=round(chance.uniform(*_SECONDS.get(verb, _AT_ONCE)) * pace, 1),
        )
        for verb, target in dealt[:count]
    )
