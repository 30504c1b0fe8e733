"""Sample attachments: a small real file of each kind, shipped with the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from whatsapp_simulator.attachments import Kind
from whatsapp_simulator.content import BytesContent, Content, SyntheticContent

_OFFICE = "application/vnd.openxmlformats-officedocument"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One shipped file, and how a WhatsApp user would send it."""

    resource: str
    kind: Kind
    mime_type: str
    filename: str | None = None  # only documents have one
    animated: bool = False

    def read(self) -> bytes:
        """The file's bytes."""
        return _resource(self.resource)

    def content(self, *, size_bytes: int | None = None, seed: int = 0) -> Content:
        """The file; with `size_bytes` the file followed by filler, other filler for each `seed`."""
        return _content(self.resource, size_bytes, seed)


@lru_cache(maxsize=32)
def _resource(name: str) -> bytes:
    return resources.files("whatsapp_simulator").joinpath("samples", name).read_bytes()


@lru_cache(maxsize=64)  # the digest of a large file takes long, and many messages may bring the same one
def _content(name: str, size_bytes: int | None, seed: int) -> Content:
    if size_bytes is None:
        return BytesContent(_resource(name))
    return SyntheticContent(size_bytes=size_bytes, seed=seed, head=_resource(name))


def _document(resource: str, mime_type: str, *, filename: str | None = None) -> Sample:
    return Sample(resource=resource, kind=Kind.DOCUMENT, mime_type=mime_type, filename=filename or resource)


SAMPLES = {
    "photo": Sample(resource="photo-rotated.jpg", kind=Kind.IMAGE, mime_type="image/jpeg"),
    "transparent": Sample(resource="logo-transparent.png", kind=Kind.IMAGE, mime_type="image/png"),
    "sticker": Sample(resource="sticker-animated.webp", kind=Kind.STICKER, mime_type="image/webp", animated=True),
    "still-sticker": Sample(resource="sticker-still.webp", kind=Kind.STICKER, mime_type="image/webp"),
    # WhatsApp turns GIFs into video; one that stays a GIF was "sent as a file"
    "gif": _document("animation.gif", "image/gif"),
    # so that nothing is lost by packing it anew
    "jpeg-file": _document("receipt.jpg", "image/jpeg"),
    # WhatsApp makes JPEGs of an iPhone's photos, unless they are sent as files
    "heic": _document("beach.heic", "image/heic", filename="IMG_4182.HEIC"),
    "avif": _document("city.avif", "image/avif"),
    "tiff": _document("delivery-note.tiff", "image/tiff"),
    "bmp": _document("chart.bmp", "image/bmp"),
    "voice": Sample(resource="voice-note.ogg", kind=Kind.VOICE, mime_type="audio/ogg; codecs=opus"),
    "audio": Sample(resource="song.mp3", kind=Kind.AUDIO, mime_type="audio/mpeg"),
    "m4a": Sample(resource="recording.m4a", kind=Kind.AUDIO, mime_type="audio/mp4"),
    "amr": Sample(resource="memo.amr", kind=Kind.AUDIO, mime_type="audio/amr"),
    "video": Sample(resource="clip.mp4", kind=Kind.VIDEO, mime_type="video/mp4"),
    "3gp": Sample(resource="old-phone.3gp", kind=Kind.VIDEO, mime_type="video/3gpp"),
    "mov": _document("parcel.mov", "video/quicktime", filename="IMG_0042.MOV"),
    "webm": _document("screen.webm", "video/webm"),
    "pdf": _document(
        "contract.pdf",
        "application/pdf",
        filename="Verträge 2026 – final (1).pdf",  # noqa: RUF001 - users' names hold such characters
    ),
    "locked-pdf": _document("statement-locked.pdf", "application/pdf"),
    "docx": _document("letter.docx", f"{_OFFICE}.wordprocessingml.document"),
    "xlsx": _document("prices.xlsx", f"{_OFFICE}.spreadsheetml.sheet"),
    "zip": _document("archive.zip", "application/zip"),
    "txt": _document("notes.txt", "text/plain"),
    "csv": _document("orders.csv", "text/csv"),
    "svg": _document("drawing.svg", "image/svg+xml"),
    "html": _document("page.html", "text/html"),
}
"""By the name that the command line, the control API and `Simulator.add_sample` use."""

LARGEST_SAMPLE_BYTES = 32 * 1024
"""No sample is larger; files of at least this size can be made of any of them."""
