"""Files that are two things at once, another thing than they say, or next to nothing."""

from collections.abc import Iterator, Mapping

from tests import images
from tests.hostile.boxes import inserted, jpeg_segment, png_chunk
from tests.hostile.case import Case
from tests.hostile.seeds import TYPES, seed

_SCRIPT = b"*/=1;alert(document.cookie);/*"
_PAGE = b"<html><body><script>alert(document.cookie)</script></body></html>"


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (mime_type, data) in _polyglots().items():
        yield Case(name=f"polyglot.{name}", mime_type=mime_type, make=lambda data=data: data)  # type: ignore[misc]
    for said in _SAID:
        for name in _SENT:
            if TYPES[name] != said:
                wrong = f"wrong.{said.replace('/', '-')}-is-{name}"
                yield Case(name=wrong, mime_type=said, make=lambda name=name: seed(name))  # type: ignore[misc]
    for mime_type in sorted(set(TYPES.values())):
        for size, data in _NEXT_TO_NOTHING.items():
            small = f"small.{mime_type.replace('/', '-')}-{size}"
            yield Case(name=small, mime_type=mime_type, make=lambda data=data: data)  # type: ignore[misc]


_SAID = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/heic", "image/tiff", "video/mp4", "video/webm",
         "audio/ogg", "audio/mpeg", "audio/amr", "application/pdf", "application/zip",
         "application/octet-stream")  # fmt: skip
_SENT = ("jpeg", "png", "sticker", "gif", "heic", "tiff", "mp4", "webm", "voice", "mp3", "pdf", "zip", "html")
_NEXT_TO_NOTHING: Mapping[str, bytes] = {
    "empty": b"",
    "one-byte": b"\0",
    "nuls": bytes(4_096),
    "ones": b"\xff" * 4_096,
    "newline": b"\n",
}


def _polyglots() -> Mapping[str, tuple[str, bytes]]:
    jpeg, gif, png, pdf, archive, mp4 = (seed(name) for name in ("jpeg", "gif", "png", "pdf", "zip", "mp4"))
    return {
        "jpeg-and-html": ("image/jpeg", inserted(jpeg, 2, jpeg_segment(0xFE, _PAGE))),
        "jpeg-then-html": ("image/jpeg", jpeg + _PAGE),
        "jpeg-then-zip": ("image/jpeg", jpeg + archive),
        "jpeg-html-and-zip": ("image/jpeg", images.polyglot()),
        # the canvas is as wide as the start of a comment says
        "gif-and-script": ("image/gif", b"GIF89a/*" + gif[8:] + _SCRIPT),
        "gif-then-zip": ("image/gif", gif + archive),
        "png-then-zip": ("image/png", png + archive),
        "png-and-html": ("image/png", inserted(png, 33, png_chunk(b"tEXt", b"k\0" + _PAGE))),
        "pdf-then-zip": ("application/pdf", pdf + archive),
        "zip-then-pdf": ("application/zip", archive + pdf),
        "pdf-behind-html": ("application/octet-stream", _PAGE + pdf),
        "pdf-behind-junk": ("application/pdf", b"%PDF-1.4\n" + b"x" * 900 + pdf),
        "mp4-then-html": ("video/mp4", mp4 + _PAGE),
        "mp4-then-mp4": ("video/mp4", mp4 + mp4),
        "voice-then-webm": ("audio/ogg", seed("voice") + seed("webm")),
        "wav-then-jpeg": ("audio/wav", seed("wav") + jpeg),
        "jpeg-then-jpeg": ("image/jpeg", jpeg + jpeg),
    }
