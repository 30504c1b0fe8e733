"""What a text is: a letter by its first line, a table, a contact, a page of markup. Nothing of it is interpreted."""

import codecs
import csv
import quopri
import re
import unicodedata
from collections.abc import Mapping

EMPTY = "Text file, empty"

_MOST_CHARACTERS = 100
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MOSTLY_ASCII = 0.7
_FEW = 0.1
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
# in an encoding that cannot be guessed from a few lines
_FOREIGN = "Text file"
_FEWEST_BYTES = 16
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
# control characters, what turns the reading direction or takes no room, halves of characters, private ones
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

_ROOT = re.compile(r"<([A-Za-z_][\w.:-]*)")
_DOCTYPE = re.compile(r"<!DOCTYPE\s+([\w.:-]+)", re.IGNORECASE)
_ROOTS: Mapping[str, str] = {
    "svg": "SVG drawing",
    "svg:svg": "SVG drawing",
    **dict.fromkeys(("html", "head", "body", "script", "meta", "title", "table", "div", "p", "iframe"), "Web page"),
}
_JSON = re.compile(r"\{\s*[\"}]|\[\s*[\[{\"]")
_MAIL = re.compile(r"(?:Received|Return-Path|Delivered-To|MIME-Version|Message-ID|From|Date|X-[\w-]+): ", re.IGNORECASE)
_SUBJECT = re.compile(r"^Subject: ", re.IGNORECASE | re.MULTILINE)
_LINES_OF_A_TABLE = 5
_SEPARATORS = "\t;,"


def label(head: bytes, *, whole: bool) -> str | None:
    """What people call the text that begins with `head`; None when it is no text. `whole`: there is no more of it."""
    text = _decoded(head, whole=whole)
    if text is None:
        return _FOREIGN if len(head) >= _FEWEST_BYTES and not _CONTROL_BYTES.search(head) else None
    begins = text.lstrip()
    if not begins:
        return EMPTY
    return _markup(begins) or _record(begins) or _table(text, whole=whole) or _first_line(begins)


def cleaned(text: str) -> str:
    """One line of at most 100 characters that shows what it is: no control, direction or zero-width marks."""
    spaced = " ".join(text.split())
    visible = "".join(each for each in spaced if unicodedata.category(each) not in _INVISIBLE)
    line = " ".join(unicodedata.normalize("NFC", visible).split())
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1].rstrip() + "…"


def _decoded(head: bytes, *, whole: bool) -> str | None:
    """By its mark, else UTF-8, else as Windows writes western languages; None for what is none of these."""
    marked = next(((mark, encoding) for mark, encoding in _MARKS if head.startswith(mark)), None)
    if marked:
        mark, encoding = marked
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head.removeprefix(mark))
    else:
        try:
            text = codecs.getincrementaldecoder("utf-8")("strict").decode(head, whole)
        except UnicodeDecodeError:
            text = head.decode("cp1252", "replace")
            if sum(each.isascii() for each in text) < _MOSTLY_ASCII * len(text):
                return None
    return text if "\0" not in text and len(_NOT_TEXT.findall(text)) <= _FEW * len(text) else None


def _markup(text: str) -> str | None:
    """By its first element, behind declarations and comments."""
    rest, declared = text, text.startswith("<?xml")
    while rest.startswith(("<?", "<!")):
        if (kind := _DOCTYPE.match(rest)) and (known := _ROOTS.get(kind[1].lower())):
            return known
        _, found, rest = rest.partition("-->" if rest.startswith("<!--") else ">")
        if not found:
            break
        rest = rest.lstrip()
    root = _ROOT.match(rest)
    known = _ROOTS.get(root[1].lower()) if root else None
    return known or ("XML file" if declared else None)


def _record(text: str) -> str | None:
    """Contacts, appointments, letters and data that say what they are."""
    upper = text[:20].upper()
    if upper.startswith("BEGIN:VCARD"):
        others = " and others" if text.upper().count("BEGIN:VCARD") > 1 else ""
        return cleaned(f"Contact: {name}{others}") if (name := _field(text, "FN")) else "Contact"
    if upper.startswith("BEGIN:VCALENDAR"):
        return cleaned(f"Calendar entry: {what}") if (what := _field(text, "SUMMARY")) else "Calendar entry"
    if _MAIL.match(text) and _SUBJECT.search(text):
        return "E-mail"
    return "JSON data" if _JSON.match(text) else None


def _field(text: str, name: str) -> str:
    """The first value of this name in a vCard or an iCalendar, with its escapes undone."""
    found = re.search(rf"^(?:\w+\.)?{name}((?:;[^:\r\n]*)?):(.*)$", text, re.IGNORECASE | re.MULTILINE)
    if found is None:
        return ""
    value = found[2]
    if "QUOTED-PRINTABLE" in found[1].upper():
        value = quopri.decodestring(value.encode("utf-8", "replace")).decode("utf-8", "replace")
    return cleaned(re.sub(r"\\([,;\\nN])", lambda escape: " " if escape[1] in "nN" else escape[1], value))


def _table(text: str, *, whole: bool) -> str | None:
    """Rows of equally many fields. A comma that a space follows, or the next line, is a comma."""
    lines = text.splitlines()
    if not whole:
        lines = lines[:-1]  # may be cut off
    lines = [line for line in lines if line.strip()][:_LINES_OF_A_TABLE]
    if len(lines) < 2:  # one line of commas is a sentence
        return None
    for separator in _SEPARATORS:
        if separator != "\t" and any(f"{separator} " in line for line in lines):
            continue
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error:
            continue
        widths = {len(row) for row in rows}
        if len(widths) == 1 and any(sum(map(bool, row)) > 1 for row in rows):
            return f"CSV table, {widths.pop():,} columns"
    return None


def _first_line(text: str) -> str:
    return next((line for each in text.splitlines() if (line := cleaned(each))), EMPTY)
