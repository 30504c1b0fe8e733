import unicodedata

import pytest
from aiohttp.multipart import content_disposition_filename, parse_content_disposition
from hypothesis import given
from hypothesis import strategies as st

from media_server.presentation import content_disposition, is_inline, safe_file_name, served_type, shown_file_name

ANY_TEXT = st.text(st.characters(), max_size=300)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("Überweisung 東京.pdf", "Überweisung 東京.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\temp\\a.exe", "C__temp_a.exe"),
        ("a\r\nSet-Cookie: x.jpg", "aSet-Cookie_ x.jpg"),
        ("innocent\u202egpj.exe", "innocentgpj.exe"),
        ("\ud800.jpg", "jpg"),
        (".htaccess", "htaccess"),
        ("trailing. . ", "trailing"),
        ("...", "otherwise"),
        ("", "otherwise"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_lose_what_could_do_harm(name: str, shown: str) -> None:
    assert safe_file_name(name, otherwise="otherwise") == shown


@given(name=ANY_TEXT)
def test_a_shown_name_is_one_visible_line_without_a_path(name: str) -> None:
    shown = safe_file_name(name, otherwise="otherwise")

    assert 0 < len(shown) <= 100
    assert not set("/\\\r\n\0") & set(shown)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in shown)
    assert shown not in {".", ".."}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ('Q3: a|b? "*" <1>.  ', 'Q3: a|b? "*" <1>.  '),
        ("\u092e\u093f\u200d.pdf", "\u092e\u093f\u200d.pdf"),  # a joiner is a part of the word
        ("../../evil\u202egpj.exe", "evilgpj.exe"),
        ("C:\\temp\\a.exe", "a.exe"),
        ("a/\u2066\\b\r\n\x1b.txt", "b.txt"),
        ("x" * 300, "x" * 300),
        ("\u202e", ""),
        ("folder/", ""),
    ],
)
def test_a_name_is_shown_without_path_and_tricks_and_else_as_it_was(name: str, shown: str) -> None:
    assert shown_file_name(name) == shown


@given(name=ANY_TEXT, inline=st.booleans())
def test_every_name_makes_a_header_that_a_browser_reads_back(name: str, inline: bool) -> None:
    shown = safe_file_name(name, otherwise="otherwise")

    header = content_disposition(shown, inline=inline)

    assert header.isascii()
    assert header.isprintable()
    kind, parameters = parse_content_disposition(header)
    assert kind == ("inline" if inline else "attachment")
    assert content_disposition_filename(parameters) == shown


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Größe.png", "Groe.png"),
        ("東京", "file"),
        ("東京.png", "file.png"),
        ("東京.東京", "file"),
        ("東京 東京.tar.gz", "file.tar.gz"),
        ("👩‍👩‍👧.png", "file.png"),
    ],
)
def test_a_client_that_reads_only_ascii_gets_a_name_that_it_shows(name: str, plain: str) -> None:
    assert f'filename="{plain}"' in content_disposition(name, inline=False)


@pytest.mark.parametrize(
    ("mime_type", "served", "inline"),
    [
        ("image/jpeg", "image/jpeg", True),
        ("IMAGE/JPEG ; q=1", "image/jpeg", True),
        ("video/mp4", "video/mp4", True),
        ("application/pdf", "application/pdf", True),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            False,
        ),
        ("image/svg+xml", "application/octet-stream", False),
        ("application/xml", "application/octet-stream", False),
        ("text/html;charset=utf-8", "application/octet-stream", False),
        ("application/ecmascript", "application/octet-stream", False),
        ("text/css", "application/octet-stream", False),
        ("text/x-component", "application/octet-stream", False),
        ("text/plain-html", "application/octet-stream", False),
        ("multipart/x-mixed-replace", "application/octet-stream", False),
        ("multipart/related", "application/octet-stream", False),
        ("message/rfc822", "application/octet-stream", False),
        ("application/mathml+xml", "application/octet-stream", False),
        ("image/svg", "application/octet-stream", False),
        ("application/hta", "application/octet-stream", False),
        ("text/plain", "text/plain", False),
        ("text/csv; charset=utf-8", "text/csv", False),
        ("text/vcard", "text/vcard", False),
        ("application/json", "application/json", False),  # a waveform is fetched, not looked at
        ("application/zip", "application/zip", False),
        ("not a type", "application/octet-stream", False),
        ("image/jpeg\nX: y", "application/octet-stream", False),
    ],
)
def test_only_a_short_list_of_types_opens_in_the_window(mime_type: str, served: str, inline: bool) -> None:
    assert (served_type(mime_type), is_inline(mime_type)) == (served, inline)
