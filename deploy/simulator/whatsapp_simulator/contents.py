"""What a message can hold besides one media object. Each has its `type`, and the object of that name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.encoding import present


class MessageContent(Protocol):
    """`body` is the object under the key `type`; None when there is no such key."""

    @property
    def type(self) -> str: ...

    def body(self) -> object: ...


@dataclass(frozen=True, kw_only=True)
class Text:
    """A plain text message: no media."""

    text: str
    type: str = "text"

    def body(self) -> dict[str, object]:
        return {"body": self.text}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The answer to a Flow: several files by the names that the flow's author chose, inside a string of JSON."""

    files: Mapping[str, Sequence[Attachment]]
    answers: Mapping[str, object] = field(default_factory=lambda: {"flow_token": "order-77"})
    type: str = "interactive"

    def body(self) -> dict[str, object]:
        files = {name: [file.as_flow_file() for file in files] for name, files in self.files.items()}
        response = json.dumps(dict(self.answers) | files, ensure_ascii=False)
        return {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": response}}


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A message of the past in its new form; media have a new id."""

    original_message_id: str
    content: MessageContent
    type: str = "edit"

    def body(self) -> dict[str, object]:
        message = {"context": {"id": "M0"}, "type": self.content.type, self.content.type: self.content.body()}
        return {"original_message_id": self.original_message_id, "message": message}


@dataclass(frozen=True, kw_only=True)
class Revoke:
    """The user deleted a message."""

    original_message_id: str
    type: str = "revoke"

    def body(self) -> dict[str, object]:
        return {"original_message_id": self.original_message_id}


@dataclass(frozen=True, kw_only=True)
class Unsupported:
    """What this API cannot carry; the message's `errors` say why. Meta may leave the object out: `what=None`."""

    what: str | None = None
    type: str = "unsupported"

    def body(self) -> dict[str, object] | None:
        return None if self.what is None else {"type": self.what}


@dataclass(frozen=True, kw_only=True)
class MediaPlaceholder:
    """In a history: here was a file; its message follows in a later webhook."""

    type: str = "media_placeholder"

    def body(self) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class SystemNotice:
    """What WhatsApp itself tells: `user_changed_number`, `user_changed_user_id`, `customer_identity_changed`."""

    what: str
    text: str | None = None
    wa_id: str | None = None
    previous_user_id: str | None = None
    user_id: str | None = None
    type: str = "system"

    def body(self) -> dict[str, object]:
        return {"type": self.what} | present(
            body=self.text, wa_id=self.wa_id, previous_user_id=self.previous_user_id, user_id=self.user_id
        )


@dataclass(frozen=True, kw_only=True)
class Other:
    """Any other type, known to Meta or not: locations, reactions, orders, what comes next year."""

    type: str
    value: object

    def body(self) -> object:
        return self.value
