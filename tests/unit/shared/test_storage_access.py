import asyncio
import os
import signal

import pytest

from shared.cli.storage_access import Halt, Stopped


async def work(halt: Halt) -> None:
    async with asyncio.timeout(5):
        while True:
            halt.here()
            await asyncio.sleep(0)


async def test_ctrl_c_stops_at_the_next_harmless_place_and_not_before() -> None:
    halt = Halt()
    halt.here()

    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Stopped):
        await work(halt)
