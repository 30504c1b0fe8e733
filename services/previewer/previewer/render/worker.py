"""Which function renders which files. Imports every decoder, so only worker processes import it."""

from collections.abc import Callable, Mapping

from previewer.render import audio, card, image, pdf, video
from previewer.render.job import Job, Rendered
from shared.plan import Renderer, renderer_of

RENDER: Mapping[Renderer, Callable[[Job], Rendered]] = {
    Renderer.IMAGE: image.render,
    Renderer.VIDEO: video.render,
    Renderer.AUDIO: audio.render,
    Renderer.PDF: pdf.render,
    Renderer.CARD: card.render,
}


def render(job: Job) -> Rendered:
    """Look into one file, and make what it lacks, by the renderer of its sniffed type."""
    return RENDER[renderer_of(job.mime_type)](job)
