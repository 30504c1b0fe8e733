"""The two sides that talk to the simulator in these tests: who fetches media, and who receives webhooks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDictProxy

from whatsapp_simulator import Fault, Media, Simulator


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, read to its end."""

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A program that fetches media as Meta's documentation says, and follows no redirect by itself."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self.sim, self._session = sim, session

    async def get(self, url: str, **options: Any) -> Answer:
        async with self._session.get(url, allow_redirects=False, **options) as response:
            return Answer(status=response.status, body=await response.read(), headers=response.headers)

    async def post(self, url: str, **options: Any) -> Answer:
        async with self._session.post(url, **options) as response:
            return Answer(status=response.status, body=await response.read(), headers=response.headers)

    def metadata_url(self, media: Media) -> str:
        return f"{self.sim.base_url}/v25.0/{media.id}"

    async def metadata(self, media: Media, *faults: Fault) -> Answer:
        self.sim.faults.put(media.id, *faults)
        return await self.get(self.metadata_url(media))

    async def link(self, media: Media) -> str:
        url: str = (await self.get(self.metadata_url(media))).json["url"]
        return url

    async def download(self, media: Media, *faults: Fault, **options: Any) -> Answer:
        url = await self.link(media)
        self.sim.faults.put(media.id, *faults)
        return await self.get(url, **options)

    async def raw(self, url: str) -> tuple[bytes, bytes]:
        """Head and body as they are on the wire, until the server closes."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        lines = (
            f"GET {parts.path}?{parts.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "User-Agent: test",
            "Authorization: Bearer demo-access-token",
            "Connection: close",
        )
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        try:
            whole = await asyncio.wait_for(reader.read(-1), timeout=10)
        finally:
            writer.close()
        head, _, body = whole.partition(b"\r\n\r\n")
        return head, body


@dataclass
class Receiver:
    """A webhook endpoint that answers what it is told and keeps what it got."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[bytes, str]] = field(default_factory=list)

    async def verify(self, request: web.Request) -> web.Response:
        if request.query["hub.verify_token"] != "demo-verify-token":
            return web.Response(status=403)
        assert request.query["hub.mode"] == "subscribe"
        return web.Response(text=request.query["hub.challenge"])

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), request.headers["X-Hub-Signature-256"]))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    def values(self) -> list[Any]:
        """The values of all changes so far."""
        return [
            change["value"]
            for body, _ in self.got
            for entry in json.loads(body)["entry"]
            for change in entry["changes"]
        ]
