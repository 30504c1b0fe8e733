"""What each contender of the gateway row goes through, and the proof that it did the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aio_pika.abc import AbstractQueue

from shared.broker.topology import EXCHANGE
from shared.events import MediaReceived, decode, encode
from tests.bench import load, procfs, raw_publishes
from tests.bench.processes import MeasurementFailed, carried_out
from tests.bench.webhooks import read_webhooks
from webhook_gateway.whatsapp import parse

CONNECTIONS = 64
_WARM_UP_SECONDS, _SECONDS = 1.0, 4.0
_GRACE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A running gateway."""

    name: str
    url: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One round at full load. `cpu_seconds` is what one webhook took of the gateway's process."""

    per_second: float
    cpu_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Course:
    """The same webhooks, broker and queue for all. The queue is emptied after each run, and what was in it counted."""

    rabbitmq_url: str
    webhooks: Path
    queue: AbstractQueue

    async def rate(self, contender: Contender) -> Rate:
        """Closed loop: every connection sends its next webhook when the last one is answered."""
        order = load.Order(
            url=contender.url, webhooks=self.webhooks, connections=CONNECTIONS, seconds=_WARM_UP_SECONDS + _SECONDS
        )
        used = procfs.cpu_seconds(contender.pid) if procfs.AVAILABLE else None
        samples = await self._samples(order)
        in_time = sum(_WARM_UP_SECONDS <= sample.due + sample.seconds < order.seconds for sample in samples)
        each = None if used is None else (procfs.cpu_seconds(contender.pid) - used) / len(samples)
        return Rate(per_second=in_time / _SECONDS, cpu_seconds=each)

    async def answer_seconds(self, contender: Contender, *, rate: float) -> list[float]:
        """Constant rate: how long each answer took from when its webhook was due."""
        order = load.Order(
            url=contender.url,
            webhooks=self.webhooks,
            connections=CONNECTIONS,
            rate=rate,
            seconds=_WARM_UP_SECONDS + _SECONDS,
        )
        return [sample.seconds for sample in await self._samples(order) if sample.due >= _WARM_UP_SECONDS]

    async def raw_rate(self) -> Rate:
        """The same event with nothing around it, as many publishes in flight as there are connections."""
        body = read_webhooks(self.webhooks)[0].body.encode()
        order = raw_publishes.Order(
            rabbitmq_url=self.rabbitmq_url,
            exchange=EXCHANGE,
            routing_key=MediaReceived.routing_key,
            body=encode(parse(body, received_at=datetime.now(UTC)).events[0]).decode(),
            window=CONNECTIONS,
            warm_up_seconds=_WARM_UP_SECONDS,
            seconds=_SECONDS,
        )
        count = await carried_out(
            "tests.bench.raw_publishes", order, raw_publishes.Count, limit_seconds=_SECONDS + _GRACE_SECONDS
        )
        await self._emptied()
        return Rate(per_second=count.confirmed / _SECONDS, cpu_seconds=count.cpu_seconds / count.published)

    async def check_same_event(self, contenders: Sequence[Contender]) -> None:
        """Who is compared must do the same: an event that the ingestor takes, saying the same of the same webhook."""
        said = []
        for contender in contenders:
            order = load.Order(url=contender.url, webhooks=self.webhooks, connections=1, count=1, seconds=_SECONDS)
            await carried_out("tests.bench.load", order, load.Load, limit_seconds=_GRACE_SECONDS)
            message = await self.queue.get()
            await message.ack()
            # an id of one's own is allowed, and each received it at another moment
            said.append(decode(MediaReceived, message.body).model_dump(exclude={"media_id", "received_at"}))
        if any(event != said[0] for event in said):
            msg = f"the gateways make different events of the same webhook: {said}"
            raise MeasurementFailed(msg)

    async def _samples(self, order: load.Order) -> list[load.Sample]:
        """Every webhook was answered 200, and its event is in the queue."""
        made = await carried_out("tests.bench.load", order, load.Load, limit_seconds=order.seconds + _GRACE_SECONDS)
        refused = [sample.status for sample in made.samples if sample.status != 200]
        if refused:
            msg = f"{len(refused)} of {len(made.samples)} webhooks to {order.url} were answered {sorted(set(refused))}"
            raise MeasurementFailed(msg)
        queued = await self._emptied()
        if queued != len(made.samples):
            msg = f"{order.url} answered 200 to {len(made.samples)} webhooks; {queued} events are in the queue"
            raise MeasurementFailed(msg)
        return made.samples

    async def _emptied(self) -> int:
        return (await self.queue.purge()).message_count or 0
