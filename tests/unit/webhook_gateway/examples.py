"""The webhooks in `tests/fixtures/webhooks`, each beside the exact events that it must cause.

A file holds what the example is (`about`), a `message`, `value`, `change` or whole `webhook` as Meta sends it, and its
`events` as they go to the broker, without the two facts that are the same by rule: `mediaId` and `receivedAt`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.events import Event, encode
from shared.ids import media_id
from shared.model import rfc3339
from tests.unit.webhook_gateway.payloads import RECEIVED_AT, change

FOLDER = Path(__file__).parents[2] / "fixtures" / "webhooks"
JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Example:
    """What Meta sends and what it means."""

    name: str
    entries: Sequence[JSON]
    events: Sequence[JSON]
    message: JSON | None  # when it is no more than that

    def again(self, mark: str) -> "Example":
        """The same from other messages: their ids begin with `mark`."""
        text = json.dumps({"entries": self.entries, "events": self.events, "message": self.message})
        for prefix in ("wamid.", "wacid."):
            text = text.replace(prefix, prefix + mark)
        return Example(name=self.name, **json.loads(text))


def read(path: Path) -> Example:
    """One file."""
    content = json.loads(path.read_text())
    if "webhook" in content:
        entries = content["webhook"]["entry"]
    else:
        entries = [{"id": "100200300400500", "changes": [_change(content)]}]
    return Example(name=path.stem, entries=entries, events=content["events"], message=content.get("message"))


def _change(content: JSON) -> JSON:
    if "message" in content:
        return change(content["message"])
    if "value" in content:
        return {"field": "messages", "value": content["value"]}
    whole_change: JSON = content["change"]
    return whole_change


EXAMPLES = [read(path) for path in sorted(FOLDER.glob("*.json"))]


def whole(*examples: Example) -> JSON:
    """One webhook with all of them."""
    entries = [entry for example in examples for entry in example.entries]
    return {"object": "whatsapp_business_account", "entry": entries}


def expected(*examples: Example) -> list[JSON]:
    """Their events in this order, complete."""
    return [_complete(event) for example in examples for event in example.events]


def sent(events: Sequence[Event]) -> list[JSON]:
    """Events as the broker gets them, each with its name."""
    return [{"event": event.routing_key, **json.loads(encode(event))} for event in events]


def _complete(event: JSON) -> JSON:
    if event["event"] != "media.received":
        return event
    identity = media_id(
        phone_number_id=event["phoneNumberId"],
        message_id=event["messageId"],
        provider_media_id=event.get("providerMediaId"),
    )
    return event | {"mediaId": identity, "receivedAt": rfc3339(RECEIVED_AT)}
