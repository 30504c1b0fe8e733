"""Calls that may never return: a folder on a network disk that hangs cannot be given up by the thread that asks."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread_of_its_own(call: Callable[[], T]) -> T:
    """The result of a call that blocks. Cancelling leaves it behind, and nothing waits for its thread."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # there is one when there is no error

    def run() -> None:
        result, failed = None, None
        try:
            result = call()
        except BaseException as error:  # carried over to whoever waits
            failed = error
        with suppress(RuntimeError):  # nobody waits any more: the loop has ended
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, daemon=True).start()
    return await done
