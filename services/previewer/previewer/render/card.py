"""Files without a picture: what people call them, told from the bytes alone. Runs in a worker."""

from collections.abc import Mapping
from typing import BinaryIO

from previewer.render import card_ole, card_text, card_zip
from previewer.render.job import Job, Rendered
from shared.media import Facts
from shared.sniff import sniff

_FILE = "File"
_EMPTY = "Empty file"
_HEAD_BYTES = 64 * 1024

_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
_LABELS: Mapping[str, str] = {
    "application/msword": "Word document",
    f"{_OPEN_XML}.wordprocessingml.document": "Word document",
    f"{_OPEN_XML}.spreadsheetml.sheet": "Excel spreadsheet",
    f"{_OPEN_XML}.presentationml.presentation": "PowerPoint presentation",
    f"{_OPEN_DOCUMENT}.text": "OpenDocument text",
    f"{_OPEN_DOCUMENT}.spreadsheet": "OpenDocument spreadsheet",
    f"{_OPEN_DOCUMENT}.presentation": "OpenDocument presentation",
    "application/epub+zip": "E-book",
    "application/rtf": "Rich text document",
    "application/postscript": "PostScript document",
    "application/pdf": "PDF document",
    "application/vnd.rar": "RAR archive",
    "application/x-7z-compressed": "7-Zip archive",
    "application/x-tar": "TAR archive",
    "application/gzip": "GZIP archive",
    "application/x-bzip2": "BZIP2 archive",
    "application/x-xz": "XZ archive",
    "application/zstd": "Zstandard archive",
    "application/x-msdownload": "Windows program",
    "application/x-executable": "Linux program",
    "application/wasm": "WebAssembly program",
    "application/x-sqlite3": "SQLite database",
    "image/vnd.adobe.photoshop": "Photoshop picture",
    "image/vnd.dwg": "AutoCAD drawing",
}
_FAMILIES: Mapping[str, str] = {"image": "Picture", "audio": "Sound", "video": "Video", "font": "Font"}


def render(job: Job) -> Rendered:
    """A label and nothing else. Whatever the file holds, it is not unpacked, and reading it is bounded."""
    with job.source.open("rb") as file:
        return Rendered(facts=Facts(label=_label(file, job.size_bytes)))


def _label(file: BinaryIO, size_bytes: int) -> str:
    head = file.read(_HEAD_BYTES)
    if not head:
        return _EMPTY
    mime_type = sniff(head).mime_type
    if mime_type == "application/zip":
        return card_zip.label(file, size_bytes)
    if mime_type == "application/x-ole-storage":
        return card_ole.label(file) or _FILE
    if mime_type == "application/octet-stream":
        return card_text.label(head, whole=len(head) == size_bytes) or _FILE
    return _LABELS.get(mime_type) or _FAMILIES.get(mime_type.partition("/")[0]) or _FILE
