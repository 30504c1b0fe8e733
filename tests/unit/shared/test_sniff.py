import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.plan import RENDERERS
from shared.sniff import EXTENSIONS, Sniffed, shown_type, sniff
from shared.storage.staging import HEAD_BYTES
from tests import documents, films, images, sounds
from tests.documents import OPEN_DOCUMENT, OPEN_XML

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


def ftyp(major: bytes, *others: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(others)
    return struct.pack(">I4s", 8 + len(brands), b"ftyp") + brands + b"\x00\x00\x10\x00mdat" + bytes(64)


def box(name: bytes, content: bytes = b"", *, size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if size is None else size, name) + content


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "image/heic"),
        (ftyp(b"heix", b"mif1"), "image/heic"),
        (ftyp(b"hevc", b"msf1"), "image/heic"),
        (ftyp(b"mif1", b"miaf", b"heic"), "image/heic"),
        (ftyp(b"msf1", b"hevc"), "image/heic"),
        (ftyp(b"MiHB", b"mif1", b"heic"), "image/heic"),
        (ftyp(b"mif1"), "image/heif"),
        (ftyp(b"mif1", b"isom"), "image/heif"),
        (ftyp(b"avif", b"mif1", b"miaf"), "image/avif"),
        (ftyp(b"avis", b"avif", b"msf1", b"iso8"), "image/avif"),
        (ftyp(b"mif1", b"avif"), "image/avif"),
        (ftyp(b"isom", b"iso2", b"avc1"), "video/mp4"),
        (ftyp(b"iso6", b"dash"), "video/mp4"),
        (ftyp(b"mp42", b"mp41"), "video/mp4"),
        (ftyp(b"dash"), "video/mp4"),
        (ftyp(b"M4V ", b"isom"), "video/mp4"),
        (ftyp(b"what", b"ever", b"isom"), "video/mp4"),
        (ftyp(b"qt  "), "video/quicktime"),
        *((ftyp(brand, b"isom"), "video/3gpp") for brand in (b"3gp4", b"3gp5", b"3gp6", b"3gr6", b"3g2a")),
        (ftyp(b"M4A ", b"mp42", b"isom"), "audio/mp4"),
        (ftyp(b"M4B ", b"mp42"), "audio/mp4"),
        (ftyp(b"crx "), "application/octet-stream"),
        (ftyp(b"what", b"ever"), "application/octet-stream"),
        (b"\xff\xff\xff\xffftypisom" + bytes(9), "video/mp4"),
        (b"\x00\x00\x00\x00ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x08ftyp", "application/octet-stream"),
        (box(b"moov", box(b"mvhd", bytes(100))), "video/quicktime"),
        (box(b"moov", bytes(100)), "application/octet-stream"),
        (box(b"mdat", size=50_000) + bytes(100), "video/quicktime"),
        (box(b"mdat", size=1) + bytes(100), "video/quicktime"),
        (box(b"wide") + box(b"mdat", bytes(100)), "video/quicktime"),
        (box(b"free", bytes(100)) + box(b"mdat", bytes(9)), "video/quicktime"),
        (box(b"free", bytes(100)), "application/octet-stream"),
        (b"abcdmdat is not how a film begins", "application/octet-stream"),
    ],
)  # fmt: skip
def test_the_brands_of_one_container_are_told_apart(head: bytes, mime_type: str) -> None:
    assert sniff(head).mime_type == mime_type


def page(packet: bytes, *, begins: bool = True) -> bytes:
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, 2 if begins else 0, 0, 1, 0, 0, 1)
    return header + bytes([len(packet)]) + packet


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (page(b"OpusHead" + bytes(11)), "audio/ogg"),
        (page(b"\x01vorbis" + bytes(20)) + page(b"\x03vorbis", begins=False), "audio/ogg"),
        (page(b"\x01vorbis" + bytes(20)) + page(b"\x80theora" + bytes(20)), "video/ogg"),
        (page(b"fishead\x00" + bytes(50)) + page(b"\x80theora" + bytes(20)), "video/ogg"),
        (page(b"OpusHead") + page(b"\x80theora", begins=False) + page(b"\x80theora"), "audio/ogg"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x01\0\0\0\0\0\0\x08matroska", "video/x-matroska"),
        (b"\x1a\x45\xdf\xa3" + bytes(300) + b"\x42\x82\x84webm", "application/octet-stream"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + sounds.adts(sounds.tone(0.2)), "audio/aac"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x04" + bytes(4) + sounds.flac(sounds.tone(0.2)), "audio/flac"),
        (sounds.mp3_with_cover(sounds.tone(0.2), bytes(20_000)), "audio/mpeg"),
        (sounds.mp3_without_a_count(sounds.tone(0.2)), "audio/mpeg"),
        (sounds.amr_wide_band(9), "audio/amr"),
        (b"\xff\xfb\x90\x00" + bytes(2000), "application/octet-stream"),  # one frame, and no other behind it
        ("\u00ff\u00fb\u0090 x".encode("latin-1") * 900, "application/octet-stream"),
        ("text of two bytes each".encode("utf-16"), "application/octet-stream"),
    ],
)
def test_sound_and_film_are_told_apart(head: bytes, mime_type: str) -> None:
    assert sniff(head[:HEAD_BYTES]).mime_type == mime_type


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (sounds.voice_note(sounds.tone(0.2)), "audio/ogg"),
        (sounds.mp3(sounds.tone(0.2)), "audio/mpeg"),
        (sounds.m4a(sounds.tone(0.2)), "audio/mp4"),
        (sounds.adts(sounds.tone(0.2)), "audio/aac"),
        (sounds.amr(sounds.tone(0.2)), "audio/amr"),
        (sounds.wav(sounds.tone(0.2)), "audio/wav"),
        (sounds.flac(sounds.tone(0.2)), "audio/flac"),
        (films.film(), "video/mp4"),
        (films.film(container="mov"), "video/quicktime"),
        (films.film(container="matroska"), "video/x-matroska"),
        (documents.office("word/document.xml"), f"{OPEN_XML}.wordprocessingml.document"),
        (documents.office("xl/workbook.xml"), f"{OPEN_XML}.spreadsheetml.sheet"),
        (documents.office("ppt/presentation.xml"), f"{OPEN_XML}.presentationml.presentation"),
        (documents.office("other/part.xml"), "application/zip"),
        (documents.zip_of(["a.txt", "word/document.xml"]), "application/zip"),
        (documents.typed_zip(f"{OPEN_DOCUMENT}.text"), f"{OPEN_DOCUMENT}.text"),
        (documents.typed_zip("application/epub+zip"), "application/epub+zip"),
        (documents.typed_zip("text/html"), "application/zip"),
        (documents.ole("Workbook"), "application/x-ole-storage"),
        (b"II\x2a\x00" + bytes(9), "image/tiff"),
        (b"MM\x00\x2a" + bytes(9), "image/tiff"),
        (b"II\x2a\x00\x10\x00\x00\x00CR\x02\x00", "image/x-canon-cr2"),
    ],
)
def test_files_as_programs_write_them(content: bytes, mime_type: str) -> None:
    assert sniff(content[:HEAD_BYTES]).mime_type == mime_type


PDF = documents.pdf(b"")


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (PDF, "application/pdf"),
        (b"\xef\xbb\xbf" + PDF, "application/pdf"),
        (b"\r\n" + PDF, "application/pdf"),
        (bytes(1000) + PDF, "application/pdf"),
        (bytes(1024) + PDF, "application/octet-stream"),
        (b"A letter about %PDF-1.7 and its header", "application/octet-stream"),
        (b"<html><script>alert(1)</script>" + PDF, "application/octet-stream"),
        (b"\n <!-- " + PDF, "application/octet-stream"),
        (images.jpeg(16, 16)[:500] + PDF, "image/jpeg"),
        (PDF + documents.zip_of(["a"]), "application/pdf"),
        (images.polyglot(), "image/jpeg"),
        (b"GIF89a/*" + bytes(9) + b"*/=1;alert(1)", "image/gif"),
        (b"GIF89a=1;alert(1)", "application/octet-stream"),
        (b"BM is a car", "application/octet-stream"),
        (b"MZ" * 50, "application/octet-stream"),
        (b"<?xml version='1.0'?><svg/>", "application/octet-stream"),
    ],
)
def test_what_could_be_two_things_is_the_harmless_one(head: bytes, mime_type: str) -> None:
    assert sniff(head[:HEAD_BYTES]).mime_type == mime_type


def test_every_type_that_has_a_renderer_can_be_told() -> None:
    assert set(RENDERERS) <= set(EXTENSIONS)


@given(
    head=st.binary(max_size=200),
    start=st.sampled_from(
        [
            *(b"", b"OggS", b"ID3", b"PK\x03\x04", b"\x1a\x45\xdf\xa3", b"RIFF", b"\xff\xfb", b"\xff\xf1", b"%PDF-"),
            *(b"\x00\x00\x00\x40ftyp", b"\x00\x00\x00\x40free", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ]
    ),
)
def test_any_bytes_have_a_type(head: bytes, start: bytes) -> None:
    assert sniff(start + head).extension


def test_frames_within_frames_do_not_take_the_service_down() -> None:
    """A thousand empty frames that Zstandard's readers should skip."""
    assert sniff(struct.pack("<II", 0x184D2A50, 0) * 1024).mime_type == "application/octet-stream"


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
        *(("application/octet-stream", each, "application/octet-stream") for each in RENDERERS),
        ("image/heic", "image/jpeg", "image/heic"),
        ("image/jpeg", "image/heic", "image/jpeg"),
        ("image/heic", "image/svg+xml", "image/heic"),
        ("application/pdf", "text/html", "application/pdf"),
        (
            "application/zip",
            "application/vnd.ms-word.document.macroenabled.12",
            "application/vnd.ms-word.document.macroenabled.12",
        ),
        ("application/zip", "application/vnd.android.package-archive", "application/vnd.android.package-archive"),
        ("application/zip", "application/java-archive+html", "application/zip"),
        (WORD, "application/zip", WORD),
        ("application/x-ole-storage", "application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("application/x-ole-storage", WORD, WORD),  # with a password
        ("application/x-ole-storage", "text/html", "application/x-ole-storage"),
        ("video/mp4", "video/mp4-or-not", "video/mp4"),
        ("audio/mp4", "audio/x-m4a", "audio/x-m4a"),
        ("video/webm", "audio/webm", "audio/webm"),
        ("video/ogg", "audio/ogg", "video/ogg"),
        ("audio/amr", "audio/ogg", "audio/amr"),
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
