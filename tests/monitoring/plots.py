"""Panels of the kind timeseries: lines, stacked areas or bars, with thresholds and legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from tests.monitoring.boards import JSON, Panel
from tests.monitoring.canvas import FAINT, LETTERS, LINE, PAPER, TITLE, Place, Series, colour_named, show_clock
from tests.monitoring.units import shown

_PALETTE = (
    *("#3b82c4", "#e0862a", "#5a9e4b", "#c4473f", "#8c6bb1"),
    *("#8a6d5b", "#d17db5", "#b8a526", "#3aa6a6", "#7f7f7f"),
)


def time_series(place: Place, panel: Panel, series: Sequence[Series]) -> Sequence[str]:
    """Draw the panel; the names of the series that were drawn."""
    unit = str(panel.defaults["unit"])
    custom = panel.defaults["custom"]
    legend = _Legend.of(len(series))
    axes = place.axes(left=1.5, top=TITLE + 0.35, right=0.4, bottom=1.3 + LINE * legend.rows)
    axes.set_facecolor(PAPER)
    _lines(axes, panel, series)
    if custom["scaleDistribution"]["type"] == "log":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=panel.defaults.get("decimals") == 0))
        _limits(axes, panel, series)
    if custom["thresholdsStyle"]["mode"] != "off":
        _thresholds(axes, panel)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, unit, None)))
    show_clock(axes, place.span)
    if not series:
        axes.text(0.5, 0.5, str(panel.defaults["noValue"]), transform=axes.transAxes, ha="center", color=FAINT)
    for number, each in enumerate(series[: legend.places]):
        x, y = legend.place(number, place)
        value = shown(each.last, unit, None)
        if number == legend.places - 1 < len(series) - 1:
            value += f"   and {len(series) - number - 1} more"
        room = int(((place.width - 1) / legend.columns - 0.3) * LETTERS) - len(value) - 3
        name = each.name if len(each.name) <= room else f"{each.name[: room - 1]}…"
        place.write(x, y, "■", size=6, colour=_colour_of(panel, each.name, number))
        place.write(x + 0.3, y, f"{name}   {value}", size=6)
    return [str(line.get_label()) for line in axes.get_lines() if not str(line.get_label()).startswith("_")]


@dataclass(frozen=True)
class _Legend:
    """Names below a plot, in one column as long as they are few, else in two."""

    rows: int
    columns: int

    @classmethod
    def of(cls, series: int) -> "_Legend":
        return cls(rows=max(1, min(3, series)), columns=1 if series <= 3 else 2)

    @property
    def places(self) -> int:
        return self.rows * self.columns

    def place(self, number: int, place: Place) -> tuple[float, float]:
        """Where the name of this series begins."""
        column, row = divmod(number, self.rows)
        return 0.4 + column * (place.width - 0.6) / 2, place.height - 0.5 - LINE * (self.rows - 1 - row)


def _lines(axes: Axes, panel: Panel, series: Sequence[Series]) -> None:
    """Lines, stacked areas or bars; each leaves one labelled line, by which a test finds it."""
    custom = panel.defaults["custom"]
    stacked = custom["stacking"]["mode"] == "normal"
    below: dict[float, float] = {}
    for number, each in enumerate(series):
        colour = _colour_of(panel, each.name, number)
        times = [time for time, _ in each.values]
        bottom = [below.get(time, 0.0) if stacked else 0.0 for time, _ in each.values]
        top = [low + value for low, (_, value) in zip(bottom, each.values, strict=True)]
        if stacked:
            below |= {time: high for (time, _), high in zip(each.values, top, strict=True)}
        if custom["drawStyle"] == "bars":
            axes.fill_between(times, bottom, top, step="mid", color=colour, alpha=0.75, lw=0)
            axes.plot(times, top, drawstyle="steps-mid", color=colour, lw=0.4, label=each.name)
        else:
            axes.fill_between(times, bottom, top, color=colour, alpha=custom["fillOpacity"] / 100, lw=0)
            mark = "o" if len(times) < 3 else None
            axes.plot(times, top, color=colour, lw=1.0, marker=mark, markersize=2.5, label=each.name)


def _thresholds(axes: Axes, panel: Panel) -> None:
    """Dashed, where the data reach them: as in Grafana they do not stretch the scale."""
    low, high = axes.get_ylim()
    for step in panel.defaults["thresholds"]["steps"][1:]:
        if low <= step["value"] <= high:
            axes.axhline(step["value"], color=colour_named(step["color"]), lw=0.8, ls=(0, (4, 3)))


def _limits(axes: Axes, panel: Panel, series: Sequence[Series]) -> None:
    if panel.defaults.get("min") is not None:
        axes.set_ylim(bottom=panel.defaults["min"])
    highest = axes.get_ylim()[1]
    if panel.defaults.get("max") is not None:
        axes.set_ylim(top=panel.defaults["max"] * 1.02)
    elif (soft := panel.defaults["custom"].get("axisSoftMax")) is not None:
        axes.set_ylim(top=max(highest, soft))
    elif not series:
        axes.set_ylim(0, 1)


def _colour_of(panel: Panel, name: str, number: int) -> str:
    overrides: Sequence[JSON] = panel.raw["fieldConfig"]["overrides"]
    for override in overrides:
        if override["matcher"]["options"] == name:
            return colour_named(override["properties"][0]["value"]["fixedColor"])
    return _PALETTE[number % len(_PALETTE)]
