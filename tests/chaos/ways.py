"""The ways by which each side reaches RabbitMQ, MongoDB and Meta: proxies on loopback that can be cut and frozen."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from local_stack.ports import Ports
from tests.amqp import Link
from tests.chaos.actions import SIDES


class Way(Link):
    """A link on a port of our own choice, which nobody takes while it is cut; its server may be down."""

    def __init__(self, url: str, *, port: int) -> None:
        super().__init__(url)
        self._port = port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._accept(reader, writer)
        except OSError:
            writer.transport.abort()


@asynccontextmanager
async def ways_to(servers: Mapping[str, str]) -> AsyncIterator[Mapping[str, Way]]:
    """A way from each side to each of these URLs, by the name that the plan uses."""
    ports = Ports()
    try:
        async with AsyncExitStack() as stack:
            yield {
                f"{side} - {name}": await stack.enter_async_context(Way(url, port=ports.choose()))
                for side in SIDES
                for name, url in servers.items()
            }
    finally:
        ports.release()
