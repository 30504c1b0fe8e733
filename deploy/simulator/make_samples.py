"""Makes the sample attachments that the simulator ships: `python deploy/simulator/make_samples.py`.

Run it once when a sample changes and keep the result; whoever runs the simulator needs neither Pillow nor `av`.
"""

from __future__ import annotations

import importlib
import math
import tempfile
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

av: Any = importlib.import_module("av")  # not a dependency of the project: only who changes a sample installs it

SAMPLES = Path(__file__).parent / "whatsapp_simulator" / "samples"
SAMPLE_RATE = 48_000
EXIF_ORIENTATION = 0x0112
ROTATED_90_CLOCKWISE_TO_SHOW = 6


def photo_rotated() -> bytes:
    """A landscape JPEG whose EXIF says that it was taken with the phone held upright."""
    image = Image.new("RGB", (480, 360))
    draw = ImageDraw.Draw(image)
    for y in range(360):
        draw.line((0, y, 480, y), fill=(40 + y // 4, 110 + y // 5, 200 - y // 3))
    draw.ellipse((330, 40, 420, 130), fill=(255, 214, 90))
    draw.polygon(((0, 360), (150, 150), (290, 360)), fill=(46, 94, 78))
    draw.polygon(((180, 360), (330, 200), (480, 360)), fill=(30, 70, 60))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = ROTATED_90_CLOCKWISE_TO_SHOW
    return _saved(image, "JPEG", quality=82, exif=exif)


def logo_transparent() -> bytes:
    """A PNG with partly transparent pixels."""
    image = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for radius in range(120, 20, -10):
        draw.ellipse((128 - radius, 128 - radius, 128 + radius, 128 + radius), fill=(20, 160, 120, 275 - 2 * radius))
    return _saved(image, "PNG", optimize=True)


def sticker_animated() -> bytes:
    """A moving 512 x 512 WebP with a transparent background, as WhatsApp asks of stickers."""
    first, *rest = _bouncing(512, "RGBA", (0, 0, 0, 0))
    return _saved(
        first, "WEBP", save_all=True, append_images=rest, duration=100, loop=0, quality=40, minimize_size=True
    )


def sticker_still() -> bytes:
    """One frame of the moving sticker."""
    return _saved(next(_bouncing(512, "RGBA", (0, 0, 0, 0))), "WEBP", quality=60)


def animation() -> bytes:
    """A moving GIF."""
    frames = [frame.quantize(16) for frame in _bouncing(160, "RGB", (250, 250, 245))]
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)


def voice_note() -> bytes:
    """One second of Ogg/Opus, mono, as the microphone button makes."""
    return _encoded_sound("ogg", "libopus", "mono", bit_rate=24_000)


def song() -> bytes:
    """One second of MP3."""
    return _encoded_sound("mp3", "libmp3lame", "stereo", bit_rate=64_000)


def clip() -> bytes:
    """One second of H.264 (baseline, no B-frames) and AAC, with the index first."""
    with tempfile.TemporaryDirectory() as folder:  # moving the index to the front needs a file that can be read again
        path = Path(folder) / "clip.mp4"
        _film(path)
        return path.read_bytes()


def _film(path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=12, options={"profile": "baseline", "crf": "32"})
        video.width, video.height, video.pix_fmt = 192, 108, "yuv420p"
        audio = _add_sound(container, "aac", "mono", bit_rate=32_000)
        for number in range(12):
            image = Image.new("RGB", (192, 108), (24, 40, 66))
            ImageDraw.Draw(image).rectangle((12 * number, 30, 12 * number + 48, 78), fill=(240, 180, 60))
            container.mux(video.encode(av.VideoFrame.from_image(image)))
        container.mux(video.encode(None))
        for sound in _tone("mono"):
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def contract_pdf() -> bytes:
    """A valid PDF of one page with one line of text and a correct cross-reference table."""
    text = b"BT /F1 24 Tf 72 720 Td (Signed copy) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (
            size,
            table,
            size,
            len(body),
        )
    )


def letter_docx() -> bytes:
    """The smallest Word document that Word opens without a complaint."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return _zipped(
        {
            "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
            "_rels/.rels": f'{head}<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="rId1" Type="{office}" Target="word/document.xml"/></Relationships>',
            "word/document.xml": f'{head}<w:document xmlns:w="{word}"><w:body><w:p><w:r><w:t>Dear customer,</w:t>'
            "</w:r></w:p></w:body></w:document>",
        }
    )


def archive_zip() -> bytes:
    """A zip with two members."""
    return _zipped({"readme.txt": "Two files in one.\n", "figures/2026.csv": "month,items\n1,12\n2,17\n"})


def _bouncing(side: int, mode: str, background: tuple[int, ...]) -> Iterator[Image.Image]:
    for step in range(6):
        image = Image.new(mode, (side, side), background)
        top = int(side * 0.3 * abs(math.sin(step * math.pi / 6)))
        box = (side * 0.25, side * 0.45 - top, side * 0.75, side * 0.95 - top)
        ImageDraw.Draw(image).ellipse(box, fill=(230, 90, 70), outline=(120, 30, 30), width=max(2, side // 64))
        yield image


def _tone(layout: str) -> Iterator[Any]:
    samples_per_frame = 960
    for start in range(0, SAMPLE_RATE, samples_per_frame):
        frame = av.AudioFrame(format="s16", layout=layout, samples=samples_per_frame)
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        channels = len(frame.layout.channels)
        wave = bytearray()
        for position in range(start, start + samples_per_frame):
            swell = math.sin(math.pi * position / SAMPLE_RATE)
            level = int(9_000 * swell * math.sin(2 * math.pi * 440 * position / SAMPLE_RATE))
            wave += level.to_bytes(2, "little", signed=True) * channels
        frame.planes[0].update(bytes(wave))
        yield frame


def _add_sound(container: Any, codec: str, layout: str, *, bit_rate: int) -> Any:
    stream = container.add_stream(codec, rate=SAMPLE_RATE, layout=layout)
    stream.bit_rate = bit_rate
    return stream


def _encoded_sound(container_format: str, codec: str, layout: str, *, bit_rate: int) -> bytes:
    sink = BytesIO()
    with av.open(sink, "w", format=container_format) as container:
        stream = _add_sound(container, codec, layout, bit_rate=bit_rate)
        for frame in _tone(layout):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    sink = BytesIO()
    image.save(sink, image_format, **options)
    return sink.getvalue()


def _zipped(members: dict[str, str]) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # ZipInfo's fixed date keeps the bytes the same at each run
    return sink.getvalue()


MAKERS = {
    "photo-rotated.jpg": photo_rotated,
    "logo-transparent.png": logo_transparent,
    "sticker-animated.webp": sticker_animated,
    "sticker-still.webp": sticker_still,
    "animation.gif": animation,
    "voice-note.ogg": voice_note,
    "song.mp3": song,
    "clip.mp4": clip,
    "contract.pdf": contract_pdf,
    "letter.docx": letter_docx,
    "archive.zip": archive_zip,
}


def main() -> None:
    """Write every sample into the package's folder."""
    SAMPLES.mkdir(exist_ok=True)
    for name, make in MAKERS.items():
        (SAMPLES / name).write_bytes(make())


if __name__ == "__main__":
    main()
