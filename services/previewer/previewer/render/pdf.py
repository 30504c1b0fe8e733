"""The first page of a PDF. Runs in a worker.

pdfium without V8 and XFA: no script of the document runs, whatever is drawn of its forms and notes.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from previewer.render.job import Job, Rendered
from previewer.render.pictures import pictures, still_edge
from shared.errors import PreviewUnreadable
from shared.media import Facts

_LOCKED = "PDF document, password-protected"
_NEEDS_A_KEY = frozenset({pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY})
_DAMAGED = "This PDF is damaged or cut off, so it has no preview. The original can be downloaded."
_NO_PAGE = "None of the first pages of this PDF can be shown, so it has no preview. The original can be downloaded."

_DOTS_PER_INCH = 150  # of a page that is smaller than the largest rendition even so
_POINTS_PER_INCH = 72
_PAGES_TRIED = 5  # where the first is broken, the next tells more than nothing


def render(job: Job) -> Rendered:
    """Write the first page that can be shown as the renditions that the PDF lacks.

    One that needs a password is no failure: its label says so. Raises `PreviewUnreadable` for one that is damaged.
    """
    with _opened(job) as document:
        if document is None:
            return Rendered(facts=Facts(label=_LOCKED))
        pages = len(document)
        facts = Facts(pages=pages, label=f"PDF document, {pages:,} {'page' if pages == 1 else 'pages'}")
        specs = job.missing(facts)
        still = _first_page(document, still_edge(job, facts), job.limits.pixels)
    made = pictures(still, specs, job)
    return Rendered(facts=facts.model_copy(update={"thumbhash": made.thumbhash}), files=made.files)


@contextmanager
def _opened(job: Job) -> Iterator[pypdfium2.PdfDocument | None]:
    """The document; None when it takes a password, or a certificate, to read it."""
    try:
        document = pypdfium2.PdfDocument(job.source)
    except pypdfium2.PdfiumError as error:
        if error.err_code not in _NEEDS_A_KEY:
            raise PreviewUnreadable(_DAMAGED, detail=str(error)) from error
        yield None
        return
    try:
        yield document
    finally:
        document.close()


def _first_page(document: pypdfium2.PdfDocument, edge: int, most_pixels: int) -> Image.Image:
    _with_forms(document)
    for index in range(min(len(document), _PAGES_TRIED)):
        try:
            page = document[index]
            width, height = page.get_size()
        except pypdfium2.PdfiumError:
            continue
        if 0 < width < math.inf and 0 < height < math.inf:
            return _drawn(page, _scale(width, height, edge, most_pixels))
    raise PreviewUnreadable(_NO_PAGE)


def _with_forms(document: pypdfium2.PdfDocument) -> None:
    """What people typed into a form is shown; a broken form is no reason to refuse the page."""
    try:
        document.init_forms()
    except pypdfium2.PdfiumError:
        return


def _scale(width: float, height: float, edge: int, most_pixels: int) -> float:
    """Pixels for each point. A page is made of lines: a small one is drawn larger, but not to no end."""
    return min(_DOTS_PER_INCH / _POINTS_PER_INCH, edge / max(width, height), math.sqrt(most_pixels / width / height))


def _drawn(page: pypdfium2.PdfPage, scale: float) -> Image.Image:
    """On white, turned and cropped as readers show it."""
    try:
        image: Image.Image = page.render(scale=scale, rev_byteorder=True, limit_image_cache=True).to_pil()
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise PreviewUnreadable(_DAMAGED, detail=str(error)) from error
    return image
