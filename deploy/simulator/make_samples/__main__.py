"""`.venv/bin/python -m make_samples [NAME…]` writes the samples, or those named, into the simulator's folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from make_samples import documents, films, pdf, pictures, sounds

SAMPLES = Path(__file__).parents[1] / "whatsapp_simulator" / "samples"

MAKERS: Mapping[str, Callable[[], bytes]] = {
    "photo-rotated.jpg": pictures.photo_rotated,
    "receipt.jpg": pictures.receipt,
    "beach.heic": pictures.beach_heic,
    "city.avif": pictures.city_avif,
    "delivery-note.tiff": pictures.delivery_note_tiff,
    "chart.bmp": pictures.chart_bmp,
    "logo-transparent.png": pictures.logo_transparent,
    "sticker-animated.webp": pictures.sticker_animated,
    "sticker-still.webp": pictures.sticker_still,
    "animation.gif": pictures.animation,
    "clip.mp4": films.clip,
    "parcel.mov": films.parcel_mov,
    "old-phone.3gp": films.old_phone_3gp,
    "screen.webm": films.screen_webm,
    "voice-note.ogg": sounds.voice_note,
    "song.mp3": sounds.song,
    "memo.amr": sounds.memo,
    "recording.m4a": sounds.recording,
    "contract.pdf": pdf.contract_pdf,
    "statement-locked.pdf": pdf.statement_locked_pdf,
    "letter.docx": documents.letter_docx,
    "prices.xlsx": documents.prices_xlsx,
    "archive.zip": documents.archive_zip,
    "notes.txt": documents.notes_txt,
    "orders.csv": documents.orders_csv,
    "drawing.svg": documents.drawing_svg,
    "page.html": documents.page_html,
}


def main() -> None:
    """Write them."""
    for name in sys.argv[1:] or MAKERS:
        (SAMPLES / name).write_bytes(MAKERS[name]())


if __name__ == "__main__":
    main()
