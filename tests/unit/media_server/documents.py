"""Messages as the media-server finds them; only what a test names matters to it."""

from typing import Any

from shared.media import Attachment, MediaKind, MediaStatus, Storage
from tests.builders import NOW, make_attachment, make_media, make_original, make_rendition

ORIGINAL_KEY = make_original().key
THUMB_KEY = make_rendition().key


def make_message(
    status: MediaStatus = MediaStatus.READY,
    *,
    media_id: str = "mabcdefghijkl",
    conversation_id: str = "c1",
    kind: MediaKind = MediaKind.IMAGE,
    file_name: str | None = None,
    stored: bool = True,
    sent_at: Any = NOW,
    **media: Any,
) -> Attachment:
    """With an original and a thumb unless it is not `stored`; `media` are fields of the document's `media`."""
    files = Storage(original=make_original(), renditions={"thumb": make_rendition()}) if stored else Storage()
    return make_attachment(
        id=media_id,
        conversation_id=conversation_id,
        kind=kind,
        file_name=file_name,
        sent_at=sent_at,
        media=make_media(status=status, **{"storage": files, **media}),
    )
