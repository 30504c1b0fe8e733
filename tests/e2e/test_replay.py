"""Dead letters replayed by the command while all services run: they are really worked off once more."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import aio_pika
import pytest

from shared.broker.topology import UNREADABLE
from tests.e2e.world import World
from tests.letters import letter
from whatsapp_simulator import Fault, FaultName
from whatsapp_simulator.webhooks import body_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACHE = Path(sys.executable).with_name("attache")
SETTINGS = ("RABBITMQ_URL", "MONGODB_URI", "MONGODB_DATABASE", "CREDENTIALS_ENCRYPTION_KEY")


async def dlq(world: World, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"} | {name: world.settings[name] for name in SETTINGS}
    process = await asyncio.create_subprocess_exec(
        ATTACHE, "dlq", *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


async def parked(world: World, body: bytes, *, id: str) -> None:
    async with await aio_pika.connect(world.settings["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(letter(UNREADABLE, id=id, body=body), UNREADABLE.dead_letters)


async def test_what_was_given_up_is_downloaded_again_with_fresh_attempts(world: World) -> None:
    message = await world.send("photo", seed=9401, faults=[Fault(name=FaultName.GRAPH_ERROR, code=131008, times=1)])
    failed = await world.ended(message.id)
    assert failed["media"]["status"] == "failed"

    async with asyncio.timeout(30):  # the document says first that it was given up, then comes the letter
        while "nothing to replay" in await dlq(world, "replay", "--id", failed["_id"]):
            pass

    await world.framed(message.id, "ready")
    document = await world.ended(message.id)
    assert (document["media"]["status"], document["media"]["attempts"]) == ("ready", 1)
    assert world.simulator.requests.downloads(world.simulator.media[-1].id) == 1
    assert "nothing to replay" in await dlq(world, "replay", "--id", failed["_id"])


async def test_a_parked_webhook_is_shown_and_goes_through_the_gateway_s_own_parser_once_more(world: World) -> None:
    media = world.simulator.add_sample("photo", size_bytes=40_000, seed=9402)
    message = world.simulator.message(world.simulator.attachment(media))
    body = body_of([message])
    await parked(world, body, id="parked-readable")

    assert body.decode() in await dlq(world, "show", UNREADABLE.name, "--id", "parked-readable")
    await dlq(world, "replay", "--queue", f"{UNREADABLE.name}.dlq", "--id", "parked-readable")

    assert (await world.ended(message.id))["media"]["status"] in {"ready", "failed"}
    assert world.simulator.requests.downloads(media.id) == 1


async def test_a_parked_webhook_that_is_still_unreadable_is_parked_again(world: World) -> None:
    body = b"not JSON: 9403"
    await parked(world, body, id="parked-unreadable")

    await dlq(world, "replay", "--id", "parked-unreadable")

    async with asyncio.timeout(30):
        while body.decode() not in (shown := await dlq(world, "show", UNREADABLE.name, "--limit", "500")):
            pass
    assert "parked-unreadable" not in shown, "it is a new letter"
