"""Damaged files as hypothesis draws them: good ones whose parts were lied about, swapped, grafted, cut and flipped."""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from tests.hostile import seeds
from tests.hostile.structure import Part, parts, with_right_checksums

_NAMES = sorted(seeds.TYPES)
_ROUND = 5_000
_MOST_BYTES = 64 * 1024  # a file that grew larger is cut
_NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)
_FORMATS = (">B", ">H", "<H", ">I", "<I", ">Q", "<Q")
# which decoder is asked is told by these bytes; they stay
_MAGIC_BYTES = 12


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A file, and the name of the good one that it was made of."""

    name: str
    data: bytes

    @property
    def mime_type(self) -> str:
        """The type that it is rendered as."""
        return seeds.TYPES[self.name]


def damaged_files(count: int, *, number: int) -> Iterator[Damaged]:
    """So many, of each good file as many, no two alike, and the same ones for the same number."""
    for begun in range(0, count, _ROUND):
        left = min(_ROUND, count - begun)
        for index, name in enumerate(_NAMES):
            share = left // len(_NAMES) + (index < left % len(_NAMES))
            yield from _drawn(name, share, number=(number * 1_000_003 + begun) * 1_000_003 + index)


def _drawn(name: str, count: int, *, number: int) -> Sequence[Damaged]:
    found: dict[bytes, Damaged] = {}

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(name))
    def collect(file: Damaged) -> None:
        assume(file.data not in found)
        found[file.data] = file

    if count:
        collect()
    return list(found.values())


@st.composite
def damaged(draw: st.DrawFn, name: str) -> Damaged:
    """The good file of this name after one to four kinds of damage."""
    data = seeds.seed(name)
    for damage in draw(st.lists(st.sampled_from(_DAMAGES), min_size=1, max_size=4)):
        data = damage(draw, data)[:_MOST_BYTES]
    if draw(st.booleans()):
        data = with_right_checksums(data)
    return Damaged(name=name, data=data)


def _position(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(min(_MAGIC_BYTES, len(data)), len(data)))


def _part(draw: st.DrawFn, data: bytes) -> Part:
    """One that the file says it has, or else any stretch of it."""
    found = parts(data)
    if found:
        return found[draw(st.integers(0, len(found) - 1))]
    start = _position(draw, data)
    return Part(start=start, end=min(len(data), start + draw(st.integers(0, 256))))


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(draw(st.integers(1, 16))):
        at = _position(draw, data)
        if at < len(damaged):
            damaged[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(damaged)


def _number(draw: st.DrawFn, data: bytes) -> bytes:
    """A number that is the last of its kind, or nearly, anywhere."""
    return _written(draw, data, _position(draw, data), draw(st.sampled_from(_FORMATS)))


def _lie(draw: st.DrawFn, data: bytes) -> bytes:
    """A part that is not as long as it says."""
    part = _part(draw, data)
    at = part.start if part.length_at is None else part.length_at
    return _written(draw, data, at, part.length_format)


def _written(draw: st.DrawFn, data: bytes, at: int, form: str) -> bytes:
    size = struct.calcsize(form)
    if at + size > len(data):
        return data
    old = int(struct.unpack_from(form, data, at)[0])
    new = draw(st.sampled_from([*_NUMBERS, old - 1, old + 1, old * 2, old // 2]))
    return data[:at] + struct.pack(form, new % 256**size) + data[at + size :]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    part = _part(draw, data)
    return data[: part.end] + data[part.start : part.end] * draw(st.integers(1, 50)) + data[part.end :]


def _drop(draw: st.DrawFn, data: bytes) -> bytes:
    part = _part(draw, data)
    return data[: part.start] + data[part.end :] if part.start else data


def _swap(draw: st.DrawFn, data: bytes) -> bytes:
    first, second = sorted((_part(draw, data), _part(draw, data)), key=lambda part: part.start)
    if first.end > second.start:
        return data
    middle = data[first.end : second.start]
    return (
        data[: first.start]
        + data[second.start : second.end]
        + middle
        + data[first.start : first.end]
        + data[second.end :]
    )


def _graft(draw: st.DrawFn, data: bytes) -> bytes:
    """A part of another file."""
    other = seeds.seed(draw(st.sampled_from(_NAMES)))
    part, at = _part(draw, other), _part(draw, data).start or _position(draw, data)
    return data[:at] + other[part.start : part.end] + data[at:]


def _splice(draw: st.DrawFn, data: bytes) -> bytes:
    """The beginning of this file and the end of another."""
    other = seeds.seed(draw(st.sampled_from(_NAMES)))
    return data[: _position(draw, data)] + other[_position(draw, other) :]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: _position(draw, data)]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = _position(draw, data)
    return data[:at] + draw(st.binary(min_size=1, max_size=16)) * draw(st.sampled_from((1, 1, 16, 1024))) + data[at:]


_DAMAGES: tuple[Callable[[st.DrawFn, bytes], bytes], ...] = (
    _flip,
    _number,
    _lie,
    _repeat,
    _drop,
    _swap,
    _graft,
    _splice,
    _cut,
    _insert,
)
