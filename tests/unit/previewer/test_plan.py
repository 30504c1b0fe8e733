from previewer.plan import PREVIEW, RENDERERS, RENDITIONS, THUMB, Renderer, missing
from previewer.render.decoding import FORMATS
from previewer.render.worker import RENDER


def test_a_new_picture_lacks_everything() -> None:
    assert missing("image/jpeg", {}) == (THUMB, PREVIEW)


def test_what_exists_in_this_recipe_is_not_made_again() -> None:
    assert missing("image/png", {"thumb": THUMB.recipe}) == (PREVIEW,)
    assert missing("image/png", {"thumb": THUMB.recipe, "preview": PREVIEW.recipe}) == ()


def test_what_exists_in_an_older_recipe_is_made_again() -> None:
    assert missing("image/webp", {"thumb": THUMB.recipe - 1, "preview": PREVIEW.recipe}) == (THUMB,)


def test_renditions_of_other_names_do_not_matter() -> None:
    assert missing("image/gif", {"waveform": 1}) == (THUMB, PREVIEW)


def test_a_type_without_a_renderer_has_nothing_to_render() -> None:
    for mime_type in ("video/mp4", "audio/ogg", "application/pdf", "application/zip", "image/svg+xml", "text/html", ""):
        assert missing(mime_type, {}) == ()


def test_the_file_name_carries_the_recipe() -> None:
    assert THUMB.file_name("webp") == f"thumb-{THUMB.recipe}.webp"


def test_the_tables_of_plan_worker_and_decoder_agree() -> None:
    assert set(RENDITIONS) == set(Renderer) == set(RENDER)
    assert {mime_type for mime_type in RENDERERS if mime_type.startswith("image/")} == set(FORMATS)
