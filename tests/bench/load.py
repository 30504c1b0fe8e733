"""The load generator, a process of its own: signed webhooks over kept-alive connections, each answer timed.

Closed loop (no `rate`): every connection sends its next webhook when it has the answer to the last one. Constant rate:
webhook n is due at n / rate seconds, whatever became of the ones before, and its time counts from then, so a gateway
that stalls is charged for what had to wait (no coordinated omission).

Reads an `Order` from standard input and writes a `Load` to standard output.
"""

import asyncio
import json
import re
import selectors
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from tests.bench.webhooks import SignedWebhook, read_webhooks

NO_ANSWER = 0
_LATE_SECONDS = 15.0
_POLL_SECONDS = 0.02
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Order(BaseModel):
    """What to send. Ends after `count` webhooks or after `seconds`, whatever comes first."""

    model_config = ConfigDict(frozen=True)

    url: str
    webhooks: Path
    skip: int = 0
    count: int | None = None
    connections: int = 64
    rate: float | None = None
    seconds: float


class Sample(BaseModel):
    """One webhook: when it was due (seconds since the load began), how long its answer took from then, its status."""

    model_config = ConfigDict(frozen=True)

    due: float
    seconds: float
    status: int


class Load(BaseModel):
    """All samples in the order of their answers. `started_at` is wall time; `cpu_seconds` is what generating took."""

    model_config = ConfigDict(frozen=True)

    started_at: float
    cpu_seconds: float
    samples: list[Sample]


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else 0):
            return
        self._received = b""
        self._answered(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._due is not None:
            self._answered(NO_ANSWER)

    def _answered(self, status: int) -> None:
        due, self._due = self._due, None
        if due is not None:
            self._generator.answered(self, due, status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Generator:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = _requests(order)
        self._left = order.count if order.count is not None else sys.maxsize
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._under_way = 0
        self._samples: list[Sample] = []
        self._started = 0.0

    async def run(self) -> Load:
        loop, address = asyncio.get_running_loop(), urlsplit(self._order.url)
        host, port = address.hostname or "", address.port or 80
        connections = [
            (await loop.create_connection(lambda: _Connection(self), host, port))[1]
            for _ in range(self._order.connections)
        ]
        started_at, used = time.time(), time.process_time()
        self._started = time.perf_counter()
        if self._order.rate is None:
            self._start_closed_loop(connections)
        else:
            await self._send_at_constant_rate(connections, self._order.rate)
        await self._until_all_answered()
        for connection in connections:
            connection.close()
        await asyncio.sleep(0)  # what was never answered is reported by the connections that are lost
        return Load(started_at=started_at, cpu_seconds=time.process_time() - used, samples=self._samples)

    def answered(self, connection: _Connection, due: float, status: int) -> None:
        """Note the answer and give the connection its next work."""
        self._samples.append(Sample(due=due, seconds=self._now() - due, status=status))
        self._under_way -= 1
        if status == NO_ANSWER:
            pass  # a lost connection is not opened again: the figures would not be worth anything
        elif self._waiting:
            self._send(connection, *self._waiting.popleft())
        elif self._order.rate is None and self._may_send():
            self._send(connection, self._next(), self._now())
        else:
            self._idle.append(connection)

    def _start_closed_loop(self, connections: list[_Connection]) -> None:
        for connection in connections:
            if self._may_send():
                self._send(connection, self._next(), self._now())

    async def _send_at_constant_rate(self, connections: list[_Connection], rate: float) -> None:
        self._idle.extend(connections)
        sent = 0
        while self._left and (due := sent / rate) < self._order.seconds:
            if due > self._now():
                await asyncio.sleep(due - self._now())
            request = self._next()
            if self._idle:
                self._send(self._idle.popleft(), request, due)
            else:
                self._waiting.append((request, due))
            sent += 1

    async def _until_all_answered(self) -> None:
        given_up = self._order.seconds + _LATE_SECONDS
        while (self._under_way or self._waiting) and self._now() < given_up:  # noqa: ASYNC110 - ends by time, too
            await asyncio.sleep(_POLL_SECONDS)
        self._samples += [Sample(due=due, seconds=self._now() - due, status=NO_ANSWER) for _, due in self._waiting]

    def _may_send(self) -> bool:
        return self._left > 0 and self._now() < self._order.seconds

    def _next(self) -> bytes:
        self._left -= 1
        return next(self._requests)

    def _send(self, connection: _Connection, request: bytes, due: float) -> None:
        self._under_way += 1
        connection.send(request, due)

    def _now(self) -> float:
        return time.perf_counter() - self._started


def _requests(order: Order) -> Iterator[bytes]:
    webhooks = read_webhooks(order.webhooks)[order.skip :]
    return cycle([_request(webhook, order.url) for webhook in webhooks])


def _request(webhook: SignedWebhook, url: str) -> bytes:
    address = urlsplit(url)
    head = (
        f"POST {address.path} HTTP/1.1\r\n"
        f"Host: {address.netloc}\r\n"
        "User-Agent: facebookexternalua\r\n"
        "Content-Type: application/json\r\n"
        f"X-Hub-Signature-256: {webhook.signature}\r\n"
        f"Content-Length: {len(webhook.body)}\r\n\r\n"
    )
    return (head + webhook.body).encode("ascii")


def _new_loop() -> asyncio.AbstractEventLoop:
    # epoll counts in whole milliseconds, which is as long as the answers that are measured; select counts in micros
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main() -> None:
    """Read an order from standard input, write a load to standard output."""
    order = Order.model_validate(json.load(sys.stdin))
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        load = runner.run(Generator(order).run())
    sys.stdout.write(load.model_dump_json())


if __name__ == "__main__":
    main()
