"""Slow senders and slow readers, hundreds of them, at the real processes: memory stays bounded, others pass."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from media_server.signing import File, Links
from shared.broker.publisher import Publisher
from shared.clock import system_clock
from shared.events import MediaUpdated
from tests.amqp import running_broker, until
from tests.bench import procfs
from tests.contract.processes import ServiceProcess, service
from tests.unit.webhook_gateway.payloads import APP_SECRET, change, message, raw, signed, webhook

MIB = 1024 * 1024
PATH = "/webhooks/whatsapp"
SENDERS, READERS, WATCHERS = 200, 200, 50

pytestmark = pytest.mark.skipif(not procfs.AVAILABLE, reason="only Linux tells how much memory a process uses")

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connections(url: str) -> AsyncIterator[Callable[[], Awaitable[Stream]]]:
    """Raw connections to a service, cut off at the end. They hardly read ahead."""
    port = int(url.rpartition(":")[2])
    async with AsyncExitStack() as stack:

        async def connected() -> Stream:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            stack.callback(_cut, writer)
            return reader, writer

        yield connected


def _cut(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def grown(process: ServiceProcess, act: Callable[[], Awaitable[None]]) -> int:
    """By how many bytes the process grew at most while `act` ran."""
    procfs.forget_peak(process.pid)
    before = procfs.resident_bytes(process.pid)
    await act()
    return procfs.peak_resident_bytes(process.pid) - before


async def is_ready(client: aiohttp.ClientSession) -> bool:
    async with client.get("/readyz") as response:
        return response.status == 200


@pytest.fixture
async def gateway(broker_url: str, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    environment = {
        "RABBITMQ_URL": broker_url,
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": "verify-me",
        "WEBHOOK_MAX_BODY_BYTES": str(MIB),
        "LOG_LEVEL": "warning",
    }
    async with service("webhook_gateway", environment, tmp_path) as process:
        yield process


async def trickle(connected: Callable[[], Awaitable[Stream]], body_bytes: int) -> asyncio.StreamReader:
    """A webhook whose last bytes never come."""
    reader, writer = await connected()
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {body_bytes + 10}\r\n\r\n".encode())
    writer.write(bytes(body_bytes))
    with suppress(ConnectionError):
        await writer.drain()
    return reader


async def test_slow_senders_cannot_pin_memory_and_metas_webhooks_pass(gateway: ServiceProcess) -> None:
    async with aiohttp.ClientSession(gateway.url) as meta, connections(gateway.url) as connected:
        await until(lambda: is_ready(meta))
        large = raw(webhook(change(message("wamid.LARGE", note="x" * (MIB - 2000)))))
        statuses: list[int] = []
        answers: list[bytes] = []

        async def act() -> None:
            readers = []
            for number in range(SENDERS):
                readers.append(await trickle(connected, MIB - 1000))
                if number % 10 == 9:
                    async with meta.post(PATH, data=large, headers=signed(large)) as response:
                        statuses.append(response.status)
            evicted = readers[: SENDERS // 2]  # the oldest
            answers.extend([await reader.readuntil(b"\r\n\r\n") for reader in evicted])

        growth = await grown(gateway, act)

    assert statuses == [200] * (SENDERS // 10)
    assert all(answer.startswith(b"HTTP/1.1 503") and b"\r\nRetry-After: 5\r\n" in answer for answer in answers)
    assert growth < 100 * MIB, "sixteen bodies are held, not two hundred"


async def test_heads_that_never_end_cannot_pin_memory(gateway: ServiceProcess) -> None:
    async with aiohttp.ClientSession(gateway.url) as meta, connections(gateway.url) as connected:
        await until(lambda: is_ready(meta))
        small = raw(webhook(change(message("wamid.SMALL"))))

        async def act() -> None:
            for _ in range(SENDERS):
                _, writer = await connected()
                with suppress(ConnectionError):
                    writer.write(f"POST {PATH} HTTP/1.1\r\n".encode())
                    for field in range(1000):
                        writer.write(f"X-Field-{field}: {'x' * 1000}\r\n".encode())
                    await writer.drain()
            async with meta.post(PATH, data=small, headers=signed(small)) as response:
                assert response.status == 200

        growth = await grown(gateway, act)

    assert growth < 100 * MIB


FILES_SIGNING_SECRET = secrets.token_urlsafe(32)
OPERATOR_TOKEN = secrets.token_urlsafe(16)


@pytest.fixture
async def media_server(
    broker_url: str, mongodb_uri: str, mongodb_database: str, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    environment = {
        "RABBITMQ_URL": broker_url,
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "STORAGE_URL": str(tmp_path / "uploads"),
        "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "FILES_SIGNING_SECRET": FILES_SIGNING_SECRET,
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
        "ADMIN_TOKEN": secrets.token_urlsafe(16),
        "LOG_LEVEL": "warning",
    }
    async with service("media_server", environment, tmp_path) as process:
        yield process


async def test_slow_readers_of_a_file_cannot_pin_memory(media_server: ServiceProcess, tmp_path: Path) -> None:
    key = f"incoming/aa/{'a' * 64}.bin"
    stored = tmp_path / "uploads" / key
    stored.parent.mkdir(parents=True)
    with stored.open("wb") as file:
        file.truncate(64 * MIB)
    links = Links(secret=SecretStr(FILES_SIGNING_SECRET), previous=None, ttl_seconds=900)
    shown = File(key=key, what="original", mime_type="application/zip", file_name="large.zip", inline=False)
    link = links.sign(shown, now=system_clock()).url

    async with aiohttp.ClientSession(media_server.url) as browser, connections(media_server.url) as connected:
        await until(lambda: is_ready(browser))

        async def act() -> None:
            for _ in range(READERS):
                reader, writer = await connected()
                writer.write(f"GET {link} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
            async with browser.get(link, headers={"Range": "bytes=0-1023"}) as response:
                assert response.status == 206
                assert len(await response.read()) == 1024

        growth = await grown(media_server, act)

    assert growth < 64 * MIB, "200 readers of 64 MiB each cost less than one file"


async def test_watchers_that_do_not_read_cannot_pin_memory_and_the_others_see_everything(
    media_server: ServiceProcess, broker_url: str
) -> None:
    upgrade = (
        "GET /api/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n"
        f"Authorization: Bearer {OPERATOR_TOKEN}\r\n\r\n"
    )
    padding = "x" * 20_000

    async with (
        aiohttp.ClientSession(media_server.url, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}) as operator,
        connections(media_server.url) as connected,
        running_broker(broker_url, ()) as broker,
    ):
        await until(lambda: is_ready(operator))
        publisher = Publisher(broker)

        async def act() -> None:
            for _ in range(WATCHERS):
                reader, writer = await connected()
                writer.write(upgrade.encode())
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 101")
            async with operator.ws_connect("/api/events") as quick:
                for number in range(1000):
                    event = MediaUpdated.of({"id": f"m{number}", "media": {"status": "pending"}, "caption": padding})
                    await publisher.publish([event], correlation_id="abc")
                    frame = await quick.receive_json(timeout=10)
                    assert frame["message"]["id"] == f"m{number}", "one that reads sees everything"

        growth = await grown(media_server, act)

    assert growth < 50 * MIB, "a thousand frames of 20 KB are not kept for each of fifty watchers"
