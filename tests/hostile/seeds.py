"""One small good file of every type that is looked into: what the corpus and the fuzzer damage. Made in code."""

import wave
import zipfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from io import BytesIO

import av
import numpy as np
import pillow_heif
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests import images
from whatsapp_simulator.files import SAMPLES

_BITEXACT = {"fflags": "+bitexact"}  # no random numbers, no dates
_SOUND_RATE = 16_000
_EPOCH = (1980, 1, 1, 0, 0, 0)
_OOXML = "application/vnd.openxmlformats-officedocument.{}"


def _saved(image_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    images.picture(64, 48).save(buffer, image_format, **options)
    return buffer.getvalue()


def _heic() -> bytes:
    buffer = BytesIO()
    pillow_heif.from_pillow(images.picture(64, 48)).save(buffer, format="HEIF")
    return buffer.getvalue()


def film(
    container: str, video: str, sound: str | None = None, *, size: tuple[int, int] = (176, 144), **options: str
) -> bytes:
    """Eight frames, perhaps with a second of a tone; the same bytes each time."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container, options=_BITEXACT | options) as output:
        stream = output.add_stream(video, rate=8)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
        tone = None if sound is None else _tone_stream(output, sound)
        for number in range(8):
            picture = images.picture(*size).rotate(90 * number)
            output.mux(stream.encode(VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        output.mux(stream.encode(None))
        if sound is not None and tone is not None:
            _play(output, tone, sound)
    return buffer.getvalue()


def sound(container: str, codec: str) -> bytes:
    """A second of a tone; the same bytes each time."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container, options=_BITEXACT) as output:
        _play(output, _tone_stream(output, codec), codec)
    return buffer.getvalue()


def _tone_stream(output: OutputContainer, codec: str) -> AudioStream:
    stream = output.add_stream(codec, rate=_rate(codec), layout="mono")
    assert isinstance(stream, AudioStream)
    return stream


def _play(output: OutputContainer, stream: AudioStream, codec: str) -> None:
    for frame in (*_tone(_rate(codec)), None):
        output.mux(stream.encode(frame))


def _rate(codec: str) -> int:
    return {"libopencore_amrnb": 8_000, "libopus": 48_000}.get(codec, _SOUND_RATE)


def _tone(rate: int) -> list[AudioFrame]:
    size = 160 if rate == 8_000 else 960  # what an AMR encoder takes, and Opus
    samples = (np.sin(np.arange(rate) * 0.05) * 8_000).astype(np.int16)
    frames = []
    for start in range(0, rate - size + 1, size):
        frame = AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        frames.append(frame)
    return frames


def _wav() -> bytes:
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(range(256)) * 32)
    return buffer.getvalue()


def pdf(objects: Mapping[int, bytes], *, root: int = 1) -> bytes:
    """A file of these objects, with a table of where they are."""
    out = BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: dict[int, int] = {}
    for number, body in objects.items():
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start, size = out.tell(), max(objects) + 1
    out.write(b"xref\n0 %d\n" % size)
    for number in range(size):
        out.write(b"%010d %05d %s \n" % ((offsets[number], 0, b"n") if number in offsets else (0, 65535, b"f")))
    out.write(b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, start))
    return out.getvalue()


def pdf_page(content: bytes, *, media_box: bytes = b"0 0 200 100", more: bytes = b"") -> bytes:
    """One page that paints `content`; `more` goes into its resources."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R /Resources << %s >> >>"
            % (media_box, more),
            4: pdf_stream(content),
        }
    )


def pdf_stream(content: bytes, dictionary: bytes = b"") -> bytes:
    """An object with bytes of its own."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), dictionary, content)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive, the same at any time of day."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _office(folder: str, kind: str) -> bytes:
    types = f'<Types><Override PartName="/{folder}/main.xml" ContentType="{kind}"/></Types>'
    return zipped(
        {"[Content_Types].xml": types.encode(), "_rels/.rels": b"<Relationships/>", f"{folder}/main.xml": b"<x/>"}
    )


def _tiff(compression: str) -> bytes:
    return _saved("TIFF", compression=compression)


def _animated_avif() -> bytes:
    frames = [images.picture(64, 48).rotate(90 * number) for number in range(3)]
    buffer = BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], duration=100)
    whole = buffer.getvalue()
    for name in (b"mvhd", b"tkhd", b"mdhd"):  # when it was made
        at = whole.index(name) + 8
        whole = whole[:at] + bytes(16) + whole[at + 16 :]
    return whole


def profile() -> bytes:
    """An ICC profile that does not say when it was made."""
    whole = images.srgb_profile()
    return whole[:24] + bytes(12) + whole[36:]


# By name: the type that the bytes have, and how they are made. Every type of `RENDERERS`, and kinds of card.
_MADE: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("image/jpeg", lambda: images.jpeg(64, 48, orientation=6, metadata=True, profile=profile())),
    "progressive": ("image/jpeg", lambda: images.jpeg(64, 48, progressive=True)),
    "cmyk": ("image/jpeg", lambda: images.cmyk_jpeg(48, 32)),
    "png": ("image/png", lambda: images.png(64, 48)),
    "palette": ("image/png", lambda: images.png_palette_with_transparency(64, 48)),
    "png-16": ("image/png", lambda: images.png_16_bit_grey(64, 48)),
    "webp": ("image/webp", lambda: images.webp(64, 48)),
    "webp-lossless": ("image/webp", lambda: _saved("WEBP", lossless=True)),
    "sticker": ("image/webp", lambda: images.animated_webp(64, 64)),
    "gif": ("image/gif", lambda: images.animated_gif(64, 48)),
    "bmp": ("image/bmp", lambda: images.bmp(64, 48)),
    "avif": ("image/avif", lambda: _saved("AVIF", speed=10, max_threads=1)),
    "avif-moving": ("image/avif", _animated_avif),
    "heic": ("image/heic", _heic),
    "tiff": ("image/tiff", lambda: _tiff("raw")),
    "tiff-lzw": ("image/tiff", lambda: _tiff("tiff_lzw")),
    "tiff-jpeg": ("image/tiff", lambda: _tiff("jpeg")),
    "mp4": ("video/mp4", lambda: film("mp4", "libx264", "aac")),
    "mp4-fragments": ("video/mp4", lambda: film("mp4", "libx264", movflags="+frag_keyframe+empty_moov")),
    "3gp": ("video/3gpp", lambda: film("3gp", "h263", "libopencore_amrnb")),
    "mov": ("video/quicktime", lambda: film("mov", "mpeg4")),
    "webm": ("video/webm", lambda: film("webm", "libvpx", "libopus")),
    "mkv": ("video/x-matroska", lambda: film("matroska", "mpeg4", "flac")),
    "aac": ("audio/aac", lambda: sound("adts", "aac")),
    "amr": ("audio/amr", lambda: sound("amr", "libopencore_amrnb")),
    "flac": ("audio/flac", lambda: sound("flac", "flac")),
    "m4a": ("audio/mp4", lambda: sound("ipod", "aac")),
    "mp3": ("audio/mpeg", SAMPLES["audio"].read),
    "voice": ("audio/ogg", lambda: sound("ogg", "libopus")),
    "ogg-flac": ("audio/ogg", lambda: sound("ogg", "flac")),
    "wav": ("audio/wav", _wav),
    "pdf": ("application/pdf", lambda: pdf_page(b"1 0 0 rg 10 10 100 50 re f")),
    "zip": ("application/zip", lambda: zipped({"a.txt": b"one", "b/c.txt": b"two" * 50})),
    "docx": (_OOXML.format("wordprocessingml.document"), SAMPLES["docx"].read),
    "xlsx": (_OOXML.format("spreadsheetml.sheet"), lambda: _office("xl", _OOXML.format("spreadsheetml.sheet"))),
    "text": ("application/octet-stream", lambda: "First line\nand a second, with ümlauts\n".encode() * 20),
    "csv": ("application/octet-stream", lambda: b"name,phone\nAda,1\nGrace,2\n"),
    "svg": ("application/octet-stream", images.svg),
    "html": ("application/octet-stream", images.html),
}


@cache
def seed(name: str) -> bytes:
    """The bytes of this good file."""
    return _MADE[name][1]()


TYPES: Mapping[str, str] = {name: mime_type for name, (mime_type, _) in _MADE.items()}
"""The type of each, as we would sniff it; a renderer is chosen by this."""
