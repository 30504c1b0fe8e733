"""The media that one message announces, wherever in it they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.media import Declared, MediaKind
from webhook_gateway.whatsapp.digests import sha256_hex
from webhook_gateway.whatsapp.reading import Node, identifier, node, parse_json, text

KINDS = {
    "image": MediaKind.IMAGE,
    "video": MediaKind.VIDEO,
    "audio": MediaKind.AUDIO,
    "voice": MediaKind.VOICE,  # on-premises API and old fixtures
    "document": MediaKind.DOCUMENT,
    "sticker": MediaKind.STICKER,
}
UNKNOWN_TYPE = "application/octet-stream"
_WRAPPERS = ("edit", "call_recording")
_MIME_TYPE = re.compile(r"[\x21-\x7e]+/[\x20-\x7e]+")
_CAPTION_CHARACTERS = 8192
_FILE_NAME_CHARACTERS = 255
_EXTENSION_CHARACTERS = 16


@dataclass(frozen=True, kw_only=True)
class Announced:
    """One file that Meta keeps for us."""

    kind: MediaKind
    provider_media_id: str
    declared: Declared
    caption: str | None
    file_name: str | None


@dataclass(frozen=True, kw_only=True)
class Unclear:
    """Something that carries media and cannot be understood. The reason quotes nothing that a customer wrote."""

    reason: str


def content_of(message: Node) -> Node:
    """The part of a message that has the shape of a plain one: of an edit what it became, of a call its recording."""
    content = message
    while True:
        inner = node(content.get("edit")).get("message") or content.get("call_recording")
        if not isinstance(inner, dict):
            return content
        content = inner


def attachments_of(content: Node) -> Iterator[Announced | Unclear]:
    """Every attachment of a message. The objects count more than `type`, which may be missing or unknown."""
    declared_type = content.get("type")
    present = [key for key in KINDS if content.get(key) is not None]
    for key in present:
        yield _announced(key, content[key])
    if isinstance(declared_type, str) and not present:
        if declared_type in KINDS:
            yield Unclear(reason=f"{declared_type} message without a media object")
        elif declared_type != "interactive":
            yield from _files_in(content.get(declared_type))  # a type that is newer than this code
    for wrapper in _WRAPPERS:
        if content.get(wrapper) is not None:  # `content_of` found no message in it
            yield Unclear(reason=f"{wrapper} that holds no message")
    yield from _flow_files(content)


def _announced(key: str, value: Any) -> Announced | Unclear:
    if not isinstance(value, dict):
        return Unclear(reason=f"{key} is not an object")
    provider_media_id = identifier(value.get("id"))
    if provider_media_id is None:
        return Unclear(reason=f"{key} without a media id")
    kind = MediaKind.VOICE if key == "audio" and value.get("voice") is True else KINDS[key]
    return _file(kind, provider_media_id, value)


def _file(kind: MediaKind, provider_media_id: str, value: Node) -> Announced:
    return Announced(
        kind=kind,
        provider_media_id=provider_media_id,
        declared=Declared(mime_type=_mime_type(value.get("mime_type")), sha256=sha256_hex(value.get("sha256"))),
        caption=text(value.get("caption"), limit=_CAPTION_CHARACTERS),
        file_name=_file_name(value.get("filename")) or _file_name(value.get("file_name")),
    )


def _flow_files(content: Node) -> Iterator[Announced | Unclear]:
    """The files of a Flow reply: the author of the flow chose the keys, so they are found by their shape."""
    reply = node(node(content.get("interactive")).get("nfm_reply")).get("response_json")
    if isinstance(reply, str):
        try:
            reply = parse_json(reply)
        except ValueError:
            if "mime_type" in reply:
                yield Unclear(reason="Flow reply with files that is not JSON")
            return
    yield from _files_in(reply)


def _files_in(value: Any) -> Iterator[Announced | Unclear]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            if "mime_type" not in item and "sha256" not in item:
                waiting.extend(reversed(item.values()))
            elif (provider_media_id := identifier(item.get("id"))) is not None:
                yield _file(_kind_by_type(_mime_type(item.get("mime_type"))), provider_media_id, item)
            elif "mime_type" in item and "sha256" in item:
                yield Unclear(reason="file without a media id")


def _kind_by_type(mime_type: str) -> MediaKind:
    family = mime_type.partition("/")[0].lower()
    return {"image": MediaKind.IMAGE, "video": MediaKind.VIDEO, "audio": MediaKind.AUDIO}.get(
        family, MediaKind.DOCUMENT
    )


def _mime_type(value: Any) -> str:
    """As Meta said it, parameters included; what could not stand in a header is no type."""
    stated = (text(value, limit=_FILE_NAME_CHARACTERS) or "").strip()
    return stated if _MIME_TYPE.fullmatch(stated) else UNKNOWN_TYPE


def _file_name(value: Any) -> str | None:
    """The name to show; a very long one is cut before its extension."""
    if not isinstance(value, str) or len(value) <= _FILE_NAME_CHARACTERS:
        return text(value, limit=_FILE_NAME_CHARACTERS)
    stem, dot, extension = value.rpartition(".")
    if not dot or len(extension) > _EXTENSION_CHARACTERS:
        return text(value, limit=_FILE_NAME_CHARACTERS)
    return text(f"{stem[: _FILE_NAME_CHARACTERS - len(extension) - 1]}.{extension}", limit=_FILE_NAME_CHARACTERS)
