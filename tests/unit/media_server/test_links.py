import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from media_server.api.schemas import Message
from media_server.links import message_json, with_links
from media_server.signing import Links
from shared.errors import ErrorCode
from shared.events import MediaUpdated, decode, encode
from shared.media import (
    Attachment,
    Facts,
    Failure,
    FailureStage,
    MediaKind,
    MediaStatus,
    Rendition,
    Storage,
    public_json,
)
from tests.builders import NOW, SHA256, make_original
from tests.unit.media_server.documents import ORIGINAL_KEY, THUMB_KEY, make_message

LINKS = Links(secret=SecretStr("s" * 32), previous=None, ttl_seconds=900)
FAILURE = Failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_TIMEOUT, message="too slow", at=NOW)


def test_files_have_links_where_the_document_has_keys() -> None:
    media = message_json(make_message(), links=LINKS, now=NOW)["media"]

    assert media["original"].keys() == {"url", "mimeType", "sizeBytes", "sha256", "expiresAt"}
    assert media["renditions"]["thumb"].keys() == {"url", "mimeType", "width", "height", "sizeBytes", "expiresAt"}
    assert "storage" not in media
    assert "wakeAt" not in media


def test_what_decoding_told_is_shown_and_only_pictures_have_a_size() -> None:
    size = {"width": 640, "height": 480, "animated": False}
    facts = Facts(**size, duration_seconds=3.2, playable=False, pages=3, label="Film", thumbhash="aa==")
    key = THUMB_KEY.replace("thumb-1.webp", "waveform-1.json")
    waveform = Rendition(key=key, mime_type="application/json", size_bytes=9)
    storage = Storage(original=make_original(), renditions={"waveform": waveform})
    attachment = make_message(facts=facts, storage=storage)
    event = decode(MediaUpdated, encode(MediaUpdated.of(public_json(attachment))))

    for told in (
        message_json(attachment, links=LINKS, now=NOW),
        with_links(event.to_json(), links=LINKS, now=NOW),  # a frame
    ):
        assert told["media"]["facts"] == {
            "width": 640,
            "height": 480,
            "animated": False,
            "durationSeconds": 3.2,
            "playable": False,
            "pages": 3,
            "label": "Film",
            "thumbhash": "aa==",
        }
        shown = told["media"]["renditions"]["waveform"]
        assert shown.keys() == {"url", "mimeType", "sizeBytes", "expiresAt"}
        assert opened(shown["url"]).endswith("-waveform.json")
        assert Message.model_validate(told).media.facts == facts


def test_no_storage_key_leaves_outside_a_token() -> None:
    shown = json.dumps(message_json(make_message(), links=LINKS, now=NOW))

    assert ORIGINAL_KEY not in shown
    assert THUMB_KEY not in shown


def test_nothing_is_linked_before_it_is_stored() -> None:
    media = message_json(make_message(MediaStatus.PENDING, stored=False), links=LINKS, now=NOW)["media"]

    assert "original" not in media
    assert media["renditions"] == {}


@pytest.mark.parametrize(
    ("kind", "file_name", "original", "thumb"),
    [
        (MediaKind.IMAGE, None, "image-abcdefgh.jpg", "image-abcdefgh-thumb.webp"),
        (MediaKind.DOCUMENT, "Straßenkarte.pdf", "Straßenkarte.pdf", "Straßenkarte-thumb.webp"),
        (MediaKind.DOCUMENT, "README", "README", "README-thumb.webp"),
        (MediaKind.DOCUMENT, "\u202e", "document-abcdefgh.jpg", "document-abcdefgh-thumb.webp"),
    ],
)
def test_files_are_named_after_the_attachment(
    kind: MediaKind, file_name: str | None, original: str, thumb: str
) -> None:
    media = message_json(make_message(kind=kind, file_name=file_name), links=LINKS, now=NOW)["media"]

    assert opened(media["original"]["url"]) == original
    assert opened(media["renditions"]["thumb"]["url"]) == thumb


def opened(url: str) -> str:
    return LINKS.open(url.split("/")[2], now=NOW).file.file_name


@pytest.mark.parametrize(
    ("file_name", "shown"),
    [("../../evil\u202egpj.exe", {"fileName": "evilgpj.exe"}), ("a: b?.pdf", {"fileName": "a: b?.pdf"}), ("a/", {})],
)
def test_a_file_name_is_shown_clean_and_the_event_keeps_what_was_sent(file_name: str, shown: dict[str, str]) -> None:
    attachment = make_message(kind=MediaKind.DOCUMENT, file_name=file_name)
    event = decode(MediaUpdated, encode(MediaUpdated.of(public_json(attachment)))).to_json()

    answer, frame = message_json(attachment, links=LINKS, now=NOW), with_links(event, links=LINKS, now=NOW)

    assert {name: value for name, value in answer.items() if name == "fileName"} == shown
    assert frame == answer
    assert event["fileName"] == file_name


def test_a_link_says_what_it_shows() -> None:
    url = message_json(make_message(), links=LINKS, now=NOW)["media"]["renditions"]["thumb"]["url"]

    file = LINKS.open(url.split("/")[2], now=NOW).file

    assert (file.key, file.what, file.mime_type, file.inline) == (THUMB_KEY, "thumb", "image/webp", True)


def test_a_frame_made_of_an_event_is_the_answer_of_the_api() -> None:
    attachment = make_message(MediaStatus.FAILED, failure=FAILURE, wake_at=NOW)
    event = decode(MediaUpdated, encode(MediaUpdated.of(public_json(attachment))))

    shown = with_links(event.to_json(), links=LINKS, now=NOW)

    assert shown == message_json(attachment, links=LINKS, now=NOW)


@pytest.mark.parametrize(
    "attachment",
    [
        make_message(),
        make_message(MediaStatus.PENDING, stored=False, attempts=2, next_attempt_at=NOW, deadline=NOW, failure=FAILURE),
        make_message(MediaStatus.READY, kind=MediaKind.DOCUMENT, file_name="a.pdf", facts={"pages": 3}),
    ],
)
def test_the_specification_knows_every_field_of_a_message(attachment: Attachment) -> None:
    shown = message_json(attachment, links=LINKS, now=NOW)

    assert Message.model_validate(shown).to_json() == shown
    assert shown["media"]["updatedAt"] == "2026-09-21T10:00:00.000Z"
    assert shown["id"] == "mabcdefghijkl"


def test_links_in_one_window_are_the_same() -> None:
    earlier = message_json(make_message(), links=LINKS, now=NOW)
    later = message_json(make_message(), links=LINKS, now=NOW + timedelta(seconds=1))

    assert earlier == later
    assert SHA256 in earlier["media"]["original"]["sha256"]
