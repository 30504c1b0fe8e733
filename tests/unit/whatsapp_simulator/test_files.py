"""The samples are what they say, to the libraries that will look at them."""

from __future__ import annotations

import contextlib
import io
import zipfile

import av
import filetype
import pypdfium2
import pytest
from PIL import Image

from make_samples.__main__ import MAKERS
from make_samples.pdf import PASSWORD
from whatsapp_simulator import SAMPLES

EXIF_ORIENTATION = 0x0112


# at the start of a text nothing says what it is; `filetype` takes every 3GP for an MP4
NOT_RECOGNISED = {"txt": None, "csv": None, "svg": None, "html": None, "3gp": "video/mp4"}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_small_and_is_recognised_as_its_type(name: str) -> None:
    sample = SAMPLES[name]

    data = sample.read()

    assert len(data) < 30_000
    assert filetype.guess_mime(data) == NOT_RECOGNISED.get(name, sample.mime_type.partition(";")[0])


def test_there_is_a_maker_for_every_sample_and_a_sample_for_every_maker() -> None:
    assert sorted(MAKERS) == sorted(sample.resource for sample in SAMPLES.values())


def test_the_photo_is_stored_sideways() -> None:
    with Image.open(io.BytesIO(SAMPLES["photo"].read())) as image:
        assert image.size == (480, 360)
        assert image.getexif()[EXIF_ORIENTATION] == 6


def test_the_transparent_picture_has_alpha() -> None:
    with Image.open(io.BytesIO(SAMPLES["transparent"].read())) as image:
        assert image.mode == "RGBA"
        assert len(image.getchannel("A").getcolors() or ()) > 2


@pytest.mark.parametrize("name", ["sticker", "gif"])
def test_moving_samples_move(name: str) -> None:
    with Image.open(io.BytesIO(SAMPLES[name].read())) as image:
        assert getattr(image, "n_frames", 1) > 1


def test_the_zips_are_whole() -> None:
    for name in ("zip", "docx", "xlsx"):
        with zipfile.ZipFile(io.BytesIO(SAMPLES[name].read())) as archive:
            assert archive.testzip() is None


@pytest.mark.parametrize("name", ["pdf", "locked-pdf"])
def test_the_cross_references_of_a_pdf_point_at_its_objects(name: str) -> None:
    data = SAMPLES[name].read()
    table = data[int(data.rsplit(b"startxref\n", 1)[1].split()[0]) :]

    offsets = [int(line[:10]) for line in table.partition(b"trailer")[0].splitlines()[3:]]

    assert offsets
    found = [data[offset:].partition(b" obj")[0] for offset in offsets]
    assert found == [b"%d 0" % number for number in range(1, len(offsets) + 1)]


def test_the_locked_pdf_opens_with_its_password_only() -> None:
    data = SAMPLES["locked-pdf"].read()

    with pytest.raises(pypdfium2.PdfiumError, match="password"):
        pypdfium2.PdfDocument(data)
    with contextlib.closing(pypdfium2.PdfDocument(data, password=PASSWORD)) as document:
        assert len(document) == 1


@pytest.mark.parametrize("name", ["video", "3gp", "mov", "webm"])
def test_films_begin_with_black_and_then_show_something(name: str) -> None:
    with av.open(io.BytesIO(SAMPLES[name].read()), "r") as container:
        brightest = [frame.to_ndarray(format="gray").max() for frame in container.decode(video=0)]

    assert brightest[0] < 24
    assert brightest[-1] > 200


@pytest.mark.parametrize("name", ["voice", "audio", "m4a", "amr"])
def test_sounds_last_some_seconds(name: str) -> None:
    with av.open(io.BytesIO(SAMPLES[name].read()), "r") as container:
        lengths = [frame.samples / frame.sample_rate for frame in container.decode(audio=0)]

    assert 2 < sum(lengths) < 5


def test_the_film_begins_with_its_index() -> None:
    data = SAMPLES["video"].read()

    assert data.index(b"moov") < data.index(b"mdat")
