"""The process that workers are forked from: it has loaded the decoders, and never sees a file or a secret.

Run by path, with nothing in its environment: `nursery.py <socket> <import path as JSON>`. Over the socket come pairs
of pipes, one for each worker to fork, and the ids of workers to kill; back go their ids and how they ended. When the
socket closes, the service is gone, and every worker is killed.
"""

import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

REQUEST = struct.Struct("=q")  # FORK, or the id of a worker to kill
REPORT = struct.Struct("=qq")  # the id of a worker, and STARTED or its exit code, which is negative for a signal
NOBODY = 0  # instead of the id of a worker that could not be started
FORK = 0
STARTED = 1 << 32

Serve = Callable[[int, int], None]


class Nursery:
    """Forks and buries; one thread, so that a fork is whole."""

    def __init__(self, control: socket.socket, serve: Serve) -> None:
        self._control = control
        self._serve = serve
        self._living: set[int] = set()
        self._deaths, self._death = os.pipe()
        os.set_blocking(self._death, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing is written to the pipe
        signal.set_wakeup_fd(self._death, warn_on_full_buffer=False)

    def run(self) -> None:
        """Until the service is gone."""
        with selectors.DefaultSelector() as events:
            events.register(self._control, selectors.EVENT_READ, self._obey)
            events.register(self._deaths, selectors.EVENT_READ, self._bury)
            try:
                while all(key.data() for key, _ in events.select()):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass  # the service went while it was told something
            finally:
                for worker in self._living:
                    os.kill(worker, signal.SIGKILL)

    def _obey(self) -> bool:
        request, pipes, _, _ = socket.recv_fds(self._control, REQUEST.size, 2)
        if len(request) < REQUEST.size:
            return False
        (wanted,) = REQUEST.unpack(request)
        if wanted == FORK:
            self._fork(*pipes)
        elif wanted in self._living:  # nobody else can have its id before it is buried
            os.kill(wanted, signal.SIGKILL)
        return True

    def _fork(self, requests: int, answers: int) -> None:
        try:
            worker = os.fork()
        except OSError:  # too many processes, or no memory; the workers that there are go on
            worker = NOBODY
        else:
            if worker == 0:
                self._live(requests, answers)
            self._living.add(worker)
        os.close(requests)
        os.close(answers)
        self._control.sendall(REPORT.pack(worker, STARTED))

    def _live(self, requests: int, answers: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            self._serve(requests, answers)
            code = 0
        except BaseException:
            traceback.print_exc()  # once it is confined, to nobody
        finally:
            os._exit(code)  # nothing that the nursery holds is closed or flushed by its child

    def _bury(self) -> bool:
        os.read(self._deaths, 4096)
        for worker in tuple(self._living):
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                self._living.discard(worker)
                self._control.sendall(REPORT.pack(worker, os.waitstatus_to_exitcode(status)))
        return True


def main() -> None:
    """See the module."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which then ends its workers
    sys.path[:] = json.loads(sys.argv[2])
    # they can be found only now
    from previewer.render import preload  # noqa: F401  # for what it loads
    from previewer.render.serving import serve

    gc.collect()
    gc.freeze()  # else the first collection in each worker would copy every page that it shares with the others
    Nursery(control, serve).run()


if __name__ == "__main__":
    main()
