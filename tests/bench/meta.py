"""Meta, a process of its own: holds the media, has the webhooks that announce them ready, and serves the bytes.

Its arguments are those of `_serve`; the secrets come from the environment.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp

from local_stack.environment import base_environment
from local_stack.ports import LOOPBACK
from local_stack.server import Program, Server
from tests.bench.photos import NumberedPhoto, photo
from tests.bench.webhooks import announcing, write_webhooks
from tests.bench.world import World
from whatsapp_simulator import DEMO_NUMBER, SAMPLES, BusinessNumber, Fault, FaultName, Kind, Simulator, SyntheticContent

LARGE_FILE_BYTES = 100 * 1024 * 1024
LARGE_FILES_TOGETHER = 16
PHOTOS, LARGE_FILES = "photos.jsonl", "large-files.jsonl"
_PREPARE_SECONDS = 120.0
_SECOND_NUMBER = BusinessNumber(phone_number_id="200300400500601")  # one number does not get all places of an ingestor
_TOGETHER_SECONDS = 2.0  # each body waits so long that all of a batch have been asked for, and then all come at once


def meta(world: World, *, photos: int, large_batches: int) -> Server:
    """Started, it has written one webhook for each photo to `PHOTOS` below the data folder, and one for each batch of
    sixteen 100 MB files to `LARGE_FILES`."""
    port = world.guard.ports.choose()
    url = f"http://{LOOPBACK}:{port}"
    program = Program(
        name="meta",
        url=url,
        argv=[sys.executable, "-m", "tests.bench.meta", *map(str, (port, world.data, photos, large_batches))],
        environment={
            **base_environment(),
            "WHATSAPP_APP_SECRET": world.secrets.app_secret,
            "WHATSAPP_ACCESS_TOKEN": world.secrets.access_token,
        },
        directory=Path.cwd(),
        log=world.data / "logs" / "meta.log",
        is_ready=lambda: _listens(url),
        start_seconds=_PREPARE_SECONDS,
        stop_seconds=5.0,
    )
    return Server(program, world.guard)


async def _listens(url: str) -> bool:
    try:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/_control/samples") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _serve(port: int, folder: Path, photos: int, large_batches: int) -> None:
    app_secret = os.environ["WHATSAPP_APP_SECRET"]
    access_token = os.environ["WHATSAPP_ACCESS_TOKEN"]
    simulator = Simulator(app_secret=app_secret, access_token=access_token, port=port)
    simulator.add_number(_SECOND_NUMBER, access_token=access_token)
    shared, archive = photo(), SAMPLES["zip"]
    pictures = [
        simulator.add_media(NumberedPhoto(shared=shared, number=number), kind=Kind.IMAGE, mime_type="image/jpeg")
        for number in range(photos)
    ]
    write_webhooks(folder / PHOTOS, [announcing(simulator, [one], app_secret=app_secret) for one in pictures])
    batches = [
        [
            simulator.add_media(
                SyntheticContent(
                    size_bytes=LARGE_FILE_BYTES, seed=batch * LARGE_FILES_TOGETHER + number, head=archive.read()
                ),
                kind=archive.kind,
                mime_type=archive.mime_type,
                filename=archive.filename,
                number=(DEMO_NUMBER, _SECOND_NUMBER)[number % 2],
                faults=[Fault(name=FaultName.SLOW, delay_seconds=_TOGETHER_SECONDS, times=1)],
            )
            for number in range(LARGE_FILES_TOGETHER)
        ]
        for batch in range(large_batches)
    ]
    write_webhooks(folder / LARGE_FILES, [announcing(simulator, batch, app_secret=app_secret) for batch in batches])
    for one in simulator.media:
        _ = one.content.adler32  # made now, so that serving costs no more than sending
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with simulator:
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM."""
    port, folder, photos, large_batches = sys.argv[1:]
    asyncio.run(_serve(int(port), Path(folder), int(photos), int(large_batches)))


if __name__ == "__main__":
    main()
