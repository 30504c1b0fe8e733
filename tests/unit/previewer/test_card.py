import gzip
import random
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from previewer.render import card_text
from previewer.render.card import render
from previewer.render.job import Rendered
from shared.media import Facts
from shared.sniff import sniff
from tests import documents, images
from tests.documents import OPEN_DOCUMENT
from tests.jobs import job

Label = Callable[[bytes], str]
VCARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Hopper;Grace;;;\r\nFN:Grace Hopper\r\nTEL:+15550108888\r\nEND:VCARD\r\n"


@pytest.fixture
def label(tmp_path: Path) -> Label:
    def of(content: bytes) -> str:
        source = tmp_path / "original.bin"
        source.write_bytes(content)
        rendered = render(job(source, tmp_path, sniff(content[:8192]).mime_type))
        assert rendered == Rendered(facts=Facts(label=rendered.facts.label))
        assert rendered.facts.label
        return rendered.facts.label

    return of


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (documents.office("word/document.xml"), "Word document"),
        (documents.office("xl/workbook.xml"), "Excel spreadsheet"),
        (documents.office("ppt/presentation.xml"), "PowerPoint presentation"),
        (documents.office("word/document.xml", padding=20_000), "Word document"),
        (documents.typed_zip(f"{OPEN_DOCUMENT}.text"), "OpenDocument text"),
        (documents.typed_zip(f"{OPEN_DOCUMENT}.spreadsheet"), "OpenDocument spreadsheet"),
        (documents.typed_zip(f"{OPEN_DOCUMENT}.presentation"), "OpenDocument presentation"),
        (documents.typed_zip(f"{OPEN_DOCUMENT}.graphics"), "OpenDocument file"),
        (documents.typed_zip("application/epub+zip"), "E-book"),
        (documents.ole("WordDocument"), "Word document"),
        (documents.ole("1Table", "Data", "Other", "More", "Workbook"), "Excel spreadsheet"),
        (documents.ole("Book"), "Excel spreadsheet"),
        (documents.ole("PowerPoint Document"), "PowerPoint presentation"),
        (documents.ole("__nameid_version1.0"), "Outlook message"),
        (documents.ole("EncryptionInfo", "EncryptedPackage"), "Office document, password-protected"),
        (documents.ole("whatever"), "File"),
        (rb"{\rtf1\ansi Hello}", "Rich text document"),
    ],
)
def test_office_files_are_called_what_people_call_them(label: Label, content: bytes, expected: str) -> None:
    assert label(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (documents.zip_of([]), "ZIP archive, empty"),
        (documents.zip_of(["a.txt"]), "ZIP archive, 1 file"),
        (documents.zip_of(["folder/", *(f"folder/{n}.jpg" for n in range(12))]), "ZIP archive, 12 files"),
        (documents.zip_of(["a", "b"], comment=b"PK\x05\x06 a comment"), "ZIP archive"),
        (documents.zip_of(["a", "b"], comment=b"x" * 60_000), "ZIP archive, 2 files"),
        (documents.locked_zip(["a", "b"]), "ZIP archive, 2 files, password-protected"),
        (documents.zip_of(["AndroidManifest.xml", "META-INF/MANIFEST.MF", "classes.dex"]), "Android app"),
        (documents.zip_of(["META-INF/MANIFEST.MF", "a.class"]), "Java program"),
        (documents.zip_of(["doc.kml"]), "Google Earth places"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(9), "RAR archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(9), "7-Zip archive"),
        (gzip.compress(b"x" * 50, mtime=0), "GZIP archive"),
        (bytes(257) + b"ustar\x0000", "TAR archive"),
        (b"MZ\x90\x00" + bytes(100), "Windows program"),
        (b"\x7fELF\x02" + bytes(20), "Linux program"),
        (b"wOF2" + bytes(20), "Font"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "Video"),
        (b"MThd\x00\x00\x00\x06" + bytes(9), "Sound"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(9), "Picture"),
        (b"SQLite format 3\x00" + bytes(9), "SQLite database"),
        (b"", "Empty file"),
        (bytes(1000), "File"),
        (b"\xff", "File"),
        (random.Random(6).randbytes(5000), "File"),  # noqa: S311 - a seed for a test
    ],
)
def test_archives_programs_and_what_nobody_knows(label: Label, content: bytes, expected: str) -> None:
    assert label(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (documents.zip_of(["a"]) + b"\0" * 100_000, "ZIP archive"),
        (documents.zip_of(["a"])[:-30], "ZIP archive"),
        (b"PK\x03\x04" + bytes(64), "ZIP archive"),
        (documents.office() + b"\0" * 100_000, "Word document"),
        (documents.zip_that_declares(60_000), "ZIP archive, 1 file"),
        (documents.zip_that_declares(1, directory_bytes=0xFFFFFFF0), "ZIP archive"),
        (documents.zip_that_declares(1, directory_bytes=10), "ZIP archive"),
        (documents.zip_that_declares(0xFFFF), "ZIP archive, 1 file"),
        (documents.zip64_that_declares(2**63, directory_bytes=2**63), "ZIP archive"),
        (documents.zip64_that_declares(2**63, directory_bytes=0), "ZIP archive, empty"),
        (documents.zip_of([f"{n}" for n in range(70_000)]), "ZIP archive, 70,000 files"),
        (documents.zip_of([f"{n}" for n in range(100_002)]), "ZIP archive, more than 100,000 files"),
    ],
    ids=["filler", "cut", "start only", "docx with filler", "60,000", "4 GB list", "short list", "64 bits, none",
         "2^63", "64 bits, empty", "70,000 files", "100,002 files"],
)  # fmt: skip
def test_a_zip_that_lies_or_is_damaged_is_still_a_zip(label: Label, content: bytes, expected: str) -> None:
    assert label(content) == expected


@pytest.mark.parametrize("sector", [0, 1, 7, 0xFFFFFFFE, 0xFFFFFFFF])
def test_an_office_file_that_runs_in_circles_ends(label: Label, sector: int) -> None:
    content = bytearray(documents.ole("a", "b", "c", "d", "e"))
    struct.pack_into("<I", content, 48, sector)  # where the list begins
    struct.pack_into("<I", content, 516, 1)  # what follows the first sector: itself

    assert label(bytes(content)) == "File"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Dear Ada,\n\nthe heating is off.\n", "Dear Ada,"),
        ("\n\n  \t \n  Second  line\tfirst \n", "Second line first"),
        ("Grüße aus München\n", "Grüße aus München"),
        ("東京からこんにちは", "東京からこんにちは"),
        ("x" * 300, "x" * 99 + "…"),
        ("word " * 100, ("word " * 19 + "word") + "…"),
        ("invoice\u202egpj.exe\u202c \u200bx\u2066y\ufeff", "invoicegpj.exe xy"),
        ("a\x1b[31mred\x07\n", "a[31mred"),
        (" \n\t\n ", "Text file, empty"),
        ("\u200b\u200e\n", "Text file, empty"),
        ("\ufeffwith a mark", "with a mark"),
        ("Well, yes, no\nAnd, so, on\n", "Well, yes, no"),
        ("[12.03.24, 10:00:01] Ada: hello\n[12.03.24, 10:00:02] Grace: hi\n", "[12.03.24, 10:00:01] Ada: hello"),
        ("<3 you\n", "<3 you"),
        ("name,phone,place\nAda,1,London\nGrace,2,New York\n", "CSV table, 3 columns"),
        ('a;b\n"1;2";3\n', "CSV table, 2 columns"),
        ("a\tb\n1\t2\n", "CSV table, 2 columns"),
        ("Main Street 1,\nLondon,\nUnited Kingdom,\n", "Main Street 1,"),
        ("a,,\n,b,\n", "a,,"),
        ("a,b,\n,,\n", "CSV table, 3 columns"),
        ('{"name": "Ada"}', "JSON data"),
        ("[\n  {}\n]", "JSON data"),
        ("[" * 60_000, "JSON data"),
        ("<!DOCTYPE html><p>x", "Web page"),
        ("\n<HTML><body>", "Web page"),
        ("<!-- c --><html>", "Web page"),
        ("<script>alert(1)</script>", "Web page"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        ("<?xml version='1.0'?><!-- c -->\n<svg/>", "SVG drawing"),
        ("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>", "SVG drawing"),
        ("<?xml version='1.0'?><invoice/>", "XML file"),
        ("<?xml", "XML file"),
        ("<!" * 5000, ("<!" * 50)[:99] + "…"),
        (VCARD, "Contact: Grace Hopper"),
        (VCARD * 2, "Contact: Grace Hopper and others"),
        ("BEGIN:VCARD\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BCrgen\nEND:VCARD", "Contact: Jürgen"),
        ("BEGIN:VCARD\nitem1.FN:Ada\\, Countess\nEND:VCARD", "Contact: Ada, Countess"),
        ("BEGIN:VCARD\nEND:VCARD", "Contact"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Plumber\nEND:VEVENT", "Calendar entry: Plumber"),
        ("Return-Path: <a@example.com>\nSubject: hello\n\nx", "E-mail"),
    ],
)
def test_a_text_is_called_by_what_it_is_or_by_its_first_line(label: Label, content: str, expected: str) -> None:
    assert label(content.encode()) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "Grüße"),
        ("Grüße".encode("utf-32"), "Grüße"),
        ("Viele Grüße aus München".encode("cp1252"), "Viele Grüße aus München"),
        ("Привет из Москвы".encode("cp1251"), "Text file"),
        (b"\xff\xfe", "Text file, empty"),
        (b"\xff\xfeA", "Text file, empty"),
        (b"\xff\xfe" + b"\x00\xd8" * 50, "File"),
        (("ä" * 40_000).encode()[:65_537], "ä" * 99 + "…"),
        (b"a\nb\0c", "File"),
        (images.svg(), "SVG drawing"),
        (images.html(), "Web page"),
        (b"MZ is how this line begins", "MZ is how this line begins"),
        (b"GIF is how this line begins", "GIF is how this line begins"),
    ],
)
def test_a_text_is_read_in_the_encoding_that_it_has(label: Label, content: bytes, expected: str) -> None:
    assert label(content) == expected


def test_the_type_told_by_an_older_version_does_not_matter(tmp_path: Path) -> None:
    source = tmp_path / "original.doc"
    source.write_bytes(documents.ole("Workbook"))

    assert render(job(source, tmp_path, "application/msword")).facts.label == "Excel spreadsheet"


@given(text=st.text(st.characters(), max_size=300))
def test_a_label_is_one_short_visible_line(text: str) -> None:
    line = card_text.cleaned(text)

    assert len(line) <= 100
    assert not any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in line)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"), b"<"]),
)
def test_any_bytes_have_a_label(label: Label, content: bytes, start: bytes) -> None:
    assert 0 < len(label(start + content)) <= 100
