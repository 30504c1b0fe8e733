"""Films and sounds that lie about their size, their length and how many samples they have."""

import struct
from collections.abc import Iterator

from tests.hostile.boxes import box, full_box, inserted, replaced, riff
from tests.hostile.case import Case
from tests.hostile.seeds import film, seed
from tests.hostile.structure import ogg_page

_MIB = 1024 * 1024


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (mime_type, make) in _MADE.items():
        yield Case(name=f"bomb.{name}", mime_type=mime_type, make=make)


# ---- mp4 and its family ---------------------------------------------------------------------------------------------


def _field(whole: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """`value` in each box of this name, that far behind the name."""
    at = whole.index(name)
    while at >= 0:
        start = at + 4 + offset
        whole = whole[:start] + value + whole[start + len(value) :]
        at = whole.find(name, at + 4)
    return whole


def _size(width: int, height: int, name: str = "mp4") -> bytes:
    """In the header of the track and of the sample; the coded film says otherwise."""
    whole = _field(seed(name), b"tkhd", 76, struct.pack(">II", width << 16 & 0xFFFFFFFF, height << 16 & 0xFFFFFFFF))
    for coded in (b"avc1", b"mp4v", b"s263"):
        at = whole.find(coded, whole.index(b"stsd"))
        if at >= 0:
            whole = whole[: at + 28] + struct.pack(">HH", width & 0xFFFF, height & 0xFFFF) + whole[at + 32 :]
    return whole


def _without_coded_size(width: int, height: int) -> bytes:
    """A codec whose only size is the container's, of raw pixels."""
    whole = film("mov", "rawvideo")
    at = whole.index(b"stsd") + 16
    return whole[: at + 28] + struct.pack(">HH", width, height) + whole[at + 32 :]


def _duration(value: int) -> bytes:
    whole = _field(seed("mp4"), b"mvhd", 16, struct.pack(">I", value))
    whole = _field(whole, b"mdhd", 16, struct.pack(">I", value))
    return _field(whole, b"tkhd", 20, struct.pack(">I", value))


def _timescale(value: int) -> bytes:
    return _field(_field(seed("mp4"), b"mvhd", 12, struct.pack(">I", value)), b"mdhd", 12, struct.pack(">I", value))


def _counts(value: int) -> bytes:
    whole = seed("mp4")
    for name, offset in ((b"stts", 4), (b"stsz", 8), (b"stsc", 4), (b"stco", 4), (b"stss", 4), (b"ctts", 4)):
        if name in whole:
            whole = _field(whole, name, offset, struct.pack(">I", value))
    return whole


def _samples_of_one_size(count: int) -> bytes:
    """`stsz` needs no entries when all samples have one size, and `stts` only one line for all."""
    whole = _field(seed("mp4"), b"stsz", 4, struct.pack(">II", 1, count))
    return _field(whole, b"stts", 4, struct.pack(">III", 1, count, 1))


def _box_size(name: bytes, value: int) -> bytes:
    whole = seed("mp4")
    at = whole.index(name) - 4
    return whole[:at] + struct.pack(">I", value) + whole[at + 4 :]


def _huge_box(name: bytes) -> bytes:
    """A size of 64 bits: nearly all."""
    whole = seed("mp4")
    at = whole.index(name) - 4
    return whole[:at] + struct.pack(">I4sQ", 1, name, 2**63 - 1) + whole[at + 8 :]


def _nested_boxes(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(b"moov", data)
    return seed("mp4")[:32] + data


def _matrix(values: bytes) -> bytes:
    return _field(seed("mp4"), b"tkhd", 40, values)


def _edits(count: int) -> bytes:
    """A list of edits that all jump back to the start."""
    edits = full_box(b"elst", struct.pack(">I", count) + struct.pack(">IIHH", 0x7FFFFFFF, 0, 1, 0) * count)
    whole = seed("mp4-fragments")
    at = whole.index(b"mdia") - 4
    extra = box(b"edts", edits)
    for name in (b"trak", b"moov"):
        start = whole.index(name) - 4
        size = struct.unpack(">I", whole[start : start + 4])[0]
        whole = whole[:start] + struct.pack(">I", size + len(extra)) + whole[start + 4 :]
    return inserted(whole, at, extra)


def _references(url: bytes) -> bytes:
    """The samples are in another file, it says."""
    whole = replaced(seed("mov"), b"url \0\0\0\1", b"url \0\0\0\0")
    return whole + box(b"free", url)


def _fragments(count: int) -> bytes:
    whole = seed("mp4-fragments")
    start = whole.index(b"moof") - 4
    size = struct.unpack(">I", whole[start : start + 4])[0]
    return whole[:start] + whole[start : start + size] * count


def _tracks(count: int) -> bytes:
    whole = seed("mp4-fragments")
    start = whole.index(b"trak") - 4
    size = struct.unpack(">I", whole[start : start + 4])[0]
    track = whole[start : start + size]
    moov = whole.index(b"moov") - 4
    old = struct.unpack(">I", whole[moov : moov + 4])[0]
    whole = whole[:moov] + struct.pack(">I", old + size * count) + whole[moov + 4 :]
    return inserted(whole, start, track * count)


# ---- Matroska -------------------------------------------------------------------------------------------------------


def _element(identity: bytes, data: bytes) -> bytes:
    return identity + struct.pack(">Q", len(data) | 1 << 56) + data


def _matroska_size(width: int, height: int) -> bytes:
    whole = film("webm", "libvpx", size=(512, 512))
    at = whole.index(b"\xe0", whole.index(b"V_VP8"))  # Video
    for name, value in ((b"\xb0", width), (b"\xba", height)):
        start = whole.index(name, at)
        length = whole[start + 1] & 0x7F
        whole = whole[: start + 2] + value.to_bytes(length, "big") + whole[start + 2 + length :]
    return whole


def _matroska_depth(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = _element(b"\x4d\xbb", data)
    return seed("webm")[:40] + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + _element(b"\x11\x4d\x9b\x74", data)


# ---- sound ----------------------------------------------------------------------------------------------------------


def _granule(value: int) -> bytes:
    """Each page says that so many samples have gone by. The checksums are put right."""
    pages = []
    for page in seed("voice").split(b"OggS")[1:]:
        pages.append(ogg_page(b"OggS" + page[:2] + struct.pack("<q", value) + page[10:]))
    return b"".join(pages)


def _opus_channels(count: int) -> bytes:
    return _with_right_checksum(_changed(seed("voice"), seed("voice").index(b"OpusHead") + 9, bytes([count])))


def _opus_gain() -> bytes:
    at = seed("voice").index(b"OpusHead") + 10
    return _with_right_checksum(_changed(seed("voice"), at, struct.pack("<HIH", 0xFFFF, 0xFFFFFFFF, 0x7FFF)))


def _with_right_checksum(whole: bytes) -> bytes:
    first = whole[: whole.index(b"OggS", 4)]
    return ogg_page(first) + whole[len(first) :]


def _changed(whole: bytes, at: int, value: bytes) -> bytes:
    return whole[:at] + value + whole[at + len(value) :]


def _wav(channels: int, rate: int, bits: int, *, data: bytes = bytes(1_000), size: int | None = None) -> bytes:
    block = max(1, channels * bits // 8) & 0xFFFF
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    return riff(b"WAVE", (b"fmt ", head), (b"data", data), size=size)


def _flac(info: bytes) -> bytes:
    return _changed(seed("flac"), 8, info)


def _endless_flac_pictures() -> bytes:
    return inserted(seed("flac"), 42, (b"\x06" + (16_000_000).to_bytes(3, "big")) + bytes(100))


def _id3(size: int) -> bytes:
    safe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + safe + b"APIC" + b"\x7f\x7f\x7f\x7f" + bytes(1_000) + seed("mp3")


def _xing() -> bytes:
    """An index that says the song is months long."""
    frame = b"\xff\xfb\x90\x64" + bytes(32) + b"Xing" + struct.pack(">III", 3, 0xFFFFFFFF, 0xFFFFFFFF)
    return frame.ljust(417, b"\0") + seed("mp3")


def _hours_of_silence(hours: int) -> bytes:
    """Frames of AMR, the smallest that there are: one byte for 20 ms."""
    return b"#!AMR\n" + b"\x7c" * (hours * 3600 * 50)


_M, _A = "video/mp4", "audio/mp4"

_MADE = {
    "mp4-65535": (_M, lambda: _size(0xFFFF, 0xFFFF)),
    "mp4-0": (_M, lambda: _size(0, 0)),
    "3gp-65535": ("video/3gpp", lambda: _size(0xFFFF, 0xFFFF, "3gp")),
    "mov-65535": ("video/quicktime", lambda: _size(0xFFFF, 0xFFFF, "mov")),
    "mov-raw-65535": ("video/quicktime", lambda: _without_coded_size(0xFFFF, 0xFFFF)),
    "mov-raw-7000": ("video/quicktime", lambda: _without_coded_size(7_000, 7_000)),
    "mp4-lasts-for-ever": (_M, lambda: _duration(0xFFFFFFFF)),
    "mp4-lasts-nothing": (_M, lambda: _duration(0)),
    "mp4-timescale-0": (_M, lambda: _timescale(0)),
    "mp4-timescale-1": (_M, lambda: _timescale(1)),
    "mp4-timescale-4294967295": (_M, lambda: _timescale(0xFFFFFFFF)),
    "mp4-counts": (_M, lambda: _counts(0x7FFFFFFF)),
    "mp4-counts-minus-1": (_M, lambda: _counts(0xFFFFFFFF)),
    "mp4-10-million-counts": (_M, lambda: _counts(10_000_000)),
    "mp4-billion-samples": (_M, lambda: _samples_of_one_size(1_000_000_000)),
    "mp4-30-million-samples": (_M, lambda: _samples_of_one_size(30_000_000)),
    "mp4-moov-of-4-gb": (_M, lambda: _box_size(b"moov", 0xFFFFFFFF)),
    "mp4-moov-of-8-eb": (_M, lambda: _huge_box(b"moov")),
    "mp4-mdat-of-8-eb": (_M, lambda: _huge_box(b"mdat")),
    "mp4-ftyp-of-0": (_M, lambda: _box_size(b"ftyp", 0)),
    "mp4-trak-of-1": (_M, lambda: _box_size(b"trak", 1)),
    "mp4-stsd-of-7": (_M, lambda: _box_size(b"stsd", 7)),
    "mp4-avc1-of-4-gb": (_M, lambda: _box_size(b"avc1", 0xFFFFFFF0)),
    "mp4-avcc-of-1-gb": (_M, lambda: _box_size(b"avcC", 0x3FFFFFFF)),
    "mp4-nested": (_M, lambda: _nested_boxes(5_000)),
    "mp4-matrix-of-0": (_M, lambda: _matrix(bytes(36))),
    "mp4-matrix-of-most": (_M, lambda: _matrix(b"\x7f\xff\xff\xff" * 9)),
    "mp4-matrix-skewed": (_M, lambda: _matrix(struct.pack(">9i", 40_000, 30_000, 0, -30_000, 40_000, 0, 0, 0, 1))),
    "mp4-100000-edits": (_M, lambda: _edits(100_000)),
    "mp4-5000-fragments": (_M, lambda: _fragments(5_000)),
    "mp4-1000-tracks": (_M, lambda: _tracks(1_000)),
    "mov-elsewhere": ("video/quicktime", lambda: _references(b"file:///etc/passwd")),
    "mp4-only-a-head": (_M, lambda: seed("mp4")[:32]),
    "m4a-counts": (_A, lambda: _field(seed("m4a"), b"stsz", 8, struct.pack(">I", 0x7FFFFFFF))),
    "m4a-rate-0": (_A, lambda: _field(seed("m4a"), b"mp4a", 24, bytes(4))),
    "m4a-channels": (_A, lambda: _field(seed("m4a"), b"mp4a", 16, b"\xff\xff")),
    "webm-65535": ("video/webm", lambda: _matroska_size(0xFFFF, 0xFFFF)),
    "webm-deep": ("video/webm", lambda: _matroska_depth(2_000)),
    "webm-only-a-head": ("video/webm", lambda: seed("webm")[:60]),
    "voice-granule-most": ("audio/ogg", lambda: _granule(2**63 - 1)),
    "voice-granule-minus-1": ("audio/ogg", lambda: _granule(-1)),
    "voice-granule-back": ("audio/ogg", lambda: _granule(-(2**62))),
    "voice-granule-years": ("audio/ogg", lambda: _granule(48_000 * 3600 * 24 * 3650)),
    "voice-255-channels": ("audio/ogg", lambda: _opus_channels(255)),
    "voice-0-channels": ("audio/ogg", lambda: _opus_channels(0)),
    "voice-gain": ("audio/ogg", _opus_gain),
    "voice-many-streams": ("audio/ogg", lambda: b"".join(_serial(number) for number in range(500))),
    "wav-65535-channels": ("audio/wav", lambda: _wav(0xFFFF, 8_000, 16)),
    "wav-0-channels": ("audio/wav", lambda: _wav(0, 8_000, 16)),
    "wav-rate-0": ("audio/wav", lambda: _wav(1, 0, 16)),
    "wav-rate-1": ("audio/wav", lambda: _wav(1, 1, 16, data=bytes(100_000))),
    "wav-rate-4294967295": ("audio/wav", lambda: _wav(1, 0xFFFFFFFF, 16)),
    "wav-65535-bits": ("audio/wav", lambda: _wav(1, 8_000, 0xFFFF)),
    "wav-size-of-4-gb": ("audio/wav", lambda: _wav(1, 8_000, 8, size=0xFFFFFFFF)),
    "wav-long": ("audio/wav", lambda: _wav(1, 8_000, 8, data=bytes(40 * _MIB))),
    "flac-absurd": ("audio/flac", lambda: _flac(b"\xff" * 34)),
    "flac-nothing": ("audio/flac", lambda: _flac(bytes(34))),
    "flac-pictures": ("audio/flac", _endless_flac_pictures),
    "mp3-tag-of-256-mb": ("audio/mpeg", lambda: _id3(0x0FFFFFFF)),
    "mp3-months": ("audio/mpeg", _xing),
    "mp3-tags": ("audio/mpeg", lambda: (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)) * 50_000 + seed("mp3")),
    "amr-hours": ("audio/amr", lambda: _hours_of_silence(20)),
    "amr-junk": ("audio/amr", lambda: b"#!AMR\n" + b"\xff" * 100_000),
    "aac-hours": ("audio/aac", lambda: seed("aac") * 3_000),
}  # fmt: skip


def _serial(number: int) -> bytes:
    """The first page of the voice note, as one of many streams at once."""
    first = seed("voice")[: seed("voice").index(b"OggS", 4)]
    return ogg_page(first[:14] + struct.pack("<I", number) + first[18:])
