"""The simulator as Python code uses it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

import aiohttp

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.content import BytesContent, Content
from whatsapp_simulator.control import ControlRoutes
from whatsapp_simulator.demo import ADA, DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.encoding import escape, webhook_digest
from whatsapp_simulator.faults import Fault, FaultPlan
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.media import LINK_LIFETIME_SECONDS, Media, SizeForm
from whatsapp_simulator.request_log import RequestLog
from whatsapp_simulator.sender import Delivery, WebhookSender
from whatsapp_simulator.server import build_app, served
from whatsapp_simulator.state import State, new_state
from whatsapp_simulator.tokens import Tokens
from whatsapp_simulator.webhooks import Attachment, BusinessNumber, Customer, Kind, Message, Text, Update, envelope


class NotSubscribed(Exception):
    """No receiver: call `subscribe`, or give `to`."""


class Simulator:
    """Meta's WhatsApp Business Cloud API on loopback, for as long as `async with` lasts.

    Let the receiver ask `base_url` in place of `https://graph.facebook.com`. Media and faults may be added
    before and while it serves; only `base_url` and sending need it to run.
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
        retry_delays_seconds: Sequence[float] = (0.2, 0.5, 1.0, 2.0, 5.0),
    ) -> None:
        self.clock = clock or Clock()
        self.webhook_url: str | None = None
        self.number = number
        self._state: State = new_state(self.clock)
        self._app_secret, self._verify_token = app_secret, verify_token
        self._host, self._port = host, port
        self._retry_delays_seconds = tuple(retry_delays_seconds)
        self._running: tuple[str, WebhookSender] | None = None
        self._numbers = {number.phone_number_id: number}
        self._stack = AsyncExitStack()
        self.tokens.grant(access_token, number.phone_number_id)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            base_url = await stack.enter_async_context(
                served(build_app(self._state, ControlRoutes(self)), self._host, self._port)
            )
            session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
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

    @property
    def requests(self) -> RequestLog:
        """What was asked so far."""
        return self._state.requests

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong: `sim.faults.put(media.id, Fault(name=FaultName.CORRUPT, times=2))`."""
        return self._state.faults

    @property
    def tokens(self) -> Tokens:
        """The access tokens: `sim.tokens.expire(…)`, `sim.tokens.replace(…)`."""
        return self._state.tokens

    @property
    def media(self) -> tuple[Media, ...]:
        """All media added so far and not deleted, oldest first."""
        return self._state.media.all()

    def add_number(self, number: BusinessNumber, *, access_token: str) -> None:
        """A further number of the business, readable with this token."""
        self._numbers[number.phone_number_id] = number
        self.tokens.grant(access_token, number.phone_number_id)

    def number_of(self, phone_number_id: str) -> BusinessNumber:
        """The number with this id; KeyError when it was never added."""
        return self._numbers[phone_number_id]

    def add_media(
        self,
        content: bytes | Content,
        *,
        kind: Kind,
        mime_type: str,
        filename: str | None = None,
        animated: bool = False,
        number: BusinessNumber | None = None,
        size_form: SizeForm = SizeForm.INTEGER,
        faults: Sequence[Fault] = (),
    ) -> Media:
        """Let Meta hold this file under a new media id."""
        media = Media(
            id=str(10**14 + secrets.randbelow(9 * 10**14)),
            number=number or self.number,
            kind=kind,
            mime_type=mime_type,
            content=BytesContent(content) if isinstance(content, bytes) else content,
            added_at=self.clock.now(),
            filename=filename,
            animated=animated,
            size_form=size_form,
        )
        self._state.media.add(media)
        self.faults.put(media.id, *faults)
        return media

    def add_sample(
        self,
        name: str,
        *,
        size_bytes: int | None = None,
        seed: int = 0,
        number: BusinessNumber | None = None,
        faults: Sequence[Fault] = (),
    ) -> Media:
        """Let Meta hold one of `SAMPLES`; with `size_bytes` padded to that size, with other bytes for each `seed`."""
        sample = SAMPLES[name]
        return self.add_media(
            sample.content(size_bytes=size_bytes, seed=seed),
            kind=sample.kind,
            mime_type=sample.mime_type,
            filename=sample.filename,
            animated=sample.animated,
            number=number,
            faults=faults,
        )

    def attachment(self, media: Media, *, caption: str | None = None, with_url: bool = False) -> Attachment:
        """What a message says of this media; `dataclasses.replace` makes it say something wrong."""
        url = None
        if with_url:
            expires_at = int(self.clock.now()) + LINK_LIFETIME_SECONDS + 1  # one second more than metadata's, as seen
            url = self.base_url + self._state.links.path(media.id, source="webhook", expires_at=expires_at)
        return Attachment(
            kind=media.kind,
            media_id=media.id,
            mime_type=media.mime_type,
            sha256=webhook_digest(media.content.digest),
            caption=caption,
            filename=media.filename,
            animated=media.animated,
            url=url,
        )

    def message(
        self,
        content: Attachment | Text,
        *,
        sender: Customer = ADA,
        number: BusinessNumber | None = None,
        timestamp: int | None = None,
        group_id: str | None = None,
        context: Mapping[str, object] | None = None,
    ) -> Message:
        """A message with a new id, to the number that owns its media, sent now unless said otherwise."""
        return Message(
            number=number or self._addressee(content),
            # Real ids are base64 too: `/`, `+` and `=` occur in them.
            id="wamid." + base64.b64encode(secrets.token_bytes(40)).decode("ascii"),
            timestamp=int(self.clock.now()) if timestamp is None else timestamp,
            sender=sender,
            content=content,
            group_id=group_id,
            context=context,
        )

    async def subscribe(self, webhook_url: str) -> bool:
        """Meta's handshake with a callback address; when it succeeds, webhooks go there from now on."""
        verified = await self._while_running()[1].verify(webhook_url, self._verify_token)
        if verified:
            self.webhook_url = webhook_url
        return verified

    async def send(self, *updates: Update, to: str | None = None) -> Delivery:
        """Deliver all updates in one POST; sending the same ones again is a duplicate, as Meta produces."""
        return await self.send_body(escape(envelope(updates)), to=to)

    async def send_body(self, body: bytes, *, app_secret: str | None = None, to: str | None = None) -> Delivery:
        """Deliver any bytes, readable or not; signed with `app_secret` in place of the own one if it is given."""
        url = to or self.webhook_url
        if url is None:
            raise NotSubscribed
        return await self._while_running()[1].deliver(url, body, app_secret=app_secret)

    def _addressee(self, content: Attachment | Text) -> BusinessNumber:
        if isinstance(content, Attachment):
            media = self._state.media.find(content.media_id)
            if media is not None:
                return media.number
        return self.number

    def _while_running(self) -> tuple[str, WebhookSender]:
        if self._running is None:
            raise RuntimeError("the simulator is not running: use `async with`")
        return self._running
