"""How sound and film begin, and the pictures that share their containers: ISO media, Matroska, Ogg, bare frames.

Every reader looks at the start of the file alone, in bounded time, and answers None when it is not its kind.
"""

import re
from collections.abc import Mapping

_BRAND_BYTES = 4
_BRANDS: Mapping[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
    b"qt  ": "video/quicktime",
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), "audio/mp4"),
    **dict.fromkeys((b"avc1", b"dash", b"mmp4", b"MSNV", b"f4v ", b"F4V "), "video/mp4"),
}
# these come in many versions
_BRAND_FAMILIES: tuple[tuple[bytes, str], ...] = (
    (b"3g", "video/3gpp"),
    (b"iso", "video/mp4"),
    (b"mp4", "video/mp4"),
    (b"mp7", "video/mp4"),
    (b"M4V", "video/mp4"),
    (b"cmf", "video/mp4"),
    (b"mif", "image/heif"),
    (b"msf", "image/heif"),
)
_GENERAL = "image/heif"  # says that it is a picture, not how it is coded

_BOXES_OF_A_MOVIE = frozenset({b"mvhd", b"cmov", b"rmra", b"iods", b"udta", b"trak", b"clip", b"prfl"})
_LARGEST_BOX = 0x1000_0000
_LARGE_BOX = 1  # its size follows behind the name
_BOX_HEADER = 8

_EBML = b"\x1a\x45\xdf\xa3"
_DOCTYPE = re.compile(rb"\x42\x82(?:[\x80-\xff]|\x40.|\x20.{2}|\x10.{3}|\x01.{7})(webm|matroska)", re.DOTALL)
_DOCTYPES: Mapping[bytes, str] = {b"webm": "video/webm", b"matroska": "video/x-matroska"}

_OGG_BEGINS = 2  # a page's flag: a stream begins here
_OGG_HEADER = 27
_OGG_FILMS = (b"\x80theora", b"\x01video", b"BBCD", b"OVP80")

_ID3_HEADER = 10
_ADTS_RATES = 13
# kbit/s, by the number that the frame holds
_MPEG1_LAYER3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG1_LAYER2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MPEG2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)


def iso_media(head: bytes) -> str | None:
    """mp4, mov, 3gp, m4a, HEIC, AVIF: the brand says which, and the general ones name a nearer one beside it."""
    if head[4:8] != b"ftyp":
        return _old_quicktime(head)
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major = _of_brand(head[8:12])
    if major is None or major == _GENERAL:
        brands = (head[at : at + _BRAND_BYTES] for at in range(16, end - _BRAND_BYTES + 1, _BRAND_BYTES))
        beside = [mime_type for brand in brands if (mime_type := _of_brand(brand))]
        if _GENERAL in {major, *beside}:
            return next((each for each in beside if each.startswith("image/") and each != _GENERAL), _GENERAL)
        return next(iter(beside), None)
    return major


def matroska(head: bytes) -> str | None:
    """WebM is the subset of Matroska that browsers play; the header says which of the two."""
    found = _DOCTYPE.search(head, 0, 256) if head.startswith(_EBML) else None
    return _DOCTYPES[found[1]] if found else None


def ogg(head: bytes) -> str | None:
    """Sound, unless one of the streams is known to be film. All streams begin before the first goes on."""
    at = 0
    while head.startswith(b"OggS", at) and len(head) - at >= _OGG_HEADER and head[at + 5] & _OGG_BEGINS:
        lengths = head[at + _OGG_HEADER : at + _OGG_HEADER + head[at + _OGG_HEADER - 1]]
        packet = at + _OGG_HEADER + len(lengths)
        if head.startswith(_OGG_FILMS, packet):
            return "video/ogg"
        at = packet + sum(lengths)
    return "audio/ogg" if head.startswith(b"OggS") else None


def frames(head: bytes) -> str | None:
    """MP3 and AAC without a container, behind an ID3 tag or not. A tag larger than `head` stands for an MP3."""
    if head[:3] == b"ID3" and len(head) >= _ID3_HEADER:
        b6, b7, b8, b9 = head[6:_ID3_HEADER]
        behind = head[_ID3_HEADER + (b6 << 21 | b7 << 14 | b8 << 7 | b9) :]
        if behind.startswith(b"fLaC"):
            return "audio/flac"
        return _frame(behind) or "audio/mpeg"
    return _frame(head)


def _of_brand(brand: bytes) -> str | None:
    if brand in _BRANDS:
        return _BRANDS[brand]
    return next((mime_type for start, mime_type in _BRAND_FAMILIES if brand.startswith(start)), None)


def _old_quicktime(head: bytes) -> str | None:
    """Before there were brands, a film began with any of its boxes."""
    size, name = int.from_bytes(head[:4], "big"), head[4:8]
    film = False
    if name == b"moov":
        film = size < _LARGEST_BOX and head[12:16] in _BOXES_OF_A_MOVIE
    elif name == b"mdat":
        film = size in {0, _LARGE_BOX} or _BOX_HEADER <= size < _LARGEST_BOX
    elif name == b"wide":
        film = size == _BOX_HEADER and head[12:16] in {b"mdat", b"moov"}
    elif name in {b"free", b"skip", b"pnot"} and _BOX_HEADER <= size < len(head):
        film = head[size + 4 : size + 8] in {b"mdat", b"moov", b"wide", b"free", b"skip", b"PICT"}
    return "video/quicktime" if film else None


def _frame(data: bytes) -> str | None:
    """The sound whose frame begins here, and another behind it as far as can be seen."""
    for mime_type, length in (("audio/aac", _adts_bytes), ("audio/mpeg", _mpeg_bytes)):
        first = length(data)
        if first and (len(data) < first + 4 or length(data[first:])):
            return mime_type
    return None


def _adts_bytes(data: bytes) -> int:
    """The length of the AAC frame, or 0."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0 or (data[2] >> 2) & 0xF >= _ADTS_RATES:
        return 0
    length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    return length if length > 7 else 0


def _mpeg_bytes(data: bytes) -> int:
    """The length of the MPEG audio frame of layer 2 or 3, or 0."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (data[1] >> 3) & 3, 4 - ((data[1] >> 1) & 3)
    rate, index, padding = (data[2] >> 2) & 3, (data[2] >> 4) - 1, (data[2] >> 1) & 1
    if version == 1 or layer not in {2, 3} or rate == 3 or not 0 <= index < len(_MPEG2):
        return 0
    table = _MPEG2 if version != 3 else _MPEG1_LAYER3 if layer == 3 else _MPEG1_LAYER2
    slots = 72 if version != 3 and layer == 3 else 144
    return slots * table[index] * 1000 // (_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]) + padding
