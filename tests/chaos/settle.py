"""After the last repair: waiting until nothing moves any more, and the few things that only a person sets right."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import aio_pika
from aio_pika.exceptions import AMQPError

from tests.chaos.gathering import waiting_queues
from tests.chaos.ledger import Problem
from tests.chaos.trouble import Outcome
from tests.chaos.watch import FINAL, Seen, Watch
from tests.chaos.world import Site, World

_HEALS = frozenset({"provider_auth", "provider_permission", "no_instance"})
_QUIET_SECONDS = 120.0
"""So long may nothing change before the wait is given up. A refused token is tried again after a minute."""
_LOOK_SECONDS = 0.5
_CALM_LOOKS = 3
_SWEEP_SECONDS = 20.0
_LONG_AGO_SECONDS = 24 * 3600
_GIVEN_UP_EARLY = frozenset(
    {"media_corrupt", "provider_not_found", "storage_full", "storage_unavailable", "preview_timeout", "preview_crashed"}
)
"""What is tried a few times only, and may have met that many faults in a row: for a person to retry, as documented."""


async def settled(world: World, watch: Watch, *, documents: int) -> bool:
    """Whether so many documents came to rest: final, and no event under way. False when that stops getting nearer."""
    changed_at, before, calm = time.monotonic(), None, 0
    while calm < _CALM_LOOKS:
        await asyncio.sleep(_LOOK_SECONDS)
        await watch.look()
        state = (dict(watch.seen), await waiting_events(world.site))
        at_rest = len(watch.seen) == documents and all(map(_rests, watch.seen.values()))
        calm = calm + 1 if at_rest and not state[1] else 0
        if state != before:
            changed_at, before = time.monotonic(), state
        if time.monotonic() - changed_at > _QUIET_SECONDS:
            return False
    return True


async def waiting_events(site: Site) -> dict[str, int]:
    """Messages in work and retry queues, where there are any; an unanswering broker counts as one."""
    try:
        async with await aio_pika.connect(site.servers.rabbitmq_url, timeout=5) as connection:
            channel = await connection.channel()
            counts = {}
            for name in waiting_queues(site.settings):
                declared = await channel.declare_queue(name, passive=True)
                counts[name] = declared.declaration_result.message_count or 0
            return {name: count for name, count in counts.items() if count}
    except (AMQPError, OSError, TimeoutError):
        return {"RabbitMQ does not answer": 1}


def given_up_wrongly(watch: Watch, due: Mapping[str, Outcome]) -> list[Problem]:
    """What failed for a reason that should have been waited out. Told now: the last replay may mend it."""
    return [
        Problem(what="given up though there was time", id=media_id, seen=code)
        for media_id, code in _given_up(watch, due).items()
        if code not in _GIVEN_UP_EARLY
    ]


async def put_right(world: World, watch: Watch, due: Mapping[str, Outcome]) -> Counter[str]:
    """What a person does when it is over: retry what was given up though it is due to end otherwise (`due`: by
    Meta's media id), and replay the dead letters, all of them. How many were retried, by code."""
    early = {media_id: code for media_id, code in _given_up(watch, due).items() if code in _GIVEN_UP_EARLY}
    site = world.site
    if early:
        await site.operator.retry(world.url("media-server"), site.secrets.operator_token, list(early))
        await settled(world, watch, documents=len(due))
    await site.operator.replay()
    return Counter(early.values())


async def swept(world: World) -> bool:
    """Whether the services, started again a day later, remove what killed ones left unfinished."""
    unfinished = world.site.disk.uploads / ".incomplete"
    long_ago = time.time() - _LONG_AGO_SECONDS
    for left in unfinished.glob("*"):
        os.utime(left, (long_ago, long_ago))
    ingestors = [world.machines[name] for name in ("ingestor-1", "ingestor-2")]
    await asyncio.gather(*(ingestor.stop() for ingestor in ingestors))
    await asyncio.gather(*(ingestor.start() for ingestor in ingestors))

    async def is_clean() -> bool:
        return not any(path.stat().st_mtime <= long_ago for path in unfinished.glob("*"))

    return await _came_true(is_clean, seconds=_SWEEP_SECONDS)


async def _came_true(condition: Callable[[], Awaitable[bool]], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _given_up(watch: Watch, due: Mapping[str, Outcome]) -> dict[str, str]:
    """What failed though it is due to end otherwise, or for another reason; with the code."""
    return {
        media_id: seen.code or ""
        for media_id, seen in watch.seen.items()
        if seen.status == "failed"
        and (outcome := due.get(seen.provider_media_id or "")) is not None
        and outcome.code != seen.code
    }


def _rests(seen: Seen) -> bool:
    return seen.status in FINAL and not (seen.status == "failed" and seen.code in _HEALS)
