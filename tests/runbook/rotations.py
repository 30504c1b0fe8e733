"""What a rotation needs: customers who go on writing, and services that start anew with another `.env`."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from dotenv import dotenv_values

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from whatsapp_simulator.webhooks import Message

_PAUSE_SECONDS = 0.2


def settings_of(runbook: Runbook) -> dict[str, str]:
    """What stands in the `.env` of this clone now."""
    return {name: value for name, value in dotenv_values(runbook.folder / ".env").items() if value}


async def start_anew(world: World, runbook: Runbook, *names: str) -> None:
    """What `make run` does when it is ended and started again: these services read `.env` anew."""
    absent = dict.fromkeys((*world.settings, "FILES_SIGNING_SECRET_PREVIOUS"), "")
    for name in names:
        await world.stack.terminate(name)
        world.stack.configure(name, absent | settings_of(runbook))
        await world.stack.start(name)


@asynccontextmanager
async def customers(world: World) -> AsyncIterator[None]:
    """They send a photo every moment, and Meta repeats what is not accepted. In the end every one of them is ready."""
    sent: list[Message] = []
    stop = asyncio.Event()

    async def write() -> None:
        for number in count(90_000):
            sent.append(await world.send("photo", seed=number))
            if stop.is_set():
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        stop.set()
        await writing
    ended = [await world.ended(message.id) for message in sent]
    assert Counter(document["media"]["status"] for document in ended) == {"ready": len(sent)}
