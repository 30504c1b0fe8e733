"""What is in the gallery: one file of every kind, and what Attache should make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PICTURE = frozenset({"thumb", "preview"})
MOVING = PICTURE | {"poster"}
FILM = frozenset({"poster", "thumb"})
SOUND = frozenset({"waveform", "thumb"})
MADE_PLAYABLE = SOUND | {"playable"}
NO_FILES: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample. `facts` are exactly those that the API should tell, the ThumbHash aside; seconds to a tenth."""

    sample: str
    title: str
    renditions: frozenset[str] = NO_FILES
    facts: Mapping[str, Any] = field(default_factory=dict)


def picture(sample: str, title: str, width: int, height: int) -> Row:
    return Row(sample=sample, title=title, renditions=PICTURE, facts={"width": width, "height": height})


def moving(sample: str, title: str, width: int, height: int) -> Row:
    facts = {"width": width, "height": height, "animated": True}
    return Row(sample=sample, title=title, renditions=MOVING, facts=facts)


def film(sample: str, title: str, width: int, height: int, seconds: float, *, playable: bool) -> Row:
    facts = {"width": width, "height": height, "durationSeconds": seconds, "playable": playable}
    return Row(sample=sample, title=title, renditions=FILM, facts=facts)


def sound(sample: str, title: str, seconds: float, *, playable: bool) -> Row:
    facts = {"durationSeconds": seconds, "playable": playable}
    return Row(sample=sample, title=title, renditions=SOUND if playable else MADE_PLAYABLE, facts=facts)


def card(sample: str, title: str, label: str) -> Row:
    return Row(sample=sample, title=title, facts={"label": label})


ROWS = (
    picture("photo", "JPEG photo", 360, 480),
    picture("transparent", "PNG", 256, 256),
    picture("still-sticker", "WebP sticker", 512, 512),
    picture("jpeg-file", "JPEG as a file", 480, 640),
    picture("heic", "HEIC, iPhone", 640, 480),
    picture("avif", "AVIF", 560, 420),
    picture("tiff", "TIFF, scanned", 1240, 1754),
    picture("bmp", "BMP", 180, 136),
    moving("sticker", "Animated sticker", 512, 512),
    moving("gif", "GIF", 200, 160),
    film("video", "MP4, H.264", 320, 180, 3.0, playable=True),
    film("mov", "QuickTime, HEVC", 180, 320, 2.0, playable=False),
    film("3gp", "3GP, H.263", 192, 144, 2.0, playable=False),
    film("webm", "WebM, VP9", 320, 180, 2.5, playable=True),
    Row(
        sample="pdf",
        title="PDF",
        renditions=PICTURE,
        facts={"pages": 3, "label": "PDF document, 3 pages"},
    ),
    card("locked-pdf", "PDF, locked", "PDF document, password-protected"),
    sound("voice", "Voice note, Opus", 4.2, playable=False),
    sound("audio", "MP3", 3.0, playable=True),
    sound("m4a", "M4A", 2.4, playable=True),
    sound("amr", "AMR", 3.5, playable=False),
    card("svg", "SVG", "SVG drawing"),
    card("html", "HTML", "Web page"),
    card("docx", "Word", "Word document"),
    card("xlsx", "Excel", "Excel spreadsheet"),
    card("zip", "ZIP", "ZIP archive, 3 files"),
    card("txt", "Text", "Address for the delivery on Thursday"),
    card("csv", "CSV", "CSV table, 4 columns"),
)
