"""Whatever a file turns out to be: what has been rendered lacks nothing, and is not rendered again."""

from pathlib import Path

import pytest

from previewer.render.worker import render
from shared.plan import Renderer, missing, renderer_of
from shared.sniff import sniff
from shared.storage.staging import HEAD_BYTES
from tests import films, sounds
from tests.jobs import job
from whatsapp_simulator.files import SAMPLES

FILES = {
    **{name: sample.read() for name, sample in SAMPLES.items()},
    # containers of film that hold nothing but sound
    "sound in mp4": films.sound_only(),
    "sound in 3gp": films.sound_only("3gp", "libopencore_amrnb"),
    "sound in webm": films.sound_only("webm", "libopus"),
    "sound without end": sounds.long_amr(660),
    "chain of sounds": sounds.voice_note(sounds.tone(1.0)) * 2,
}


@pytest.mark.parametrize("name", FILES)
def test_what_was_rendered_lacks_nothing(name: str, tmp_path: Path) -> None:
    source, mime_type = tmp_path / "original", sniff(FILES[name][:HEAD_BYTES]).mime_type
    source.write_bytes(FILES[name])

    first = render(job(source, tmp_path, mime_type))
    made = {file.name: file.recipe for file in first.files}
    second = render(job(source, tmp_path, mime_type, existing=made))

    assert missing(mime_type, len(FILES[name]), first.facts, made) == ()
    assert second.files == ()
    assert second.facts.model_copy(update={"thumbhash": None}) == first.facts.model_copy(update={"thumbhash": None})


@pytest.mark.parametrize("name", FILES)
def test_what_is_made_alone_is_what_is_made_together(name: str, tmp_path: Path) -> None:
    """Its key is the same: documents that show it from before know its size, and browsers have it cached."""
    source, mime_type = tmp_path / "original", sniff(FILES[name][:HEAD_BYTES]).mime_type
    source.write_bytes(FILES[name])
    together = render(job(source, tmp_path, mime_type))
    expected = {file.name: file.path.read_bytes() for file in together.files}
    recipes = {file.name: file.recipe for file in together.files}

    for alone in recipes:
        rest = {each: recipe for each, recipe in recipes.items() if each != alone}
        (file,) = render(job(source, tmp_path, mime_type, existing=rest)).files
        assert (file.name, file.path.read_bytes() == expected[alone]) == (alone, True)


def test_every_renderer_is_among_them() -> None:
    assert {renderer_of(sniff(data[:HEAD_BYTES]).mime_type) for data in FILES.values()} == set(Renderer)
