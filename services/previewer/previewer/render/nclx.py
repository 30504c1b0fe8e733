"""The ICC profile of HEIC and AVIF that have none and say in numbers (ITU-T H.273) which colours they mean."""

import math
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from PIL import Image, ImageCms

from previewer.render.decoding import FORMATS

_HEAD_BYTES = 64 * 1024  # where the boxes that describe the picture are
_BOX = b"colrnclx"

# The primaries as the columns of an ICC profile, which means red, green, blue in XYZ under D50 light.
_BT_2020, _P3_OF_CINEMA, _DISPLAY_P3 = 9, 11, 12
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_PRIMARIES: Mapping[int, tuple[tuple[float, ...], ...]] = {
    _BT_2020: ((0.67342, 0.27902, -0.00193), (0.16564, 0.67534, 0.02998), (0.12513, 0.04564, 0.79733)),
    _P3_OF_CINEMA: _P3,
    _DISPLAY_P3: _P3,
}
_PQ, _HLG = 16, 18
_CURVE_POINTS = 1024
_WHITE_NITS = 203.0  # of paper and of a page's ground, in a picture that may be brighter
_KNEE = 0.6  # light up to here stays as it is; what is brighter is pressed into the rest


def profile_of(image: Image.Image, source: Path) -> bytes | None:
    """The ICC profile by which to convert to sRGB; None when there is nothing to convert."""
    profile = image.info.get("icc_profile")
    if profile:
        return bytes(profile)
    if image.format == FORMATS["image/heif"]:
        told = image.info.get("nclx_profile") or {}
        return _profile(int(told.get("color_primaries", 0)), int(told.get("transfer_characteristics", 0)))
    if image.format == FORMATS["image/avif"]:
        return _profile(*_told_by_avif(source))
    return None


def _told_by_avif(source: Path) -> tuple[int, int]:
    """Primaries and transfer, which Pillow keeps for itself. Cameras describe the main picture first."""
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    at = head.find(_BOX) + len(_BOX)
    if at < len(_BOX) or len(head) < at + 4:
        return 0, 0
    primaries, transfer = struct.unpack_from(">HH", head, at)
    return primaries, transfer


@cache
def _profile(primaries: int, transfer: int) -> bytes | None:
    tags: dict[bytes, bytes] = {}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _PRIMARIES.get(primaries, ()), strict=False):
        tags[name] = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 0x10000) for value in column))
    if transfer in _LIGHT:
        curve = [_pressed(_LIGHT[transfer](point / (_CURVE_POINTS - 1))) for point in range(_CURVE_POINTS)]
        values = struct.pack(f">{_CURVE_POINTS}H", *(round(value * 0xFFFF) for value in curve))
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + struct.pack(">I", _CURVE_POINTS) + values)
    return _with_tags(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), tags) if tags else None


def _with_tags(profile: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """The profile with other values of tags that it has: they are put at its end, and its table points there."""
    changed = bytearray(profile)
    (count,) = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * count, 12):
        if (value := tags.get(bytes(profile[entry : entry + 4]))) is not None:
            changed[entry + 4 : entry + 12] = struct.pack(">II", len(changed), len(value))
            changed += value + bytes(-len(value) % 4)
    changed[:4] = struct.pack(">I", len(changed))
    return bytes(changed)


def _pq(signal: float) -> float:
    root = math.pow(signal, 1 / 78.84375)
    nits = 10_000 * math.pow(max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)
    return nits / _WHITE_NITS


def _hlg(signal: float) -> float:
    light = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return light / 0.265  # what a white page has


_LIGHT: Mapping[int, Callable[[float], float]] = {_PQ: _pq, _HLG: _hlg}


def _pressed(light: float) -> float:
    if light <= _KNEE:
        return light
    return _KNEE + (1 - _KNEE) * (1 - math.exp((_KNEE - light) / (1 - _KNEE)))
