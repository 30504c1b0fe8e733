"""Fan-out of changes to the clients that watch. Each has a bounded queue: a slow one costs itself, not the others."""

import asyncio
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from aiohttp import WSCloseCode

from media_server.links import with_links
from media_server.metrics import WEBSOCKET_CLIENTS
from media_server.signing import Links
from shared.clock import Clock
from shared.events import MediaErased, MediaUpdated
from shared.tracing import span

log = structlog.get_logger(__name__)

_MOST_WAITING = 256


class Watcher:
    """One client: the frames that wait for it, and whether it must go."""

    def __init__(self, conversation_id: str | None, *, most_waiting: int) -> None:
        self.conversation_id = conversation_id
        self.frames: asyncio.Queue[str] = asyncio.Queue(most_waiting)
        self.dismissed: asyncio.Future[WSCloseCode] = asyncio.get_running_loop().create_future()

    def wants(self, conversation_id: str) -> bool:
        """Whether changes of this conversation are to be shown here."""
        return self.conversation_id in {None, conversation_id} and not self.dismissed.done()

    def offer(self, frame: str) -> None:
        """Queue a frame; a client whose queue is full is dismissed rather than shown a gap."""
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.dismiss(WSCloseCode.TRY_AGAIN_LATER)

    def dismiss(self, code: WSCloseCode) -> None:
        """Have the connection closed with this code; the first reason counts."""
        if not self.dismissed.done():
            self.dismissed.set_result(code)


class Live:
    """All clients of this replica."""

    def __init__(self, *, links: Links, clock: Clock, most_waiting: int = _MOST_WAITING) -> None:
        self._links = links
        self._clock = clock
        self._most_waiting = most_waiting
        self._watchers: set[Watcher] = set()
        WEBSOCKET_CLIENTS.set(0)

    @contextmanager
    def watching(self, conversation_id: str | None) -> Iterator[Watcher]:
        """A client that sees changes of one conversation, or of all."""
        watcher = Watcher(conversation_id, most_waiting=self._most_waiting)
        self._watchers.add(watcher)
        WEBSOCKET_CLIENTS.set(len(self._watchers))
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            WEBSOCKET_CLIENTS.set(len(self._watchers))

    def show(self, event: MediaUpdated) -> None:
        """Queue the change for everyone who watches its conversation."""
        message = event.to_json()
        conversation_id = str(message.get("conversationId"))
        interested = [w for w in self._watchers if w.wants(conversation_id)]
        if not interested:
            return
        try:
            frame = self.frame(message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("live.event_not_understood", reason=type(error).__name__)
            return
        media = message.get("media", {})
        with span("show media.updated", attributes={"attache.media_id": event.id, "attache.clients": len(interested)}):
            for watcher in interested:
                watcher.offer(frame)
            log.info(
                "media_updated.shown",
                clients=len(interested),
                revision=media.get("revision"),
                status=media.get("status"),
                mediaId=event.id,
                messageId=message.get("messageId"),
                conversationId=conversation_id,
                phoneNumberId=message.get("phoneNumberId"),
            )

    def show_erased(self, event: MediaErased) -> None:
        """Queue that an attachment is gone. Without a conversation it goes to everyone: it says nothing but the id."""
        frame = json.dumps({"type": "message_erased", "id": event.id})
        told = [w for w in self._watchers if event.conversation_id is None or w.wants(event.conversation_id)]
        for watcher in told:
            watcher.offer(frame)
        if told:
            log.info("media_erased.shown", clients=len(told), mediaId=event.id, conversationId=event.conversation_id)

    def frame(self, message: dict[str, Any]) -> str:
        """The text frame for a message as `public_json` gives it."""
        shown = with_links(message, links=self._links, now=self._clock())
        return json.dumps({"type": "message_media_updated", "message": shown}, ensure_ascii=False)

    def watched(self) -> set[str]:
        """The conversations to which clients have narrowed their view."""
        return {each.conversation_id for each in self._watchers if each.conversation_id is not None}

    def dismiss_watchers_of(self, conversation_ids: Collection[str], code: WSCloseCode) -> None:
        """Close the clients that have narrowed their view to one of these."""
        for watcher in self._watchers:
            if watcher.conversation_id in conversation_ids:
                watcher.dismiss(code)

    def dismiss_all(self, code: WSCloseCode) -> None:
        """Close every client; they come back and fetch what they missed."""
        for watcher in self._watchers:
            watcher.dismiss(code)
