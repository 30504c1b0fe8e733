"""Do all clocks agree? Signed links end, deadlines pass and retries begin by them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from statistics import median_low

import aiohttp

from shared.doctor.check import Answer, fine, warning, wrong
from shared.doctor.services import metric
from shared.repository.mongo import Database, DatabaseError, server_time

OURS = "this machine"
META = "Meta"
_TOLERANCE_SECONDS = 5.0
_DATE_ROUNDS_DOWN = 0.5  # on average: the header has whole seconds
_ASK_SECONDS = 4.0
_EXACT_SECONDS = 2.0

Ask = Callable[[], Awaitable[float | None]]
"""The other side's Unix time; None when it does not say."""


async def look_at_clocks(
    session: aiohttp.ClientSession, database: Database, *, graph_url: str, services: Mapping[str, str]
) -> Sequence[Answer]:
    """Meta's clock is the measure when Meta answers; else what most of them say."""

    async def of_mongodb() -> float | None:
        return (await server_time(database)).timestamp()

    asked: dict[str, Ask] = {"MongoDB": of_mongodb, META: lambda: _date(session, graph_url)}
    asked |= {name: _of_service(session, url) for name, url in services.items()}
    offsets = await asyncio.gather(*(_offset(ask) for ask in asked.values()))
    known = {name: offset for name, offset in zip(asked, offsets, strict=True) if offset is not None}
    silent = [name for name in asked if name not in known]
    answers = judged({OURS: 0.0, **known})
    if silent:
        answers = [*answers, warning(f"did not say the time: {', '.join(silent)}", "see what is said of each here")]
    return answers


def judged(offsets: Mapping[str, float]) -> Sequence[Answer]:
    """What to say of these clocks, each as seconds ahead of ours."""
    if len(offsets) == 1:
        return []
    right = offsets[META] if META in offsets else median_low(offsets.values())
    off = {name: offset - right for name, offset in offsets.items() if abs(offset - right) > _TOLERANCE_SECONDS}
    if not off:
        return [fine(f"{len(offsets)} clocks agree within {_TOLERANCE_SECONDS:g} s: {', '.join(offsets)}")]
    measure = "Meta" if META in offsets else "most others"
    if META not in offsets and len(off) * 2 >= len(offsets):
        spread = max(offsets.values()) - min(offsets.values())
        return [wrong(f"{' and '.join(offsets)} are {spread:.0f} s apart; nobody knows which is wrong", _SYNCHRONISE)]
    return [
        wrong(
            f"the clock of {', '.join(names)} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {measure}: "
            f"links end too {'early' if ahead > 0 else 'late'}, deadlines and retries shift",
            _SYNCHRONISE,
        )
        for ahead, names in _alike(off)
    ]


def _alike(off: Mapping[str, float]) -> Sequence[tuple[float, Sequence[str]]]:
    """All that run on one machine have its clock, and are one thing to put right."""
    groups: list[tuple[float, list[str]]] = []
    for name, ahead in off.items():
        group = next((names for first, names in groups if abs(first - ahead) <= _TOLERANCE_SECONDS), None)
        if group is None:
            groups.append((ahead, [name]))
        else:
            group.append(name)
    return groups


async def _offset(ask: Ask) -> float | None:
    """Seconds ahead of ours, in the middle of asking."""
    before = time.time()
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            said = await ask()
    except (aiohttp.ClientError, DatabaseError, OSError, ValueError, TimeoutError):
        return None
    return None if said is None else said - (before + time.time()) / 2


def _of_service(session: aiohttp.ClientSession, url: str) -> Ask:
    async def ask() -> float | None:
        with suppress(TimeoutError):  # it counts documents for its metrics, and its database may be away
            async with asyncio.timeout(_EXACT_SECONDS):
                if (exact := await metric(session, url, "attache_time_seconds")) is not None:
                    return exact
        return await _date(session, f"{url}/healthz")

    return ask


async def _date(session: aiohttp.ClientSession, url: str) -> float | None:
    """What the `Date` header of any answer says; a refusal has one too."""
    async with session.get(url, allow_redirects=False) as response:
        said = response.headers.get("Date")
    return None if said is None else parsedate_to_datetime(said).timestamp() + _DATE_ROUNDS_DOWN


_SYNCHRONISE = "switch on time synchronisation on its machine (timedatectl set-ntp true; timedatectl status)"
