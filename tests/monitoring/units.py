"""Values as Grafana shows them, in the units that the boards use."""

from collections.abc import Callable, Mapping

_PER = {"cpm": "/min", "reqpm": "/min", "epm": "/min", "mps": "/s"}


def shown(value: float, unit: str, decimals: int | None) -> str:
    """The value with its unit, short."""
    if unit in _PER:
        return _short(value, decimals) + _PER[unit]
    return _UNITS[unit](value, decimals)


def _short(value: float, decimals: int | None) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.3g}"


def _seconds(value: float, _: int | None) -> str:
    for size, name in ((31536000, "years"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return "0 s" if value == 0 else f"{value * 1000:.3g} ms"


def _bytes(value: float, _: int | None) -> str:
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{value / 1024**power:.3g} {name}"
    return f"{value:.0f} B"


def _bytes_per_second(value: float, _: int | None) -> str:
    for size, name in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.0f} B/s"


def _share(value: float, decimals: int | None) -> str:
    return f"{value * 100:.{decimals}f} %" if decimals is not None else f"{value * 100:.3g} %"


_UNITS: Mapping[str, Callable[[float, int | None], str]] = {
    "short": _short,
    "s": _seconds,
    "bytes": _bytes,
    "Bps": _bytes_per_second,
    "percentunit": _share,
    "bool_yes_no": lambda value, _: "Yes" if value else "No",
}
