"""The gateway beside the raw rate of confirmed publishes and beside a gateway on Node: rate, and time at half load."""

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import aio_pika

from local_stack import SERVICES, stack
from shared.broker.topology import INGEST
from tests.bench import node_peer, procfs
from tests.bench.course import Contender, Course, Rate
from tests.bench.figures import ATTACHE, Figure, percentile
from tests.bench.procfs import resident_bytes
from tests.bench.webhooks import announcing, write_webhooks
from tests.bench.world import World
from whatsapp_simulator import Kind, Simulator

ROW = "gateway"
RAW, NODE = "raw publishes, aio-pika", "Express + amqplib"
IDLE_LIMIT_MB = 80.0
_WEBHOOKS = 2000
_ROUNDS, _LATENCY_ROUNDS = 5, 3
_PATH = "/webhooks/whatsapp"

T = TypeVar("T")
Step = Callable[[str], None]


async def measure(world: World, *, with_node: bool, step: Step) -> list[Figure]:
    """Alternated rounds on one broker and one topology, the gateway's own; the queue is emptied after each."""
    webhooks = _written(world)
    gateway = [service for service in SERVICES if service.name == "webhook-gateway"]
    settings = world.settings(graph_url="http://127.0.0.1:9")  # the gateway does not ask Graph
    async with AsyncExitStack() as running:
        services = await running.enter_async_context(stack(world.data, settings, services=gateway))
        pid = world.pid_of("webhook-gateway")
        contenders = [Contender(name=ATTACHE, url=services.url("webhook-gateway") + _PATH, pid=pid)]
        idle_bytes = {"idle after start": resident_bytes(pid)} if procfs.AVAILABLE else {}
        if with_node:
            contenders.append(await running.enter_async_context(_node(world)))
        connection = await running.enter_async_context(await aio_pika.connect(world.servers.rabbitmq_url))
        queue = await (await connection.channel()).get_queue(INGEST.name, ensure=False)
        course = Course(rabbitmq_url=world.servers.rabbitmq_url, webhooks=webhooks, queue=queue)
        await course.check_same_event(contenders)
        rates = await _rates(course, contenders, step)
        latencies = await _latencies(course, contenders, rates, step)
        if procfs.AVAILABLE:
            idle_bytes["idle after this"] = resident_bytes(pid)
    return [
        *_rate_figures(rates),
        *latencies,
        *(
            Figure(row=ROW, name=f"memory, {when}", unit="MB", rounds=(taken / 1e6,), limit=IDLE_LIMIT_MB)
            for when, taken in idle_bytes.items()
        ),
    ]


def steps(*, with_node: bool) -> int:
    """How often `measure` calls `step`."""
    return _ROUNDS * (3 if with_node else 2) + _LATENCY_ROUNDS * (3 if with_node else 1)


async def _rates(course: Course, contenders: Sequence[Contender], step: Step) -> dict[str, list[Rate]]:
    races: dict[str, Callable[[], Awaitable[Rate]]] = {one.name: partial(course.rate, one) for one in contenders}
    races[RAW] = course.raw_rate
    rounds: dict[str, list[Rate]] = {name: [] for name in races}
    for number in range(_ROUNDS):
        for name in _rotated(races, number):
            rounds[name].append(await races[name]())
            step(f"{name}: {rounds[name][-1].per_second:.0f}/s")
    return rounds


def _rate_figures(rates: Mapping[str, Sequence[Rate]]) -> Iterator[Figure]:
    for name, rounds in rates.items():
        per_second = tuple(round_.per_second for round_ in rounds)
        yield Figure(row=ROW, name="confirmed webhooks", subject=name, unit="1/s", rounds=per_second)
    for name, rounds in rates.items():
        used = tuple(round_.cpu_seconds * 1e6 for round_ in rounds if round_.cpu_seconds is not None)
        if used:
            yield Figure(row=ROW, name="CPU for each", subject=name, unit="µs", rounds=used)


async def _latencies(
    course: Course, contenders: Sequence[Contender], rates: Mapping[str, Sequence[Rate]], step: Step
) -> list[Figure]:
    half = {one.name: statistics.median(rate.per_second for rate in rates[one.name]) / 2 for one in contenders}
    # each at half of what it can do, and all at the same load
    races = {(one, rate): one for one in contenders for rate in dict.fromkeys((half[one.name], half[ATTACHE]))}
    rounds: dict[tuple[Contender, float], list[list[float]]] = {race: [] for race in races}
    for number in range(_LATENCY_ROUNDS):
        for contender, rate in _rotated(races, number):
            seconds = await course.answer_seconds(contender, rate=rate)
            rounds[contender, rate].append(seconds)
            step(f"{contender.name} at {rate:.0f}/s: p99 {percentile(seconds, 99) * 1000:.1f} ms")
    return [
        Figure(
            row=ROW,
            name=f"p{percent}, {load_name}",
            subject=one.name,
            unit="ms",
            rounds=tuple(percentile(seconds, percent) * 1000 for seconds in rounds[one, rate[one.name]]),
            note=f"{rate[one.name]:.0f}/s",
        )
        for load_name, rate in (
            ("half of its own load", half),
            (f"half of {ATTACHE}'s load", dict.fromkeys(half, half[ATTACHE])),
        )
        for percent in (50, 99)
        for one in contenders
    ]


@asynccontextmanager
async def _node(world: World) -> AsyncIterator[Contender]:
    peer = node_peer.gateway(
        world.guard, data=world.data, rabbitmq_url=world.servers.rabbitmq_url, app_secret=world.secrets.app_secret
    )
    await peer.start()
    try:
        assert peer.pid is not None
        yield Contender(name=NODE, url=peer.url + _PATH, pid=peer.pid)
    finally:
        await peer.stop()


def _written(world: World) -> Path:
    """One image each, as many different ones as a gateway sees in some seconds."""
    simulator = Simulator(app_secret=world.secrets.app_secret)
    path = world.data / "gateway-webhooks.jsonl"
    media = [
        simulator.add_media(f"photo {number}".encode(), kind=Kind.IMAGE, mime_type="image/jpeg")
        for number in range(_WEBHOOKS)
    ]
    write_webhooks(path, [announcing(simulator, [one], app_secret=world.secrets.app_secret) for one in media])
    return path


def _rotated(contenders: Iterable[T], by: int) -> list[T]:
    """Another one begins each round, so that none always follows the same neighbour."""
    order = list(contenders)
    return order[by % len(order) :] + order[: by % len(order)]
