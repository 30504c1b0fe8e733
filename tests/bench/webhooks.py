"""Signed webhooks, made before anything is measured and kept in a file for the load generator."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from whatsapp_simulator import Media, Simulator, envelope, escape, sign


class SignedWebhook(BaseModel):
    """One POST. `message_ids` are those of the messages in it."""

    model_config = ConfigDict(frozen=True)

    body: str
    signature: str
    message_ids: tuple[str, ...]


def announcing(simulator: Simulator, media: Sequence[Media], *, app_secret: str) -> SignedWebhook:
    """One webhook with one message for each of these media, in Meta's escaped form."""
    messages = [simulator.message(simulator.attachment(one)) for one in media]
    body = escape(envelope(messages))
    return SignedWebhook(
        body=body.decode("ascii"),
        signature=sign(body, app_secret),
        message_ids=tuple(message.id for message in messages),
    )


def write_webhooks(path: Path, webhooks: Iterable[SignedWebhook]) -> None:
    """One JSON object a line."""
    path.write_text("".join(f"{webhook.model_dump_json()}\n" for webhook in webhooks))


def read_webhooks(path: Path) -> list[SignedWebhook]:
    """In the order in which they were written."""
    return [SignedWebhook.model_validate_json(line) for line in path.read_text().splitlines()]
