"""Documents: office files, archives, text, and what a browser must never be shown."""

from __future__ import annotations

import zipfile
from io import BytesIO

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND = "application/vnd.openxmlformats-officedocument"


def letter_docx() -> bytes:
    """A short letter that Word opens without a complaint."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    lines = ("Dear customer,", "your parcel is on its way and arrives on Thursday.", "Kind regards")
    text = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in lines)
    return _office(
        {"word/document.xml": (f"{_KIND}.wordprocessingml.document.main+xml", "officeDocument")},
        {"word/document.xml": f'{_HEAD}<w:document xmlns:w="{word}"><w:body>{text}</w:body></w:document>'},
    )


def prices_xlsx() -> bytes:
    """A sheet of four rows that Excel opens without a complaint."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rows = (("Copper pipe 15 mm", 18.4), ("Elbow 90", 6.2), ("Sealing tape", 2.95), ("Valve", 24.0))
    cells = "".join(
        f'<row r="{number}"><c r="A{number}" t="inlineStr"><is><t>{item}</t></is></c>'
        f'<c r="B{number}"><v>{price}</v></c></row>'
        for number, (item, price) in enumerate(rows, start=1)
    )
    relation = f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    return _office(
        {
            "xl/workbook.xml": (f"{_KIND}.spreadsheetml.sheet.main+xml", "officeDocument"),
            "xl/worksheets/sheet1.xml": (f"{_KIND}.spreadsheetml.worksheet+xml", ""),
        },
        {
            "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{main}" xmlns:r="{_OFFICE}"><sheets>'
            '<sheet name="Prices" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{relation}'
            "</Relationships>",
            "xl/worksheets/sheet1.xml": f'{_HEAD}<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        },
    )


def archive_zip() -> bytes:
    """A zip with three members."""
    figures = "month,items\n1,12\n2,17\n3,21\n"
    return _zipped({"readme.txt": "Three files in one.\n", "figures/2026.csv": figures, "figures/2025.csv": figures})


def notes_txt() -> bytes:
    """A few lines of UTF-8."""
    return (
        "Address for the delivery on Thursday\n\nCorner Store\n12 Harbour Road, 2nd floor\nBell: “Workshop”\n\n"
        "Please call ten minutes before. The lift does not work; sorry!\n"
    ).encode()


def orders_csv() -> bytes:
    """A table of orders."""
    rows = (f"2026-03-{day:02},{1040 + day},{day % 4 + 1},{(day * 7.35):.2f}" for day in range(1, 13))
    return "\n".join(("date,order,items,total", *rows, "")).encode()


def drawing_svg() -> bytes:
    """A drawing with a script in it: nothing that an operator's browser should run."""
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80">'
        b'<rect width="120" height="80" fill="#eef"/><circle cx="60" cy="40" r="24" fill="#2a9d76"/>'
        b"<script>document.title = 'an SVG can run this'</script></svg>\n"
    )


def page_html() -> bytes:
    """A page with a script in it."""
    return (
        b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Your invoice</title></head>\n'
        b"<body><h1>Your invoice</h1><script>document.title = 'a page can run this'</script></body></html>\n"
    )


def _office(parts: dict[str, tuple[str, str]], members: dict[str, str]) -> bytes:
    """An Office file. `parts`: the content type of each part, and the relation of the one to begin with."""
    overrides = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, (kind, _) in parts.items())
    relations = "".join(
        f'<Relationship Id="rId1" Type="{_OFFICE}/{relation}" Target="{name}"/>'
        for name, (_, relation) in parts.items()
        if relation
    )
    return _zipped(
        {
            "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
            "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
            **members,
        }
    )


def _zipped(members: dict[str, str]) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # ZipInfo's fixed date keeps the bytes the same at each run
    return sink.getvalue()
