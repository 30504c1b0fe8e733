"""The samples are what they say, to the libraries that will look at them."""

from __future__ import annotations

import io
import zipfile

import filetype
import pytest
from PIL import Image

from whatsapp_simulator import SAMPLES

EXIF_ORIENTATION = 0x0112


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_small_and_is_recognised_as_its_type(name: str) -> None:
    sample = SAMPLES[name]

    data = sample.read()

    assert len(data) < 20_000
    assert filetype.guess_mime(data) == sample.mime_type.partition(";")[0]


def test_the_photo_is_stored_sideways() -> None:
    with Image.open(io.BytesIO(SAMPLES["photo"].read())) as image:
        assert image.size == (480, 360)
        assert image.getexif()[EXIF_ORIENTATION] == 6


def test_the_transparent_picture_has_alpha() -> None:
    with Image.open(io.BytesIO(SAMPLES["transparent"].read())) as image:
        assert image.mode == "RGBA"
        assert image.getchannel("A").getextrema() == (0, 215)


@pytest.mark.parametrize("name", ["sticker", "gif"])
def test_moving_samples_move(name: str) -> None:
    with Image.open(io.BytesIO(SAMPLES[name].read())) as image:
        assert getattr(image, "n_frames", 1) > 1


def test_the_zips_are_whole() -> None:
    for name in ("zip", "docx"):
        with zipfile.ZipFile(io.BytesIO(SAMPLES[name].read())) as archive:
            assert archive.testzip() is None


def test_the_cross_references_of_the_pdf_point_at_its_objects() -> None:
    data = SAMPLES["pdf"].read()
    table = data[int(data.rsplit(b"startxref\n", 1)[1].split()[0]) :]

    offsets = [int(line[:10]) for line in table.splitlines()[3:8]]

    assert [data[offset : offset + 7] for offset in offsets] == [b"%d 0 obj" % number for number in range(1, 6)]


def test_the_film_begins_with_its_index() -> None:
    data = SAMPLES["video"].read()

    assert data.index(b"moov") < data.index(b"mdat")
