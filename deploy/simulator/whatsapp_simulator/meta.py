"""The messages that the simulated Meta makes of what it holds; no network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.contents import MessageContent
from whatsapp_simulator.demo import ADA
from whatsapp_simulator.encoding import webhook_digest
from whatsapp_simulator.faults import Fault
from whatsapp_simulator.holdings import Holdings
from whatsapp_simulator.kinds import Order
from whatsapp_simulator.media import LINK_LIFETIME_SECONDS, Media
from whatsapp_simulator.messages import Message
from whatsapp_simulator.outbox import new_message_id
from whatsapp_simulator.parties import BusinessNumber, Customer
from whatsapp_simulator.updates import Update


class Meta(Holdings, ABC):
    """Attachments and messages about the media held."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Where Graph is, without a version and without a slash at the end."""

    def attachment(self, media: Media, *, caption: str | None = None, with_url: bool = False) -> Attachment:
        """What a message says of this media; `dataclasses.replace` makes it say something wrong."""
        return Attachment(
            kind=media.kind,
            media_id=media.id,
            mime_type=media.mime_type,
            sha256=webhook_digest(media.content.digest),
            caption=caption,
            filename=media.filename,
            animated=media.animated,
            url=self.webhook_link(media) if with_url else None,
        )

    def webhook_link(self, media: Media, *, age_seconds: int = 0) -> str:
        """The link as a webhook of that age has it: it lives one second longer than metadata's, as seen."""
        expires_at = int(self.clock.now()) + LINK_LIFETIME_SECONDS + 1 - age_seconds
        return self.base_url + self._state.links.path(media.id, source="webhook", expires_at=expires_at)

    def message(
        self,
        content: MessageContent,
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
            id=new_message_id(),
            timestamp=int(self.clock.now()) if timestamp is None else timestamp,
            sender=sender,
            content=content,
            group_id=group_id,
            context=context,
        )

    def compose(
        self,
        kind: str,
        *,
        sender: Customer = ADA,
        number: BusinessNumber | None = None,
        caption: str | None = None,
        size_bytes: int | None = None,
        seed: int | None = None,
        group_id: str | None = None,
        with_url: bool = False,
        faults: Sequence[Fault] = (),
    ) -> tuple[Update, ...]:
        """The updates of one of `KINDS`, ready for `send`; each `seed` makes the files' bytes other ones."""
        order = Order(
            sender=sender,
            number=number or self.number,
            caption=caption,
            size_bytes=size_bytes,
            seed=seed,
            group_id=group_id,
            with_url=with_url,
            faults=tuple(faults),
        )
        return tuple(KINDS[kind].compose(self, order))

    def _addressee(self, content: MessageContent) -> BusinessNumber:
        if isinstance(content, Attachment):
            media = self._state.media.find(content.media_id)
            if media is not None:
                return media.number
        return self.number
