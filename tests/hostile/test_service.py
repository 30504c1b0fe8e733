"""A selection of the hostile files, and hostile names, through the four real processes: nothing is lost, nothing falls.

All are sent at once; what became of them is looked at when the last one has ended.
"""

import asyncio
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import aio_pika
import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.world import FINAL, JSON, World, running_world
from tests.hostile.corpus import CORPUS
from tests.hostile.names import NAMES
from tests.hostile.sandboxed import own_processes
from tests.hostile.seeds import seed
from tests.infrastructure import TestServers
from whatsapp_simulator.attachments import Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

# one of each kind of harm
CHOSEN = (
    *("bomb.jpeg-65535", "bomb.jpeg-profile-that-lies", "bomb.jpeg-exif-loop", "bomb.jpeg-500-scans"),
    *("bomb.png-65535", "bomb.png-text-inflates", "bomb.png-50000-chunks", "bomb.png-chunk-of-minus-1", "bomb.png-0"),
    *("bomb.webp-16384-lossless", "bomb.webp-5000-frames", "bomb.gif-100000-frames", "bomb.gif-frames-beyond"),
    *("bomb.bmp-65535", "bomb.tiff-loop", "bomb.tiff-huge-strip", "bomb.heic-65535", "bomb.avif-grid"),
    *("bomb.pdf-tree-is-its-own-child", "bomb.pdf-1000000-pages-said", "bomb.pdf-form-in-itself"),
    *("bomb.pdf-huge-box", "bomb.pdf-script", "bomb.pdf-pattern-in-itself"),
    *("bomb.zip-overlapping", "bomb.zip-nested", "bomb.zip-million-said", "bomb.docx-laughs", "bomb.docx-outside"),
    *("bomb.mp4-65535", "bomb.mp4-lasts-for-ever", "bomb.mp4-counts", "bomb.mp4-moov-of-8-eb", "bomb.mov-elsewhere"),
    *("bomb.voice-granule-most", "bomb.wav-65535-channels", "bomb.mp3-tag-of-256-mb", "bomb.amr-hours"),
    *("bomb.text-marks", "bomb.svg-laughs", "bomb.html-tags"),
    *("polyglot.jpeg-and-html", "polyglot.gif-and-script", "polyglot.pdf-then-zip", "polyglot.png-then-zip"),
    *("cut.jpeg-3", "cut.png-4", "cut.mp4-5", "cut.pdf-3", "cut.voice-2", "cut.docx-4", "flipped.jpeg-8"),
    *("flipped.webp-16", "flipped.heic-4", "small.image-jpeg-one-byte", "small.application-pdf-nuls"),
)
DECLARED_WRONGLY = {
    "jpeg": "video/mp4",
    "html": "image/jpeg",
    "svg": "image/png",
    "mp4": "image/gif",
    "pdf": "text/html",
}
MOST_SECONDS = 120
_SAFE_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
_NO_DOCUMENT: JSON = {"media": {"status": "lost"}}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One file, and the document that came of it."""

    name: str
    data: bytes
    document: JSON


@dataclass(frozen=True, kw_only=True)
class Siege:
    """A world after all of it was sent."""

    world: World
    sent: Mapping[str, Sent]
    services_before: set[int]
    services_after: set[int]
    letters: Mapping[str, int]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def siege(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Siege]:
    async with running_world(servers, tmp_path_factory.mktemp("hostile"), PREVIEW_TIMEOUT_SECONDS="5") as world:
        before = _services()
        files = {name: (CORPUS[name].make(), CORPUS[name].mime_type, "file") for name in CHOSEN}
        files |= {f"declared.{name}": (seed(name), said, "file") for name, said in DECLARED_WRONGLY.items()}
        # each its own bytes, so that each is an original of its own
        photos = {f"name.{name}": seed("jpeg") + name.encode() for name in NAMES}
        files |= {f"name.{name}": (photos[f"name.{name}"], "image/jpeg", shown) for name, shown in NAMES.items()}
        wamids = {name: await _posted(world, *file) for name, file in files.items()}
        ended = await _ended(world, wamids)
        yield Siege(
            world=world,
            sent={name: Sent(name=name, data=files[name][0], document=document) for name, document in ended.items()},
            services_before=before,
            services_after=_services(),
            letters=await _letters(world.settings["RABBITMQ_URL"]),
        )


async def _posted(world: World, data: bytes, mime_type: str, shown: str) -> str:
    media = world.simulator.add_media(data, kind=Kind.DOCUMENT, mime_type=mime_type, filename="file")
    said = replace(world.simulator.attachment(media, caption=shown), filename=shown)
    message = world.simulator.message(said)
    await world.deliver(message)
    return message.id


async def _ended(world: World, wamids: Mapping[str, str]) -> Mapping[str, JSON]:
    """The document of each, once all are in a final state or time is over."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        final = world.messages.count_documents({"media.status": {"$in": sorted(FINAL)}})
        if final >= len(wamids):
            break
        await asyncio.sleep(0.1)
    return {name: world.document(wamid) or _NO_DOCUMENT for name, wamid in wamids.items()}


def _services() -> set[int]:
    """The processes of our four services; what they have started is not among them."""
    return {process for process in own_processes() if _is_service(process)}


def _is_service(process: int) -> bool:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return False
    return b"-m" in command and command[command.index(b"-m") + 1] in _MODULES


_MODULES = (b"webhook_gateway", b"media_server", b"ingestor", b"previewer")


async def _letters(url: str) -> Mapping[str, int]:
    letters = {}
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for name in ("ingestor.media-received.dlq", "previewer.media-stored.dlq"):
            queue = await channel.declare_queue(name, passive=True)
            letters[name] = queue.declaration_result.message_count or 0
    return letters


async def test_every_file_ends_ready_or_without_a_preview(siege: Siege) -> None:
    ends = {
        name: (sent.document["media"]["status"], sent.document["media"].get("failure", {}).get("stage"))
        for name, sent in siege.sent.items()
    }

    assert {name: end for name, end in ends.items() if end not in {("ready", None), ("failed", "preview")}} == {}


async def test_nothing_is_lost_and_nothing_doubled(siege: Siege) -> None:
    documents = list(siege.world.messages.find({}))

    assert len(documents) == len(siege.sent) == len({document["messageId"] for document in documents})
    assert all(document["media"]["status"] in {"ready", "failed"} for document in documents)


async def test_only_previews_that_failed_are_dead_letters(siege: Siege) -> None:
    failed = [sent for sent in siege.sent.values() if sent.document["media"]["status"] == "failed"]

    assert siege.letters == {"ingestor.media-received.dlq": 0, "previewer.media-stored.dlq": len(failed)}
    assert not [sent.name for sent in failed if sent.document["media"]["failure"]["code"] == "internal"]


async def test_the_originals_are_served_byte_for_byte_and_harmless(siege: Siege) -> None:
    for sent in siege.sent.values():
        shown = await siege.world.shown(sent.document["_id"])

        status, body, headers = await siege.world.fetched(shown["media"]["original"]["url"])

        assert (status, body) == (200, sent.data), sent.name
        assert headers["X-Content-Type-Options"] == "nosniff"
        # a PDF viewer is a plug-in, which "sandbox" forbids
        is_pdf = headers["Content-Type"] == "application/pdf"
        assert ("default-src 'none'" if is_pdf else "sandbox") in headers["Content-Security-Policy"], sent.name
        assert _SAFE_TYPE.fullmatch(headers["Content-Type"]), sent.name
        assert not headers["Content-Type"].startswith(
            ("text/html", "image/svg", "application/xhtml", "text/javascript")
        )
        if headers["Content-Disposition"].startswith("inline"):
            assert headers["Content-Type"].split("/")[0] in {"image", "audio", "video", "application"}


async def test_what_is_served_has_a_name_that_does_no_harm(siege: Siege) -> None:
    for name in NAMES:
        shown = await siege.world.shown(siege.sent[f"name.{name}"].document["_id"])
        _, _, headers = await siege.world.fetched(shown["media"]["original"]["url"])

        disposition = headers["Content-Disposition"]
        plain = re.search(r'filename="([^"]*)"', disposition)
        exact = re.search(r"filename\*=UTF-8''(\S+)", disposition)
        assert plain is not None, name
        for served in {plain[1], unquote(exact[1]) if exact else plain[1]}:
            assert 0 < len(served) <= 100, name
            assert not re.search(r'[/\\<>:"|?*]', served), name
            assert served.strip(" .") == served, name
            assert not {unicodedata.category(each) for each in served} & {"Cc", "Cs", "Zl", "Zp"}, name
            assert not set(served) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"), name
        assert "Set-Cookie" not in headers


async def test_a_failure_says_why_in_a_sentence_and_that_the_original_is_there(siege: Siege) -> None:
    for sent in siege.sent.values():
        if sent.document["media"]["status"] == "failed":
            message = sent.document["media"]["failure"]["message"]
            assert re.fullmatch(r"[A-Z].{20,300}\.", message), (sent.name, message)
            assert "original" in message, (sent.name, message)


async def test_the_services_are_the_same_as_before_and_ready(siege: Siege) -> None:
    assert len(siege.services_before) >= len(_MODULES)  # those of other tests are among them
    assert siege.services_after == siege.services_before
    async with aiohttp.ClientSession() as client:
        for name in siege.world.stack.names:
            async with client.get(f"{siege.world.stack.url(name)}/readyz") as response:
                assert response.status == 200, await response.text()


async def test_good_files_are_still_rendered(siege: Siege) -> None:
    message = await siege.world.send("photo", seed=7)

    document = await siege.world.ended(message.id)

    assert document["media"]["status"] == "ready"
    assert {"thumb", "preview"} <= document["media"]["storage"]["renditions"].keys()


async def test_no_name_or_caption_is_in_a_log(siege: Siege) -> None:
    for name in siege.world.stack.names:
        text = siege.world.stack.log(name).read_text(encoding="utf-8", errors="replace")
        assert "stolen" not in text
        assert "jndi" not in text
