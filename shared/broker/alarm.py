"""RabbitMQ's memory or disk alarm: it takes no messages until it has room, and says so on the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractRobustConnection

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.1


class BrokerBlocked(ConnectionError):
    """RabbitMQ takes no messages for now. What it holds is still delivered and acked."""

    def __init__(self) -> None:
        super().__init__(
            "RabbitMQ has raised its memory or disk alarm and takes no messages until it has room; "
            "`rabbitmq-diagnostics alarms` on its host says what ran out"
        )


class Alarm:
    """Whether the publishing connection is blocked.

    RabbitMQ tells a connection when it publishes, not before: the first publish after the alarm learns of it, and
    everything after that is refused here, at once, until RabbitMQ says that the alarm is over.
    """

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._over.set()
        self._limits: set[asyncio.Timeout] = set()

    @property
    def raised(self) -> bool:
        """True while RabbitMQ takes no messages."""
        return not self._over.is_set()

    async def over(self) -> None:
        """Return when RabbitMQ takes messages, as far as is known."""
        await self._over.wait()

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """`asyncio.timeout` that ends at once, with `BrokerBlocked`, when the alarm is raised."""
        if self.raised:
            raise BrokerBlocked
        try:
            async with asyncio.timeout(seconds) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            if self.raised:
                raise BrokerBlocked from None
            raise

    async def watch(self, connection: AbstractRobustConnection) -> None:
        """Look at the connection again and again: the client library knows, and calls nobody."""
        while True:
            if await _is_blocked(connection):
                self._raise()
            else:
                self._end()
            await asyncio.sleep(_LOOK_SECONDS)

    def _raise(self) -> None:
        if not self.raised:
            self._over.clear()
            log.warning(
                "broker.blocked",
                reason=str(BrokerBlocked()),
                next="free memory or disk where RabbitMQ runs; nothing accepted is lost, and all goes on by itself",
            )
            now = asyncio.get_running_loop().time()
            for limit in self._limits:
                if not limit.expired():
                    limit.reschedule(now)

    def _end(self) -> None:
        if self.raised:
            self._over.set()
            log.info("broker.unblocked")


async def _is_blocked(connection: AbstractRobustConnection) -> bool:
    """`ready` of the low-level connection waits for as long as it is blocked, and for nothing else when connected."""
    transport = connection.transport
    if transport is None or not connection.connected.is_set():
        return False
    try:
        async with asyncio.timeout(0):
            await transport.ready()
    except TimeoutError:
        return True
    return False
