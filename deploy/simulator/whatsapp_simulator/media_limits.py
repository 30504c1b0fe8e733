"""What Meta accepts for sending: kinds of file by MIME type, with their limits (its table of supported media)."""

from __future__ import annotations

from whatsapp_simulator.attachments import Kind

_MB = 1024 * 1024
_KB = 1024
_OFFICE = "application/vnd.openxmlformats-officedocument"
_LIMITS: dict[Kind, tuple[int, frozenset[str]]] = {
    Kind.AUDIO: (16 * _MB, frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})),
    Kind.IMAGE: (5 * _MB, frozenset({"image/jpeg", "image/png"})),
    Kind.STICKER: (500 * _KB, frozenset({"image/webp"})),
    Kind.VIDEO: (16 * _MB, frozenset({"video/mp4", "video/3gpp"})),
    Kind.DOCUMENT: (
        100 * _MB,
        frozenset(
            {
                "text/plain",
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                f"{_OFFICE}.wordprocessingml.document",
                f"{_OFFICE}.spreadsheetml.sheet",
                f"{_OFFICE}.presentationml.presentation",
            }
        ),
    ),
}
_STILL_STICKER_BYTES = 100 * _KB
MOST_UPLOAD_BYTES = max(limit for limit, _ in _LIMITS.values())
ACCEPTED_TYPES = tuple(sorted(mime_type for _, types in _LIMITS.values() for mime_type in types))


def essence(mime_type: str) -> str:
    """A MIME type without parameters, in lower case."""
    return mime_type.partition(";")[0].strip().lower()


def kind_of(mime_type: str) -> Kind | None:
    """What files of this type can be sent as; None when Meta accepts none of them."""
    return next((kind for kind, (_, types) in _LIMITS.items() if essence(mime_type) in types), None)


def problem_with(kind: Kind, mime_type: str, data: bytes) -> str | None:
    """Why Meta would not take this file; None when it would."""
    limit = _LIMITS[kind][0]
    if kind is Kind.STICKER and not _is_animated(data):
        limit = _STILL_STICKER_BYTES
    if len(data) > limit:
        return f"The file has {len(data)} bytes; the limit for this {kind.value} is {limit}."
    if essence(mime_type) == "audio/ogg" and not _is_mono_opus(data):
        return "audio/ogg must hold Opus with one channel."
    return None if data else "The file is empty."


def _is_animated(webp: bytes) -> bool:
    return webp[12:16] == b"VP8X" and len(webp) > 20 and bool(webp[20] & 0b10)


def _is_mono_opus(ogg: bytes) -> bool:
    head = ogg.find(b"OpusHead", 0, 256)
    return head >= 0 and ogg[head + 9 : head + 10] == b"\x01"
