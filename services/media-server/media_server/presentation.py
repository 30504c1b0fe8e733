"""How a file is shown to a browser, pure: a safe type, inline or as a download, and a name that does no harm.

Type and name were written by whoever sent the file. A browser must never run what they sent.
"""

import re
import unicodedata
from urllib.parse import quote

DOWNLOAD_TYPE = "application/octet-stream"

# shown in the browser's window; everything else is a download. No SVG, HTML or XML: those are programs.
_INLINE = frozenset(
    {
        "application/pdf",
        *(f"image/{name}" for name in ("jpeg", "png", "gif", "webp", "avif", "bmp", "heic", "heif")),
        *(f"audio/{name}" for name in ("aac", "amr", "flac", "mp4", "mpeg", "ogg", "opus", "wav", "webm", "x-m4a")),
        *(f"video/{name}" for name in ("mp4", "mpeg", "3gpp", "ogg", "quicktime", "webm", "x-m4v")),
    }
)
# what a page of ours could be tricked into loading as its own script or style: `nosniff` then refuses it; and what
# can hold a page (mail, multipart). Of the many kinds of text only those known to be read and not run keep their name.
_ACTIVE = re.compile(
    r"text/(?!(?:plain|csv|tab-separated-values|markdown|rtf|vcard|x-vcard|directory|calendar)$)"
    r"|multipart/|message/|image/svg|application/(xml|wasm|xhtml|mhtml|x-mimearchive|hta)|.*(script|\+xml).*"
)
_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")

_MOST_CHARACTERS = 100  # the name is in the link twice; longer links do not pass every proxy
_EXTENSION_CHARACTERS = 16
_UNSAFE = re.compile(r'[/\\<>:"|?*]')
_PATH = re.compile(r".*[/\\]")
# marks that turn the reading direction: they make "exe.jpg" out of "gpj.exe"
_BIDIRECTIONAL = {chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def served_type(mime_type: str) -> str:
    """The `Content-Type` for a declared or sniffed type: without parameters, and harmless."""
    essence = mime_type.partition(";")[0].strip().lower()
    if not _MIME_TYPE.fullmatch(essence) or _ACTIVE.match(essence):
        return DOWNLOAD_TYPE
    return essence


def is_inline(mime_type: str) -> bool:
    """Whether a browser may show this type in its window."""
    return served_type(mime_type) in _INLINE


def safe_file_name(name: str, *, otherwise: str) -> str:
    """`name` fit for a disk, a header and the eye: one line, no path, no reading tricks, at most 100 characters.

    `otherwise` when nothing is left of it.
    """
    clean = _UNSAFE.sub("_", _one_line(unicodedata.normalize("NFC", name))).strip(" .")
    return _shortened(clean) or otherwise


def shown_file_name(name: str) -> str:
    """`name` fit for the eye: one line, no path, no reading tricks, the rest as it was written. May be empty."""
    return _PATH.sub("", _one_line(name))


def content_disposition(name: str, *, inline: bool) -> str:
    """The header for a name made by `safe_file_name` (RFC 6266): plain ASCII for old clients, UTF-8 for the others."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # a percent sign too: some browsers decode it where they should not
    fallback = re.sub(r'[^ -~]|["\\%]', "_", ascii_name.lstrip().rstrip(" ."))
    if fallback[:1] in {"", "."}:  # nothing is left, or nothing but the extension
        fallback = f"file{fallback}"
    kind = "inline" if inline else "attachment"
    exact = "" if fallback == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{fallback}"{exact}'


def _one_line(name: str) -> str:
    return "".join(
        character
        for character in name
        if unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} and character not in _BIDIRECTIONAL
    )


def _shortened(name: str) -> str:
    if len(name) <= _MOST_CHARACTERS:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > _EXTENSION_CHARACTERS:
        return name[:_MOST_CHARACTERS].rstrip(" .")
    return f"{stem[: _MOST_CHARACTERS - len(extension) - 1].rstrip(' .')}.{extension}"
