"""Worker processes by pebble, seen from the service: how they are started, given a file, and ended. Blocking."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import ParamSpec, TypeVar

from pebble import ProcessPool

from previewer.render import worker
from previewer.render.job import Limits

P = ParamSpec("P")
T = TypeVar("T")

_PROCESSES = 2  # one works on a file, one is ready for the next
_PRELOAD = ["pebble.pool.process", worker.__name__]
_environment = threading.Lock()  # two that empty it at once would restore nothing


class Pool:
    """Renders one file at a time, each in a process of its own.

    The processes are forked from a small server that was started with an empty environment: they hold no secret and
    no socket of the service, and their decoders are already loaded.
    """

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.seconds
        self._started = False
        self._processes = ProcessPool(
            max_workers=_PROCESSES,
            max_tasks=1,
            initializer=worker.confine,
            initargs=(limits,),
            context=multiprocessing.get_context("forkserver"),
        )

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the processes unless they run, and hand one of them the work; it is killed when its time is over.

        The future fails with what the function raised, or with pebble's `TimeoutError`, `ProcessExpired` or
        `BrokenProcessPool`; the last is also raised here, when no process can be started.
        """
        try:
            if not self._started:
                _ensure_fork_server()
                self._started = True
            return self._processes.schedule(
                worker.bounded, args=(self._seconds, function, *args), kwargs=kwargs, timeout=self._seconds
            )
        except (OSError, RuntimeError) as error:  # RuntimeError is how pebble says that the pool broke while idle
            msg = "the worker processes are gone or cannot be started"
            raise BrokenProcessPool(msg) from error

    def stop(self) -> None:
        """Kill the processes, whatever they do. A future that is not done yet never will be."""
        self._processes.stop()  # type: ignore[no-untyped-call]  # pebble annotates only what returns something
        self._processes.join()


def _ensure_fork_server() -> None:
    """Processes inherit no variable from it: settings hold secrets, and `/proc/<pid>/environ` never forgets."""
    forkserver.set_forkserver_preload(_PRELOAD)
    with _environment:
        saved = dict(os.environ)
        os.environ.clear()
        try:
            forkserver.ensure_running()
        finally:
            os.environ.update(saved)
