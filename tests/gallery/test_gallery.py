"""One file of every kind goes through the running services; what they made of it is looked at, and kept as a picture.

With ATTACHE_PICTURES=1 docs/images/gallery.webp is drawn anew: look at it before you keep it.
"""

import json
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import av
import pytest
from PIL import Image, ImageStat

from shared.plan import PREVIEW, THUMB
from tests.gallery.exhibits import Exhibit, File
from tests.gallery.rows import ROWS, Row
from tests.gallery.sheet import draw

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "gallery.webp"
LARGEST_PICTURE_BYTES = 600_000

each_row = pytest.mark.parametrize("row", ROWS, ids=[row.sample for row in ROWS])


def opened(file: File) -> Image.Image:
    return Image.open(BytesIO(file.data))


def only(facts: frozenset[str]) -> pytest.MarkDecorator:
    """The rows that have all these renditions."""
    rows = [row for row in ROWS if facts <= row.renditions]
    return pytest.mark.parametrize("row", rows, ids=[row.sample for row in rows])


@each_row
async def test_every_kind_of_file_has_its_renditions_and_facts(row: Row, exhibits: Mapping[str, Exhibit]) -> None:
    exhibit = exhibits[row.sample]
    media = exhibit.message["media"]

    assert media["status"] == "ready", media.get("failure")
    assert exhibit.renditions.keys() == row.renditions
    facts = {name: value for name, value in exhibit.facts.items() if name != "thumbhash"}
    assert facts.keys() == row.facts.keys()
    for name, value in row.facts.items():
        assert facts[name] == (pytest.approx(value, abs=0.1) if isinstance(value, float) else value), name
    pictured = bool({"preview", "poster"} & row.renditions)
    assert ("thumbhash" in exhibit.facts) == pictured, "only a picture has a placeholder"


@only(frozenset({"thumb"}))
async def test_pictures_have_the_announced_size_and_are_never_enlarged(
    row: Row, exhibits: Mapping[str, Exhibit]
) -> None:
    exhibit = exhibits[row.sample]
    edges = {THUMB.name: THUMB.max_edge, PREVIEW.name: PREVIEW.max_edge, "poster": PREVIEW.max_edge}

    for name, file in exhibit.renditions.items():
        if name not in edges:
            continue
        announced = exhibit.message["media"]["renditions"][name]
        with opened(file) as image:
            assert image.size == (announced["width"], announced["height"]), name
            assert image.format == "WEBP"
            assert max(image.size) <= (edges[name] or 0)
            if "width" in exhibit.facts:
                assert image.width <= exhibit.facts["width"]
        assert file.headers["Content-Type"] == "image/webp"


@only(frozenset({"thumb", "preview", "poster"}))
async def test_animations_move_in_the_thumb_and_stand_still_in_the_poster(
    row: Row, exhibits: Mapping[str, Exhibit]
) -> None:
    made = exhibits[row.sample].renditions

    assert getattr(opened(made["thumb"]), "n_frames", 1) > 1
    assert getattr(opened(made["poster"]), "n_frames", 1) == 1
    assert getattr(opened(made["preview"]), "n_frames", 1) == 1


@pytest.mark.parametrize("sample", ["video", "mov", "3gp", "webm"])
async def test_the_poster_of_a_film_that_begins_with_black_shows_something(
    sample: str, exhibits: Mapping[str, Exhibit]
) -> None:
    with opened(exhibits[sample].renditions["poster"]) as poster:
        assert ImageStat.Stat(poster.convert("L")).mean[0] > 80


async def test_a_photo_and_a_film_that_are_stored_sideways_are_shown_upright(exhibits: Mapping[str, Exhibit]) -> None:
    with opened(exhibits["photo"].renditions["preview"]) as photo:
        sky, ground = photo.getpixel((180, 10)), photo.getpixel((180, 470))
    with opened(exhibits["mov"].renditions["poster"]) as poster:
        wall, parcel = poster.getpixel((10, 10)), poster.getpixel((60, 245))

    assert isinstance(sky, tuple)
    assert isinstance(ground, tuple)
    assert isinstance(wall, tuple)
    assert isinstance(parcel, tuple)
    assert sky[2] > 120
    assert sum(ground) < 180
    assert min(wall) > 170
    assert parcel[0] > parcel[2] + 40


@only(frozenset({"waveform"}))
async def test_a_waveform_is_at_most_200_numbers_from_0_to_100(row: Row, exhibits: Mapping[str, Exhibit]) -> None:
    exhibit = exhibits[row.sample]
    file = exhibit.renditions["waveform"]

    waveform = json.loads(file.data)

    assert file.headers["Content-Type"].startswith("application/json")
    assert waveform.keys() == {"version", "durationSeconds", "peaks"}
    assert waveform["durationSeconds"] == exhibit.facts["durationSeconds"]
    assert 0 < len(waveform["peaks"]) <= 200
    assert {type(peak) for peak in waveform["peaks"]} == {int}
    assert min(waveform["peaks"]) >= 0
    assert 50 < max(waveform["peaks"]) <= 100


@only(frozenset({"playable"}))
async def test_what_browsers_do_not_play_has_a_form_that_they_do(row: Row, exhibits: Mapping[str, Exhibit]) -> None:
    exhibit = exhibits[row.sample]
    file = exhibit.renditions["playable"]

    with av.open(BytesIO(file.data), "r") as container:
        seconds = sum(float(frame.samples) / frame.sample_rate for frame in container.decode(audio=0))
        codec = container.streams.audio[0].codec_context.name

    assert file.headers["Content-Type"] == "audio/mp4"
    assert codec == "aac"
    assert seconds == pytest.approx(exhibit.facts["durationSeconds"], abs=0.2)


@pytest.mark.parametrize("sample", ["svg", "html"])
async def test_what_can_run_a_script_is_a_download_and_nothing_else(
    sample: str, exhibits: Mapping[str, Exhibit]
) -> None:
    headers = exhibits[sample].original.headers

    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


async def test_the_contact_sheet_shows_every_row(exhibits: Mapping[str, Exhibit], tmp_path: Path) -> None:
    kept = os.environ.get("ATTACHE_PICTURES") == "1"
    path = PICTURE if kept else tmp_path / PICTURE.name

    titles = draw([exhibits[row.sample] for row in ROWS], path)

    assert titles == [row.title for row in ROWS]
    assert path.stat().st_size < LARGEST_PICTURE_BYTES
