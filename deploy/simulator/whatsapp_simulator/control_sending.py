"""Control of webhooks: where they go, which are sent; and what the business sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from whatsapp_simulator import delivery
from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.contents import Text
from whatsapp_simulator.control_input import read_customer, read_traffic
from whatsapp_simulator.control_media import Routes
from whatsapp_simulator.demo import ADA
from whatsapp_simulator.json_fields import BadInput, Fields
from whatsapp_simulator.messages import Message
from whatsapp_simulator.updates import Update
from whatsapp_simulator.webhooks import WebhookTooLarge

if TYPE_CHECKING:
    from whatsapp_simulator.simulator import Simulator


class SendingControl:
    """`subscription`, `kinds`, `webhooks`, `traffic`, `outbox`."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> Routes:
        """By method and path."""
        return {
            ("PUT", "subscription"): self._subscribe,
            ("GET", "kinds"): self._kinds,
            ("POST", "webhooks"): self._send,
            ("POST", "traffic"): self._traffic,
            ("GET", "outbox"): self._outbox,
            ("DELETE", "outbox"): self._clear_outbox,
        }

    async def _subscribe(self, request: web.Request, body: object) -> web.Response:
        fields = Fields(body)
        url, verify_token = fields.take("url", str), fields.optional("verifyToken", str)
        fields.done()
        verified = await self._simulator.subscribe(url, verify_token=verify_token)
        return web.json_response({"verified": verified}, status=200 if verified else 502)

    async def _kinds(self, request: web.Request, body: object) -> web.Response:
        return web.json_response({name: kind.words for name, kind in KINDS.items()})

    async def _send(self, request: web.Request, body: object) -> web.Response:
        fields = Fields(body)
        updates = [update for item in fields.take("messages", list) for update in self._updates(Fields(item))]
        fields.done()
        if not updates:
            raise BadInput("messages: none given")
        self._check_receiver()
        try:
            answered = await self._simulator.send(*updates)
        except WebhookTooLarge as error:
            raise BadInput(f"more than Meta sends at once: {error}") from error
        message_ids = [update.id for update in updates if isinstance(update, Message)]
        answer = {"messageIds": message_ids, "statuses": answered.statuses}
        return web.json_response(answer | {"accepted": answered.accepted})

    async def _traffic(self, request: web.Request, body: object) -> web.Response:
        order = read_traffic(body)
        self._check_receiver()
        sent = await delivery.run(self._simulator, order)
        answer = {
            "posts": sent.posts,
            "updates": sent.updates,
            "attachments": sent.attachments,
            "duplicates": sent.duplicates,
            "refused": sent.refused,
            "seconds": sent.elapsed_seconds,
            "statuses": {str(status): count for status, count in sent.statuses.items()},
            "p50Seconds": sent.answered_within(0.5),
            "p99Seconds": sent.answered_within(0.99),
        }
        return web.json_response(answer)

    async def _outbox(self, request: web.Request, body: object) -> web.Response:
        return web.json_response(
            [
                {
                    "id": message.id,
                    "phoneNumberId": message.number.phone_number_id,
                    "to": message.to,
                    "payload": message.payload,
                }
                for message in self._simulator.outbox.all()
            ]
        )

    async def _clear_outbox(self, request: web.Request, body: object) -> web.Response:
        self._simulator.outbox.clear()
        return web.Response(status=204)

    def _check_receiver(self) -> None:
        if self._simulator.webhook_url is None:
            raise BadInput("no receiver: start the simulator with --webhook-url, or PUT /_control/subscription")

    def _updates(self, fields: Fields) -> tuple[Update, ...]:
        sender = read_customer(fields.take("sender", dict)) if "sender" in fields else ADA
        group_id = fields.optional("groupId", str)
        if "kind" in fields:
            kind, caption = fields.take("kind", str), fields.optional("caption", str)
            fields.done()
            if kind not in KINDS:
                raise BadInput(f"kind: {kind!r} is none of {', '.join(KINDS)}")
            return self._simulator.compose(kind, sender=sender, caption=caption, group_id=group_id)
        content = self._content(fields)
        fields.done()
        return (self._simulator.message(content, sender=sender, group_id=group_id),)

    def _content(self, fields: Fields) -> Attachment | Text:
        if "text" in fields:
            return Text(text=fields.take("text", str))
        media_id, caption = fields.take("mediaId", str), fields.optional("caption", str)
        try:
            media = self._simulator.media_of(media_id)
        except KeyError:
            raise BadInput(f"mediaId: {media_id!r} is not held") from None
        return self._simulator.attachment(media, caption=caption, with_url=fields.optional("withUrl", bool) or False)
