"""Waiting for what announces itself to nobody: a process that ends, a port that opens."""

import asyncio
import time
from collections.abc import Callable

_POLL_SECONDS = 0.02


async def wait_until(condition: Callable[[], bool], *, seconds: float = float("inf")) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        # asyncio's own child watching is tied to the loop that started the child; a test session has many loops.
        await asyncio.sleep(_POLL_SECONDS)
    return True
