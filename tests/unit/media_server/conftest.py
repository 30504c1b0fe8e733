"""A media-server whose MongoDB and RabbitMQ are away: what these tests ask of it needs neither."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from media_server.app import build_app
from media_server.presentation import is_inline
from media_server.settings import Settings
from media_server.signing import File, Links
from tests.builders import SHA256
from tests.unit.media_server.server import Client, Hands, LinkTo, make_settings


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def settings(uploads: Path) -> Settings:
    return make_settings(storage_url=str(uploads))


@pytest.fixture
async def client(settings: Settings, hands: Hands) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_app(settings, clock=hands))) as client:
        yield client


@pytest.fixture
def link_to(settings: Settings, uploads: Path, hands: Hands) -> LinkTo:
    """Store bytes and sign a link to them, as the API would."""
    links = Links(secret=settings.files_signing_secret, previous=None, ttl_seconds=settings.files_url_ttl_seconds)

    def link_to(content: bytes, *, mime_type: str = "image/jpeg", file_name: str = "photo.jpg") -> str:
        key = f"incoming/{SHA256[:2]}/{SHA256}.bin"
        path = uploads / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        file = File(key=key, what="original", mime_type=mime_type, file_name=file_name, inline=is_inline(mime_type))
        return links.sign(file, now=hands.now).url

    return link_to
