"""The four services end to end: media per second, time from webhook to `ready`, and memory under large downloads."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.collection import Collection

from local_stack import Stack, stack
from tests.bench import load, procfs
from tests.bench.figures import Figure, percentile
from tests.bench.meta import LARGE_FILE_BYTES, LARGE_FILES, LARGE_FILES_TOGETHER, PHOTOS, meta
from tests.bench.photos import PHOTO_BYTES
from tests.bench.processes import MeasurementFailed, carried_out
from tests.bench.webhooks import SignedWebhook, read_webhooks
from tests.bench.world import World

Document = dict[str, Any]
Step = Callable[[str], None]

END_TO_END, MEMORY = "end to end", "memory"
GROWTH_LIMIT_MB = 64.0
_ROUNDS, _LARGE_ROUNDS = 3, 2
_WARM_UP_PHOTOS = 40
_ROUND_SECONDS, _LATENCY_SECONDS = 12.0, 30.0
_PHOTOS = 2500
_FEWEST_PHOTOS, _MOST_PHOTOS = 100, 600
_POST_CONNECTIONS = 16
_LIMIT_SECONDS = 120.0
_POLL_SECONDS, _LOOK_SECONDS = 0.1, 0.02


@dataclass(frozen=True, kw_only=True)
class Ready:
    """When media became ready, in that order, and how long after its webhook was due, in the order of sending."""

    at: Sequence[float]
    after_seconds: Sequence[float]

    @property
    def per_second(self) -> float:
        """Of the middle four fifths, so that filling and draining the pipeline do not count."""
        edge = len(self.at) // 10
        middle = self.at[edge : len(self.at) - edge]
        return (len(middle) - 1) / (middle[-1] - middle[0])


class Pipeline:
    """Running services, the photos that have not been announced to them yet, and their documents."""

    def __init__(self, world: World, services: Stack, messages: Collection[Document], *, meta_pid: int) -> None:
        self.world = world
        self.messages = messages
        self._services = services
        self._meta_pid = meta_pid
        self._url = services.url("webhook-gateway") + "/webhooks/whatsapp"
        self._announced = 0

    def cpu_seconds(self) -> Mapping[str, float]:
        """What each process of the pipeline, and what it needs beside it, has used so far; nothing outside of Linux."""
        if not procfs.AVAILABLE:
            return {}
        servers = self.world.servers
        pids = {name: self.world.pid_of(name) for name in self._services.names}
        beside = {"RabbitMQ": servers.rabbitmq.pid, "MongoDB": servers.mongodb.pid, "simulator": self._meta_pid}
        return {name: procfs.cpu_seconds(pid) for name, pid in (pids | beside).items() if pid is not None}

    async def photos(self, count: int, *, rate: float | None = None) -> Ready:
        """Announce the next photos at once or at a constant rate; return when all are ready."""
        file = self.world.data / PHOTOS
        webhooks = read_webhooks(file)[self._announced : self._announced + count]
        if len(webhooks) < count:
            msg = f"only {len(webhooks)} photos are left of the {count} that are to be sent"
            raise MeasurementFailed(msg)
        seconds = _LIMIT_SECONDS if rate is None else count / rate + 1.0
        order = load.Order(
            url=self._url,
            webhooks=file,
            skip=self._announced,
            count=count,
            connections=_POST_CONNECTIONS,
            rate=rate,
            seconds=seconds,
        )
        self._announced += count
        made = await carried_out("tests.bench.load", order, load.Load, limit_seconds=seconds + 30)
        _check_accepted(made)
        ready = await self._became_ready(webhooks)
        # at a constant rate webhook n is due at n / rate; else only the order of becoming ready is of interest
        due = [made.started_at + number / rate if rate else made.started_at for number in range(count)]
        after = [ready[webhook.message_ids[0]] - then for webhook, then in zip(webhooks, due, strict=True)]
        return Ready(at=sorted(ready.values()), after_seconds=after)

    async def large_files(self, batch: int) -> int:
        """Announce sixteen 100 MB files in one webhook; return when all are stored with how many came at once."""
        file = self.world.data / LARGE_FILES
        order = load.Order(url=self._url, webhooks=file, skip=batch, count=1, connections=1, seconds=30.0)
        async with self._most_downloads() as most:
            _check_accepted(await carried_out("tests.bench.load", order, load.Load, limit_seconds=60.0))
            await self._became_ready([read_webhooks(file)[batch]])
        return max(most)

    async def _became_ready(self, webhooks: Sequence[SignedWebhook]) -> dict[str, float]:
        """By message id the time at which its document says it became ready: the database's clock."""
        wanted = [wamid for webhook in webhooks for wamid in webhook.message_ids]
        query = {"messageId": {"$in": wanted}}
        deadline = time.monotonic() + _LIMIT_SECONDS
        while self.messages.count_documents(query | {"media.status": "ready"}) < len(wanted):
            if time.monotonic() > deadline:
                states = self.messages.aggregate([{"$match": query}, {"$sortByCount": "$media.status"}])
                msg = f"not ready within {_LIMIT_SECONDS:g} s: of {len(wanted)} there are {list(states)}"
                raise MeasurementFailed(msg)
            await asyncio.sleep(_POLL_SECONDS)
        found = self.messages.find(query, {"messageId": 1, "media.updatedAt": 1})
        return {document["messageId"]: document["media"]["updatedAt"].timestamp() for document in found}

    @asynccontextmanager
    async def _most_downloads(self) -> AsyncIterator[list[int]]:
        """How many downloads are under way, looked at again and again: each has a folder of its own."""
        seen = [0]

        async def look() -> None:
            while True:
                seen.append(sum(1 for _ in (self.world.uploads / ".incomplete").glob("*/original")))
                await asyncio.sleep(_LOOK_SECONDS)

        looking = asyncio.create_task(look())
        try:
            yield seen
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


@asynccontextmanager
async def running_pipeline(world: World) -> AsyncIterator[Pipeline]:
    """The four services with Meta beside them, on the database and broker of the world."""
    simulator = meta(world, photos=_PHOTOS, large_batches=_LARGE_ROUNDS)
    await simulator.start()
    settings = world.settings(graph_url=simulator.url)
    async with stack(world.data, settings) as services:
        with MongoClient[Document](world.servers.mongodb_uri) as client:
            options: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
            messages = client["attache"].get_collection("messages", codec_options=options)
            assert simulator.pid is not None
            yield Pipeline(world, services, messages, meta_pid=simulator.pid)
    await simulator.stop()


async def measure_end_to_end(pipeline: Pipeline, *, step: Step) -> list[Figure]:
    """Rounds of a backlog that is worked off and of a tenth of that rate, in turns."""
    first = await pipeline.photos(_WARM_UP_PHOTOS)
    count = min(_MOST_PHOTOS, max(_FEWEST_PHOTOS, round(first.per_second * _ROUND_SECONDS)))
    step(f"warm: {first.per_second:.1f} media/s, {count} photos a round")
    rates: list[float] = []
    waits: list[Sequence[float]] = []
    used: list[Mapping[str, float]] = []
    for _ in range(_ROUNDS):
        before = pipeline.cpu_seconds()
        rates.append((await pipeline.photos(count)).per_second)
        used.append({name: (now - before[name]) / count for name, now in pipeline.cpu_seconds().items()})
        step(f"{rates[-1]:.1f} media/s")
        rate = statistics.median(rates) / 10
        waits.append((await pipeline.photos(round(rate * _LATENCY_SECONDS), rate=rate)).after_seconds)
        step(f"at {rate:.1f}/s: p50 {percentile(waits[-1], 50) * 1000:.0f} ms")
    together = [seconds for round_ in waits for seconds in round_]
    size = f"{PHOTO_BYTES // 1000} KB JPEG"
    return [
        Figure(row=END_TO_END, name=f"media ready, {size}", unit="1/s", rounds=tuple(rates)),
        *(
            Figure(
                row=END_TO_END,
                name=f"p{percent} webhook → ready, a tenth",
                unit="ms",
                rounds=(percentile(together, percent) * 1000,),
                note=f"of {len(together)} media in {_ROUNDS} rounds",
            )
            for percent in (50, 99)
        ),
        *(
            Figure(
                row=END_TO_END,
                name=f"CPU for each, {name}",
                unit="ms",
                rounds=tuple(round_[name] * 1000 for round_ in used),
            )
            for name in used[0]
        ),
    ]


async def measure_memory(pipeline: Pipeline, *, step: Step) -> list[Figure]:
    """How far sixteen large downloads at once raise the ingestor's memory above what it has when warm."""
    if not procfs.AVAILABLE:
        return []
    pid = pipeline.world.pid_of("ingestor")
    before = procfs.resident_bytes(pid)
    growths, together = [], []
    for batch in range(_LARGE_ROUNDS):
        procfs.forget_peak(pid)
        together.append(await pipeline.large_files(batch))
        growths.append((procfs.peak_resident_bytes(pid) - before) / 1e6)
        step(f"+{growths[-1]:.0f} MB, {together[-1]} downloads at once")
    files = f"{LARGE_FILES_TOGETHER} files of {LARGE_FILE_BYTES // 1024**2} MiB"
    return [
        Figure(row=MEMORY, name="ingestor, warm", unit="MB", rounds=(before / 1e6,)),
        Figure(
            row=MEMORY,
            name="ingestor, growth",
            unit="MB",
            rounds=tuple(growths),
            limit=GROWTH_LIMIT_MB,
            note=f"{files}, {min(together)} at once",
        ),
    ]


END_TO_END_STEPS = 1 + 2 * _ROUNDS
MEMORY_STEPS = _LARGE_ROUNDS


def _check_accepted(made: load.Load) -> None:
    refused = {sample.status for sample in made.samples if sample.status != 200}
    if refused:
        msg = f"webhooks were answered {sorted(refused)}"
        raise MeasurementFailed(msg)
