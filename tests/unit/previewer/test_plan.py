from zlib import crc32

from previewer.render.decoding import FORMATS
from previewer.render.worker import RENDER
from shared.media import Facts
from shared.plan import (
    FACTS_RECIPE,
    PLAN,
    PLAYABLE,
    PLAYABLE_SECONDS,
    POSTER,
    PREVIEW,
    RENDERERS,
    STILL,
    THUMB,
    WAVEFORM,
    Renderer,
    missing,
    plan,
    renderer_of,
)
from shared.sniff import EXTENSIONS

FACTS = Facts(width=4, height=3)


def test_a_new_picture_lacks_everything() -> None:
    assert missing("image/jpeg", 1000, FACTS, {}) == (THUMB, PREVIEW)


def test_what_exists_in_this_recipe_is_not_made_again() -> None:
    assert missing("image/png", 1000, FACTS, {"thumb": THUMB.recipe}) == (PREVIEW,)
    assert missing("image/png", 1000, FACTS, {"thumb": THUMB.recipe, "preview": PREVIEW.recipe}) == ()


def test_what_exists_in_an_older_recipe_is_made_again() -> None:
    assert missing("image/webp", 1000, FACTS, {"thumb": THUMB.recipe - 1, "preview": PREVIEW.recipe}) == (THUMB,)


def test_renditions_of_other_names_do_not_matter() -> None:
    assert missing("image/gif", 1000, FACTS, {"waveform": 1}) == (THUMB, PREVIEW)


def test_an_animation_also_has_a_picture_that_stands_still() -> None:
    assert plan("image/gif", 1000, Facts(width=4, height=3, animated=True)) == (THUMB, PREVIEW, STILL)


def test_a_film_has_a_poster_and_one_that_holds_only_sound_is_a_sound() -> None:
    assert plan("video/mp4", 1000, FACTS) == (POSTER, THUMB)
    assert plan("video/mp4", 1000, Facts(playable=True, duration_seconds=3)) == (THUMB, WAVEFORM)
    assert plan("video/3gpp", 1000, Facts(playable=False, duration_seconds=3)) == (THUMB, WAVEFORM, PLAYABLE)


def test_sound_that_browsers_do_not_play_has_a_form_that_they_do() -> None:
    assert plan("audio/ogg", 1000, Facts(playable=False, duration_seconds=3)) == (WAVEFORM, THUMB, PLAYABLE)
    assert plan("audio/mpeg", 1000, Facts(playable=True, duration_seconds=3)) == (WAVEFORM, THUMB)


def test_sound_that_lasts_too_long_to_encode_is_only_drawn() -> None:
    for seconds in (PLAYABLE_SECONDS + 0.001, None):
        assert plan("audio/ogg", 1000, Facts(playable=False, duration_seconds=seconds)) == (WAVEFORM, THUMB)


def test_a_pdf_has_pictures_when_it_can_be_opened() -> None:
    assert plan("application/pdf", 1000, Facts(pages=3)) == (PREVIEW, THUMB)
    assert plan("application/pdf", 1000, Facts()) == ()


def test_everything_else_is_a_card_without_pictures() -> None:
    for mime_type in ("application/zip", "image/svg+xml", "text/html", "application/octet-stream", ""):
        assert plan(mime_type, 1000, Facts(label="a file")) == ()


def test_the_file_name_carries_the_recipe() -> None:
    assert THUMB.file_name("webp") == f"thumb-{THUMB.recipe}.webp"


def test_files_of_a_type_that_was_learnt_are_looked_into_again() -> None:
    """When this fails, raise FACTS_RECIPE[CARD]: such files were cards. Then write down both numbers anew."""
    known = " ".join(f"{mime_type}={renderer_of(mime_type)}" for mime_type in sorted(EXTENSIONS))

    assert (FACTS_RECIPE[Renderer.CARD], len(EXTENSIONS), crc32(known.encode())) == (1, 63, 3106510405)


def test_the_tables_of_plan_worker_and_decoder_agree() -> None:
    assert set(Renderer) == set(RENDER) == set(FACTS_RECIPE)
    assert {row.renderer for row in PLAN} == set(Renderer) - {Renderer.CARD}
    assert {mime_type for mime_type, renderer in RENDERERS.items() if renderer is Renderer.IMAGE} == set(FORMATS)
