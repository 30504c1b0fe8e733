"""Messages as the API shows them: where a document names a file's place, the API gives a fresh signed link."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from media_server.presentation import is_inline, safe_file_name, shown_file_name
from media_server.signing import File, Links
from shared.media import Attachment, public_json
from shared.model import rfc3339

ORIGINAL = "original"
_SHORT_ID = slice(1, 9)


def message_json(attachment: Attachment, *, links: Links, now: datetime) -> dict[str, Any]:
    """The answer of `GET /api/messages/{id}`."""
    return with_links(public_json(attachment), links=links, now=now)


def with_links(message: dict[str, Any], *, links: Links, now: datetime) -> dict[str, Any]:
    """The same for what `public_json` made, here or in the service that sent `media.updated`.

    A `fileName` in there is as the sender wrote it; here it becomes what may be shown, and is left out when that is
    nothing.
    """
    media = dict(message["media"])

    def linked(what: str, stored: dict[str, Any]) -> dict[str, Any]:
        link = links.sign(_file(message, what, stored), now=now)
        rest = {name: value for name, value in stored.items() if name != "key"}
        return {"url": link.url, **rest, "expiresAt": rfc3339(link.expires_at)}

    if ORIGINAL in media:
        media[ORIGINAL] = linked(ORIGINAL, media[ORIGINAL])
    media["renditions"] = {name: linked(name, stored) for name, stored in media.get("renditions", {}).items()}
    shown = message | {"media": media}
    if name := shown_file_name(shown.pop("fileName", "")):
        shown["fileName"] = name
    return shown


def _file(message: dict[str, Any], what: str, stored: dict[str, Any]) -> File:
    key, mime_type = stored["key"], stored["mimeType"]
    extension = PurePosixPath(key).suffix
    made_up = f"{message['kind']}-{message['id'][_SHORT_ID]}{extension}"
    name = safe_file_name(message.get("fileName", ""), otherwise=made_up)
    if what != ORIGINAL:
        stem, _, _ = name.rpartition(".")
        name = f"{stem or name}-{what}{extension}"
    return File(key=key, what=what, mime_type=mime_type, file_name=name, inline=is_inline(mime_type))
