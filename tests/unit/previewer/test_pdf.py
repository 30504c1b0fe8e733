import math
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from previewer.render.job import Limits, Rendered
from previewer.render.pdf import render
from shared.errors import PreviewUnreadable
from shared.media import Facts
from shared.plan import PREVIEW, THUMB
from tests import documents
from tests.jobs import job

A4 = "0 0 595 842"
Renderer = Callable[..., Rendered]
RGB = tuple[int, int, int]
RED, GREEN, BLUE, WHITE = (219, 31, 41), (31, 178, 61), (41, 61, 209), (255, 255, 255)


@pytest.fixture
def rendered(tmp_path: Path) -> Renderer:
    def of(content: bytes, *, existing: dict[str, int] | None = None, limits: Limits | None = None) -> Rendered:
        source = tmp_path / "original.pdf"
        source.write_bytes(content)
        return render(job(source, tmp_path, "application/pdf", existing=existing, limits=limits))

    return of


def picture(rendered: Rendered, name: str = "preview") -> Image.Image:
    (path,) = [file.path for file in rendered.files if file.name == name]
    with Image.open(path) as image:
        return image.convert("RGB")


def colours(image: Image.Image) -> list[RGB]:
    """Of the four corners: top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 8, image.height - 8
    found = [image.getpixel(at) for at in ((8, 8), (right, 8), (8, bottom), (right, bottom))]
    return [min((RED, GREEN, BLUE, WHITE), key=lambda colour: math.dist(colour, each)) for each in found]  # type: ignore[arg-type]


def dark_pixels(image: Image.Image) -> int:
    return sum(image.convert("L").histogram()[:128])


def test_the_first_page_becomes_preview_and_thumb(rendered: Renderer) -> None:
    made = rendered(documents.pdf(documents.corners(595, 842), b"", b"", media_box=A4))

    assert (made.facts.pages, made.facts.label) == (3, "PDF document, 3 pages")
    assert made.facts.thumbhash
    assert (made.facts.width, made.facts.height) == (None, None)
    assert [(file.name, file.mime_type, file.width, file.height) for file in made.files] == [
        ("preview", "image/webp", 905, 1280),
        ("thumb", "image/webp", 226, 320),
    ]
    assert colours(picture(made)) == [RED, GREEN, BLUE, WHITE]
    assert colours(picture(made, "thumb")) == [RED, GREEN, BLUE, WHITE]


def test_one_page_is_one_page(rendered: Renderer) -> None:
    assert rendered(documents.pdf(b"")).facts.label == "PDF document, 1 page"


def test_only_what_is_missing_is_made(rendered: Renderer) -> None:
    content = documents.pdf(documents.corners(200, 100))
    whole = rendered(content)

    (thumb,) = rendered(content, existing={PREVIEW.name: PREVIEW.recipe}).files
    nothing = rendered(content, existing={spec.name: spec.recipe for spec in (PREVIEW, THUMB)})

    assert (thumb.name, thumb.width, thumb.height) == ("thumb", 320, 160)
    assert nothing.files == ()
    assert nothing.facts.model_copy(update={"thumbhash": None}) == whole.facts.model_copy(update={"thumbhash": None})
    assert nothing.facts.thumbhash


@pytest.mark.parametrize("password", ["secret", "päss"])
def test_a_password_is_no_failure(rendered: Renderer, password: str) -> None:
    made = rendered(documents.pdf(documents.corners(200, 100), password=password))

    assert made == Rendered(facts=Facts(label="PDF document, password-protected"))


def test_a_pdf_that_opens_for_everybody_is_shown_though_it_is_enciphered(rendered: Renderer) -> None:
    made = rendered(documents.pdf(documents.corners(200, 100), password=""))

    assert made.facts.pages == 1
    assert colours(picture(made)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    ("page", "size", "seen"),
    [
        ("/Rotate 90", (209, 417), [BLUE, RED, WHITE, GREEN]),
        ("/Rotate 180", (417, 209), [WHITE, BLUE, GREEN, RED]),
        ("/Rotate -90", (209, 417), [GREEN, WHITE, RED, BLUE]),
        ("/Rotate 45", (417, 209), [RED, GREEN, BLUE, WHITE]),
        ("/CropBox[0 50 100 100]", (209, 105), [RED, RED, RED, RED]),
    ],
)
def test_a_page_is_turned_and_cropped_as_readers_show_it(
    rendered: Renderer, page: str, size: tuple[int, int], seen: list[RGB]
) -> None:
    image = picture(rendered(documents.pdf(documents.corners(200, 100), page=page)))

    assert image.size == size
    assert colours(image) == seen


@pytest.mark.parametrize(
    ("media_box", "size"),
    [
        ("0 0 72 36", (150, 75)),  # at 150 dots per inch
        ("0 0 14400 14400", (1280, 1280)),
        ("0 0 1 14400", (1, 1280)),
        ("0 0 14400 1", (1280, 1)),
        ("-100 -100 100 0", (417, 209)),
        ("200 100 0 0", (417, 209)),
    ],
)
def test_a_page_of_any_size_fits_the_box(rendered: Renderer, media_box: str, size: tuple[int, int]) -> None:
    assert picture(rendered(documents.pdf(b"", media_box=media_box))).size == size


@pytest.mark.parametrize(
    "media_box",
    [
        "0 0 0 0",
        "0 0 1e9 1e9",
        "0 0 1e38 1e38",
        "0 0 1e-9 1e-9",
        "0 0 1e9 1e-9",
        "5 5 5 5",
        "0 0",
        "x",
        "0 0 99999999999 9",
    ],
)
def test_an_absurd_page_is_shown_small_or_refused(rendered: Renderer, media_box: str) -> None:
    try:
        made = rendered(documents.pdf(documents.corners(200, 100), media_box=media_box))
    except PreviewUnreadable:
        return
    assert all(1 <= (file.width or 0) <= 1280 and 1 <= (file.height or 0) <= 1280 for file in made.files)


def test_a_page_stays_below_the_pixel_limit(rendered: Renderer) -> None:
    image = picture(rendered(documents.pdf(b"", media_box=A4), limits=Limits(pixels=10_000)))

    assert 5_000 < image.width * image.height <= 10_500


@pytest.mark.parametrize(
    "font", ["Helvetica", "Times-Roman", "Courier-Bold", "Symbol", "ZapfDingbats", "Arial", "Frutiger-Nobody-Has-It"]
)
def test_text_is_drawn_though_the_file_holds_no_font(rendered: Renderer, font: str) -> None:
    made = rendered(documents.pdf(documents.text("Invoice"), base_font=font))

    assert dark_pixels(picture(made)) > 500


def test_notes_and_filled_forms_are_drawn_and_their_scripts_are_not_run(rendered: Renderer) -> None:
    box = (
        b"<</Type/XObject/Subtype/Form/BBox[0 0 100 50]/Length 34>>stream\n0.86 0.12 0.16 rg 0 0 100 50 re f\nendstream"
    )
    note = b"<</Type/Annot/Subtype/Square/Rect[0 50 100 100]/F 4/AP<</N 92 0 R>>>>"
    field = (
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/V(x)/Rect[100 0 200 50]/F 4/AP<</N 92 0 R>>"
        b"/AA<</F<</S/JavaScript/JS(while\\(true\\);)>>>>>>"
    )
    made = rendered(
        documents.pdf(
            b"",
            page="/Annots[90 0 R 91 0 R]",
            catalog="/AcroForm<</Fields[91 0 R]>>/OpenAction<</S/JavaScript/JS(while\\(true\\);)>>",
            objects={90: note, 91: field, 92: box},
        )
    )

    assert colours(picture(made)) == [RED, WHITE, WHITE, RED]


def test_where_the_first_page_is_broken_the_next_is_shown(rendered: Renderer) -> None:
    content = documents.pdf(b"", documents.corners(200, 100))
    broken = content.replace(b"<</Type/Page/", b"(x)  %<</Typ/", 1)

    made = rendered(broken)

    assert colours(picture(made)) == [RED, GREEN, BLUE, WHITE]


def test_a_page_that_shows_nothing_of_itself_counts_as_broken(rendered: Renderer) -> None:
    with pytest.raises(PreviewUnreadable, match="None of the first pages"):
        rendered(documents.pdf(documents.corners(200, 100), page="/CropBox[900 900 950 950]"))


def test_a_broken_page_content_is_an_empty_page(rendered: Renderer) -> None:
    assert len(rendered(documents.pdf(b"BT ET q q q \xff\xfe ( <<")).files) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\n" + bytes(5000),
        documents.pdf_of({1: b"<</Type/Catalog>>"}),
        documents.pdf(),
        documents.pdf_of({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[2 0 R]/Count 3>>"}),
    ],
    ids=["header", "zeros", "no pages", "none", "tree of itself"],
)
def test_a_damaged_pdf_is_unreadable_and_says_so_to_people(rendered: Renderer, content: bytes) -> None:
    with pytest.raises(PreviewUnreadable) as caught:
        rendered(content)

    assert caught.value.message.endswith("so it has no preview. The original can be downloaded.")
    assert "pdfium" not in caught.value.message.lower()


@pytest.mark.parametrize("declared", [100_000, 2**31 - 1, 10**12, -5])
def test_a_number_of_pages_that_lies_costs_nothing(rendered: Renderer, declared: int) -> None:
    content = documents.pdf(documents.corners(200, 100)).replace(b"/Count 1>>", b"/Count %d>>" % declared)

    try:
        made = rendered(content)
    except PreviewUnreadable:
        return
    assert 1 <= (made.facts.pages or 0) <= 2**20
    assert colours(picture(made)) == [RED, GREEN, BLUE, WHITE]


def test_filler_behind_the_end_does_not_matter(rendered: Renderer) -> None:
    content = documents.pdf(documents.corners(200, 100)) + random.Random(6).randbytes(2_000_000)  # noqa: S311 - a seed for a test

    assert colours(picture(rendered(content))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("junk", [b"\xef\xbb\xbf", b"\r\n\r\n", b"X-Header: mail\r\n\r\n", bytes(1000)])
def test_junk_before_the_beginning_does_not_matter(rendered: Renderer, junk: bytes) -> None:
    assert colours(picture(rendered(junk + documents.pdf(documents.corners(200, 100))))) == [RED, GREEN, BLUE, WHITE]


def test_a_file_that_is_gone_is_our_disk_and_not_their_pdf(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.fspath(tmp_path)):
        render(job(tmp_path / "gone.pdf", tmp_path, "application/pdf"))
