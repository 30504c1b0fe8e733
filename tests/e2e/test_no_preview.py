"""A file that cannot be shown, whatever it does to the decoder: the agent is told why, and the original is there."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests import images
from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from whatsapp_simulator import Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

# no word of a decoder's, no path, no exception, no number of a signal
_JARGON = re.compile(r"0x|/tmp|error|exception|sig[a-z]{3,}|libav|pillow|pdfium|errno|exit code|decoder", re.IGNORECASE)
_BUSY_SECONDS = 0.2


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def hurried(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Previews may take one second, which is more than enough for what can be shown."""
    settings = {"PREVIEW_TIMEOUT_SECONDS": "1", "PREVIEW_WORKERS": "1"}
    async with running_world(servers, tmp_path_factory.mktemp("hurried"), **settings) as world:
        yield world


async def sent(world: World, content: bytes, *, kind: Kind = Kind.IMAGE, mime_type: str = "image/png") -> str:
    media = world.simulator.add_media(content, kind=kind, mime_type=mime_type)
    message = world.simulator.message(world.simulator.attachment(media))
    await world.deliver(message)
    return message.id


async def explained(world: World, wamid: str, content: bytes, *, code: str) -> JSON:
    """The message as the API shows it, of which everything that an agent relies on has been looked at."""
    document = await world.ended(wamid)
    shown = await world.shown(document["_id"])
    failure = shown["media"]["failure"]
    assert (shown["media"]["status"], failure["stage"], failure["code"]) == ("failed", "preview", code)
    assert re.fullmatch(r"[A-Z].+\. The original can be downloaded\.", failure["message"])
    assert not _JARGON.search(failure["message"])
    assert (await world.framed(wamid, "failed"))[-1]["media"]["failure"] == failure

    status, body, _ = await world.fetched(shown["media"]["original"]["url"])
    assert (status, body) == (200, content)
    for name in ("thumb", "preview"):
        async with world.api.get(f"/api/messages/{shown['id']}/content/{name}") as response:
            assert (response.status, response.content_type) == (410, "application/problem+json")
            problem = await response.json()
        assert problem["code"] == code
        assert problem["detail"].startswith(failure["message"])
        assert f"/api/messages/{shown['id']}/content/original" in problem["detail"]
    async with world.api.get(f"/api/messages/{shown['id']}/content/original", allow_redirects=False) as response:
        assert response.status == 302
    return shown


async def test_a_damaged_photo(hurried: World) -> None:
    content = images.truncated_jpeg()

    await explained(hurried, await sent(hurried, content, mime_type="image/jpeg"), content, code="preview_unreadable")

    (line,) = [line for line in hurried.stack.log_entries("previewer") if line["event"] == "preview.failed"]
    assert line["detail"], "what the decoder said is for whoever reads logs"
    assert line["reason"].endswith("The original can be downloaded.")


async def test_a_picture_of_more_than_fifty_megapixels(hurried: World) -> None:
    content = images.png_bomb(8_000, 6_300)

    shown = await explained(hurried, await sent(hurried, content), content, code="preview_unreadable")

    assert "50" in shown["media"]["failure"]["message"]


async def test_a_file_that_takes_too_long(hurried: World) -> None:
    content = images.animated_noise(100)
    wamid = await sent(hurried, content, kind=Kind.STICKER, mime_type="image/webp")

    await explained(hurried, wamid, content, code="preview_timeout")


async def test_a_file_that_kills_the_decoder(hurried: World) -> None:
    content = images.animated_noise(101)
    before = cpu_seconds(hurried)
    wamid = await sent(hurried, content, kind=Kind.STICKER, mime_type="image/webp")
    async with asyncio.timeout(30):
        while not (busy := busy_workers(hurried, before)):  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.005)

    os.kill(busy[0], signal.SIGKILL)

    await explained(hurried, wamid, content, code="preview_crashed")


async def test_the_next_file_is_shown(hurried: World) -> None:
    """Whatever the others did to the worker."""
    message = await hurried.send("photo", seed=81_000)

    assert (await hurried.ended(message.id))["media"]["status"] == "ready"


def busy_workers(world: World, before: Mapping[int, float]) -> list[int]:
    """The workers that are decoding."""
    used = cpu_seconds(world)
    return [worker for worker in used if used[worker] - before.get(worker, 0.0) >= _BUSY_SECONDS]


def cpu_seconds(world: World) -> dict[int, float]:
    """What each worker of the previewer has used; they are the children of its children."""
    port = f"PORT={urlsplit(world.stack.url('previewer')).port}".encode()
    stats = {int(stat.parent.name): fields for stat in Path("/proc").glob("[0-9]*/stat") if (fields := _fields(stat))}
    previewer = next(pid for pid in stats if port in _environment(pid))
    nurseries = {pid for pid, fields in stats.items() if int(fields[1]) == previewer}
    ticks = os.sysconf("SC_CLK_TCK")
    return {
        pid: (int(fields[11]) + int(fields[12])) / ticks for pid, fields in stats.items() if int(fields[1]) in nurseries
    }


def _fields(stat: Path) -> list[str]:
    """After the name; see proc(5)."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return []


def _environment(pid: int) -> list[bytes]:
    try:
        return (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or not ours
        return []
