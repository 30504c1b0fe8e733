"""What can be sent, by name: every kind of attachment, and every odd shape that Meta is known to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.faults import Fault
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.messages import Message
from whatsapp_simulator.parties import BusinessNumber, Customer
from whatsapp_simulator.updates import Update

if TYPE_CHECKING:
    from whatsapp_simulator.meta import Meta


@dataclass(frozen=True, kw_only=True)
class Order:
    """From whom to which number, and how the files are to be. `seed` makes their bytes other ones."""

    sender: Customer
    number: BusinessNumber
    caption: str | None = None
    size_bytes: int | None = None
    seed: int | None = None
    group_id: str | None = None
    with_url: bool = False
    faults: Sequence[Fault] = ()

    def attachment(self, meta: Meta, sample: str) -> Attachment:
        """New media made of a sample, as a message describes it."""
        size_bytes = self.size_bytes
        if size_bytes is None and self.seed is not None:
            size_bytes = len(SAMPLES[sample].read()) + 64
        media = meta.add_sample(
            sample, size_bytes=size_bytes, seed=self.seed or 0, number=self.number, faults=self.faults
        )
        return meta.attachment(media, caption=self.caption, with_url=self.with_url)

    def message(self, meta: Meta, content: Any, **options: Any) -> Message:
        """A message of this sender."""
        return replace(meta.message(content, sender=self.sender, number=self.number, group_id=self.group_id), **options)


Composer = Callable[["Meta", Order], Sequence[Update]]


@dataclass(frozen=True, kw_only=True)
class MessageKind:
    """One name for `--kind`. `attachments`: how many files whoever receives it should end up with."""

    words: str
    compose: Composer
    attachments: int = 0


def of_sample(sample: str, words: str) -> MessageKind:
    """One message with one file."""

    def compose(meta: Meta, order: Order) -> list[Update]:
        return [order.message(meta, order.attachment(meta, sample))]

    return MessageKind(words=words, compose=compose, attachments=1)


SAMPLE_KINDS: Mapping[str, MessageKind] = MappingProxyType(
    {
        "image": of_sample("photo", "a photo (JPEG)"),
        "document": of_sample("pdf", "a PDF"),
        **{name: of_sample(name, f"{sample.kind}: `{sample.mime_type}`") for name, sample in SAMPLES.items()},
    }
)
