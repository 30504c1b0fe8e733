"""Services and servers by one set of verbs, so that an action need not know what it hits."""

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from local_stack import Infrastructure, Server, Stack
from local_stack.guardian import read_children


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One process. `start` returns when it is ready to serve."""

    name: str
    kill: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    pid: Callable[[], int | None]

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if (pid := self.pid()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def machines_of(servers: Infrastructure, stacks: Mapping[str, Stack]) -> Mapping[str, Machine]:
    """All of them by name."""
    machines = [_server(server) for server in (servers.rabbitmq, servers.mongodb)]
    machines += [_service(stack, name) for stack in stacks.values() for name in stack.names]
    return {machine.name: machine for machine in machines}


def _server(server: Server) -> Machine:
    return Machine(name=server.name, kill=server.kill, stop=server.stop, start=server.start, pid=lambda: server.pid)


def _service(stack: Stack, name: str) -> Machine:
    ledger = stack.log(name).parent.parent / "services.processes"

    def pid() -> int | None:
        children = reversed(read_children(ledger))
        return next((child.pid for child in children if child.name == name and child.is_running()), None)

    return Machine(
        name=name,
        kill=lambda: stack.kill(name),
        stop=lambda: stack.terminate(name),
        start=lambda: stack.start(name),
        pid=pid,
    )
