"""Delivers webhooks as Meta does: signed, and again until the answer is 200."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import aiohttp

from whatsapp_simulator.encoding import sign

NO_ANSWER = 0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of one webhook: the HTTP status of each attempt, or `NO_ANSWER`, and how long each took."""

    statuses: tuple[int, ...]
    seconds: tuple[float, ...] = ()

    @property
    def accepted(self) -> bool:
        """Only 200 counts; any other 2xx is a failure to Meta."""
        return self.statuses[-1] == 200


class WebhookSender:
    """Posts to one receiver at a time. `retry_delays_seconds` bounds the attempts: one more than there are delays.

    (Meta goes on for seven days; a test or a demo wants to know sooner.)
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        app_secret: str,
        retry_delays_seconds: Sequence[float] = (0.2, 0.5, 1.0, 2.0, 5.0),
        answer_limit_seconds: float = 10.0,
    ) -> None:
        self._session = session
        self._app_secret = app_secret
        self._retry_delays_seconds = tuple(retry_delays_seconds)
        self._limit = aiohttp.ClientTimeout(total=answer_limit_seconds)

    async def deliver(self, url: str, body: bytes, *, app_secret: str | None = None) -> Delivery:
        """Post these very bytes until accepted or out of attempts, signed with our secret or this one."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": sign(body, app_secret or self._app_secret),
        }
        attempts = [await self._timed(url, body, headers)]
        for delay in self._retry_delays_seconds:
            if attempts[-1][0] == 200:
                break
            await asyncio.sleep(delay)
            attempts.append(await self._timed(url, body, headers))
        statuses, seconds = zip(*attempts, strict=True)
        return Delivery(statuses=statuses, seconds=seconds)

    async def verify(self, url: str, verify_token: str) -> bool:
        """The handshake by which Meta checks a callback address: does it echo the challenge, and only that?"""
        challenge = str(secrets.randbelow(10**10))
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._session.get(url, params=query, timeout=self._limit) as response:
                return response.status == 200 and await response.read() == challenge.encode()
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _timed(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        began = time.perf_counter()
        return await self._post(url, body, headers), time.perf_counter() - began

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        try:
            # a stream, because aiohttp warns of large bodies that are none
            data = BytesIO(body)
            request = self._session.post(url, data=data, headers=headers, timeout=self._limit, allow_redirects=False)
            async with request as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return NO_ANSWER
