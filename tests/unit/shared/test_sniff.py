import pytest

from shared.sniff import Sniffed, shown_type, sniff
from tests import images

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
M4A = b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


@pytest.mark.parametrize(
    ("head", "mime_type", "extension"),
    [
        (images.jpeg(16, 16), "image/jpeg", "jpg"),
        (images.png(16, 16), "image/png", "png"),
        (images.webp(16, 16), "image/webp", "webp"),
        (images.animated_webp(16, 16), "image/webp", "webp"),
        (images.gif(16, 16), "image/gif", "gif"),
        (images.bmp(16, 16), "image/bmp", "bmp"),
        (b"%PDF-1.7\n", "application/pdf", "pdf"),
        (b"OggS\x00\x02" + bytes(64), "audio/ogg", "ogg"),
        (b"ID3\x03\x00" + bytes(64), "audio/mpeg", "mp3"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(64), "audio/wav", "wav"),
        (MP4, "video/mp4", "mp4"),
        (b"PK\x03\x04" + bytes(64), "application/zip", "zip"),
        (b"", "application/octet-stream", "bin"),
        (b"\xff", "application/octet-stream", "bin"),
        (images.svg(), "application/octet-stream", "bin"),
        (images.html(), "application/octet-stream", "bin"),
        (b"just text", "application/octet-stream", "bin"),
    ],
)
def test_bytes_tell_what_they_are(head: bytes, mime_type: str, extension: str) -> None:
    assert sniff(head) == Sniffed(mime_type=mime_type, extension=extension)


@pytest.mark.parametrize(
    ("sniffed", "declared", "shown"),
    [
        ("image/jpeg", "image/jpeg", "image/jpeg"),
        ("image/png", "image/jpeg", "image/png"),  # the bytes win
        ("image/jpeg", "application/pdf", "image/jpeg"),
        ("application/zip", WORD, WORD),  # a container: the declared type says more
        ("application/zip", "application/zip", "application/zip"),
        ("application/zip", "image/jpeg", "application/zip"),
        ("application/zip", "text/html", "application/zip"),
        ("audio/ogg", "audio/ogg; codecs=opus", "audio/ogg"),
        ("video/mp4", "audio/mp4", "audio/mp4"),
        ("video/mp4", "AUDIO/MP4 ; codecs=mp4a", "audio/mp4"),
        ("video/mp4", "text/html", "video/mp4"),
        ("application/octet-stream", "text/csv", "text/csv"),
        ("application/octet-stream", "text/plain; charset=utf-8", "text/plain"),
        ("application/octet-stream", "image/jpeg", "application/octet-stream"),  # not a picture, whoever says so
        ("application/octet-stream", "application/pdf", "application/octet-stream"),
        ("application/octet-stream", "", "application/octet-stream"),
        ("application/octet-stream", "junk", "application/octet-stream"),
        ("application/octet-stream", "a/b/c", "application/octet-stream"),
        ("application/octet-stream", "text/<script>", "application/octet-stream"),
        ("application/octet-stream", "text/html\r\nX-Evil: 1", "application/octet-stream"),
        ("application/octet-stream", "téxt/plain", "application/octet-stream"),
        ("application/octet-stream", "/", "application/octet-stream"),
        ("application/octet-stream", "text/", "application/octet-stream"),
        ("application/octet-stream", "text/_", "application/octet-stream"),
    ],
)
def test_the_shown_type_follows_the_bytes_and_believes_no_junk(sniffed: str, declared: str, shown: str) -> None:
    assert shown_type(sniffed, declared) == shown


@pytest.mark.parametrize(
    "declared",
    ["application/vnd.ms-excel\r\nX-Evil: 1", "application/vnd.ms-<b>", "application/vnd.ms-excel/../x"],
)
def test_junk_that_begins_like_the_family_is_still_junk(declared: str) -> None:
    assert shown_type("application/msword", declared) == "application/msword"
