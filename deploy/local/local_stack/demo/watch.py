"""Sees with an operator's eyes what becomes of each attachment: live over the WebSocket, exactly over the API."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from local_stack.demo.plan import Shipment

_FINAL = frozenset({"ready", "skipped", "failed"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one shipment. `message` is the API's answer; `wrong` says what is not as it should be."""

    shipment: Shipment
    message: dict[str, Any] | None
    seconds: float | None
    wrong: tuple[str, ...]


class Watcher:
    """Follows shipments from being sent to their final status."""

    def __init__(
        self,
        api: aiohttp.ClientSession,
        planned: Sequence[Shipment],
        *,
        media_server: str,
        on_end: Callable[[], None],
    ) -> None:
        self._api = api
        self._media_server = media_server
        self._planned = {shipment.message.id: shipment for shipment in planned}
        self._on_end = on_end
        self._sent_at: dict[str, float] = {}
        self._ended_at: dict[str, float] = {}
        self._ids: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._all_ended = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        socket = await self._api.ws_connect("/api/events")
        self._listening = asyncio.create_task(self._listen(socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    def sent(self, batch: Sequence[Shipment]) -> None:
        """The clock starts for these."""
        self._sent_at |= {shipment.message.id: time.monotonic() for shipment in batch}

    def refused(self, batch: Sequence[Shipment], statuses: Sequence[int]) -> None:
        """The gateway did not take these."""
        for shipment in batch:
            self._refused[shipment.message.id] = f"the gateway answered {statuses}"
            self._end(shipment.message.id)

    async def until_all_ended(self, *, seconds: float) -> None:
        """Wait for the last final status, at most so long; what has not ended by then shows in its outcome."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_ended.wait()

    async def outcomes(self) -> list[Outcome]:
        """Ask the API about each, and fetch every signed link."""
        return [await self._outcome(shipment) for shipment in self._planned.values()]

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async with socket:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    continue
                message = frame.json().get("message", {})
                wamid = message.get("messageId")
                if wamid not in self._planned:
                    continue
                self._ids[wamid] = message["id"]
                if message["media"]["status"] in _FINAL:
                    self._end(wamid)

    def _end(self, wamid: str) -> None:
        if wamid in self._ended_at:
            return
        self._ended_at[wamid] = time.monotonic()
        self._on_end()
        if len(self._ended_at) == len(self._planned):
            self._all_ended.set()

    async def _outcome(self, shipment: Shipment) -> Outcome:
        wamid = shipment.message.id
        seconds = self._ended_at[wamid] - self._sent_at[wamid] if wamid in self._ended_at else None
        if wamid not in self._ids:
            reason = self._refused.get(wamid, "the operator never heard of it")
            return Outcome(shipment=shipment, message=None, seconds=seconds, wrong=(reason,))
        async with self._api.get(f"/api/messages/{self._ids[wamid]}") as response:
            if response.status != 200:
                reason = f"the API answered {response.status}"
                return Outcome(shipment=shipment, message=None, seconds=seconds, wrong=(reason,))
            message = await response.json()
        wrong = (*_differences(shipment, message), *await self._broken_links(shipment, message))
        return Outcome(shipment=shipment, message=message, seconds=seconds, wrong=wrong)

    async def _broken_links(self, shipment: Shipment, message: dict[str, Any]) -> list[str]:
        media = message["media"]
        wrong = []
        if "original" in media:
            digest = await self._digest(media["original"]["url"])
            if digest != shipment.media.sha256:
                wrong.append("the signed link does not give the bytes that were sent")
        for name, rendition in media.get("renditions", {}).items():
            if await self._digest(rendition["url"]) is None:
                wrong.append(f"the signed link of {name} does not work")
        return wrong

    async def _digest(self, url: str) -> str | None:
        # as a browser would: the link alone, without the operator's token
        async with aiohttp.ClientSession() as browser, browser.get(self._media_server + url) as response:
            if response.status != 200:
                return None
            digest = hashlib.sha256()
            async for chunk in response.content.iter_chunked(65536):
                digest.update(chunk)
            return digest.hexdigest()


def _differences(shipment: Shipment, message: dict[str, Any]) -> list[str]:
    media = message["media"]
    wrong = []
    if media["status"] != shipment.status:
        wrong.append(f"it should have ended {shipment.status}")
    code = media.get("failure", {}).get("code")
    if code != shipment.code:
        wrong.append(f"its code is {code}, expected {shipment.code}")
    made = media.get("renditions", {}).keys()
    if made != shipment.renditions:
        wrong.append(f"its renditions are {_listed(made)}, expected {_listed(shipment.renditions)}")
    if shipment.status == "ready" and not shipment.renditions and not media.get("facts", {}).get("label"):
        wrong.append("nothing says what kind of file it is")
    return wrong


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
