"""The simulator as Python code uses it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self

import aiohttp

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.control import ControlRoutes
from whatsapp_simulator.demo import DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.messages import Message
from whatsapp_simulator.meta import Meta
from whatsapp_simulator.outbox import OutboundMessage
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.sender import Delivery, WebhookSender
from whatsapp_simulator.server import build_app, served
from whatsapp_simulator.updates import Update
from whatsapp_simulator.webhooks import body_of


class NotSubscribed(Exception):
    """No receiver: call `subscribe`, or give `to`."""


class Simulator(Meta):
    """Meta's WhatsApp Business Cloud API on loopback, for as long as `async with` lasts.

    Let the receiver ask `base_url` in place of `https://graph.facebook.com`. Media and faults may be added
    before and while it serves; only `base_url` and sending need it to run. `statuses` are what a receiver is told
    of each message that the business sends through Graph and that does not fail.
    """

    def __init__(
        self,
        *,
        app_secret: str,
        verify_token: str = "",
        access_token: str = DEMO_ACCESS_TOKEN,
        number: BusinessNumber = DEMO_NUMBER,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        retry_delays_seconds: Sequence[float] = (0.2, 0.5, 1.0, 2.0, 5.0),
        statuses: Sequence[str] = ("sent", "delivered"),
        seed: int = 0,
    ) -> None:
        super().__init__(access_token=access_token, number=number, clock=clock, seed=seed)
        self.webhook_url: str | None = None
        self._app_secret, self._verify_token = app_secret, verify_token
        self._host, self._port, self._tls = host, port, tls
        self._retry_delays_seconds = tuple(retry_delays_seconds)
        self._statuses = tuple(statuses)
        self._running: tuple[str, WebhookSender] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self.outbox.on_accepted = self._tell_of

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            base_url = await stack.enter_async_context(
                served(build_app(self._state, ControlRoutes(self)), self._host, self._port, self._tls)
            )
            session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
            stack.push_async_callback(self._end_telling)
            sender = WebhookSender(
                session, app_secret=self._app_secret, retry_delays_seconds=self._retry_delays_seconds
            )
            self._running = (base_url, sender)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._running = None
        await self._stack.aclose()

    @property
    def base_url(self) -> str:
        """Where Graph is, without a version and without a slash at the end."""
        return self._while_running()[0]

    async def subscribe(self, webhook_url: str, *, verify_token: str | None = None) -> bool:
        """Meta's handshake with a callback address; when it succeeds, webhooks go there from now on."""
        token = self._verify_token if verify_token is None else verify_token
        verified = await self._while_running()[1].verify(webhook_url, token)
        if verified:
            self.webhook_url = webhook_url
        return verified

    async def send(self, *updates: Update, to: str | None = None) -> Delivery:
        """Deliver all updates in one POST; sending the same ones again is a duplicate, as Meta produces.

        Raises `WebhookTooLarge` for more than Meta sends at once; `send_body` sends anything.
        """
        body = body_of(updates)
        for update in updates:
            if isinstance(update, Message) and not update.outbound:
                self.outbox.heard_from(update.number, update.sender)
        return await self.send_body(body, to=to)

    async def send_body(self, body: bytes, *, app_secret: str | None = None, to: str | None = None) -> Delivery:
        """Deliver any bytes, readable or not, of any size; signed with `app_secret` in place of ours if given."""
        url = to or self.webhook_url
        if url is None:
            raise NotSubscribed
        return await self._while_running()[1].deliver(url, body, app_secret=app_secret)

    def _tell_of(self, message: OutboundMessage) -> None:
        if self.webhook_url is not None:
            task = asyncio.create_task(self._tell_statuses(message))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell_statuses(self, message: OutboundMessage) -> None:
        for status in self._statuses if message.failure is None else ("failed",):
            await self.send(message.status(status))

    async def _end_telling(self) -> None:
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _while_running(self) -> tuple[str, WebhookSender]:
        if self._running is None:
            raise RuntimeError("the simulator is not running: use `async with`")
        return self._running
