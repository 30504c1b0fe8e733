"""Sends many webhooks: batched, paced, shuffled, repeated, as Meta delivers them."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.parties import Customer
from whatsapp_simulator.sender import Delivery
from whatsapp_simulator.traffic import Sent, Traffic
from whatsapp_simulator.updates import Update
from whatsapp_simulator.webhooks import WebhookTooLarge

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator

_SHUFFLED_POSTS = 20  # so far can an update come from its place


async def run(
    simulator: Simulator,
    traffic: Traffic,
    *,
    sent: Sent | None = None,
    on_progress: Callable[[Sent], None] = lambda sent: None,
) -> Sent:
    """Send it all; ends when the last webhook is accepted or given up. `on_progress` is called after each POST.

    What is counted is counted in `sent`, so that it is known when this is cancelled, too.
    """
    sent, began = Sent() if sent is None else sent, time.perf_counter()
    luck = random.Random(traffic.seed)  # noqa: S311 - which webhooks are repeated is no secret
    batches = enumerate(_batches(simulator, traffic, luck, sent))

    async def connection() -> None:
        for position, batch in batches:  # shared: each batch goes to whoever is free
            if traffic.per_second is not None:
                await asyncio.sleep(max(0.0, began + position / traffic.per_second - time.perf_counter()))
            times = 2 if luck.random() < traffic.duplicates else 1
            deliveries = await asyncio.gather(*(_deliver(simulator, batch) for _ in range(times)))
            sent.updates += len(batch)
            sent.duplicates += times - 1
            for delivery in itertools.chain(*deliveries):
                sent.note(delivery)
            sent.elapsed_seconds = time.perf_counter() - began
            on_progress(sent)

    async with asyncio.TaskGroup() as connections:
        for _ in range(traffic.connections):
            connections.create_task(connection())
    return sent


async def _deliver(simulator: Simulator, batch: Sequence[Update]) -> list[Delivery]:
    try:
        return [await simulator.send(*batch)]
    except WebhookTooLarge:  # long captions: two POSTs then
        if len(batch) == 1:
            raise
    middle = len(batch) // 2
    return [*await _deliver(simulator, batch[:middle]), *await _deliver(simulator, batch[middle:])]


def _batches(simulator: Simulator, traffic: Traffic, luck: random.Random, sent: Sent) -> Iterator[list[Update]]:
    waiting: list[Update] = []
    window = traffic.batch * (_SHUFFLED_POSTS if traffic.reorder else 1)
    for update in _updates(simulator, traffic, sent):
        waiting.append(update)
        if len(waiting) >= window:
            yield from _cut(waiting, traffic, luck)
            waiting.clear()
    yield from _cut(waiting, traffic, luck)


def _cut(updates: list[Update], traffic: Traffic, luck: random.Random) -> Iterator[list[Update]]:
    if traffic.reorder:
        luck.shuffle(updates)
    for position in range(0, len(updates), traffic.batch):
        yield updates[position : position + traffic.batch]


def _updates(simulator: Simulator, traffic: Traffic, sent: Sent) -> Iterator[Update]:
    for position in range(traffic.count):
        kind = traffic.kinds[position % len(traffic.kinds)]
        yield from simulator.compose(
            kind,
            sender=_customer(position % traffic.customers),
            size_bytes=traffic.size_bytes,
            seed=traffic.seed + position if traffic.unique else None,
            caption=traffic.caption,
        )
        sent.attachments += KINDS[kind].attachments


def _customer(position: int) -> Customer:
    return Customer(
        name=f"Customer {position + 1}",
        wa_id=str(15550110000 + position),
        user_id=f"US.{10**19 + position}",
    )
