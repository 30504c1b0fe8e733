"""Where the panels of a picture are, and what all of them share: the frame, the colours, the time below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from tests.monitoring.boards import Panel

TITLE = 1.15
"""Cells at the top of a panel."""
LINE = 0.62
"""Cells of a line of text."""
LETTERS = 12.5
"""Letters of a legend that fit into a cell."""
INK, FAINT, PAPER, TABLE = "#24292e", "#6b7280", "#ffffff", "#f0f1f3"

_COLOURS = {
    "green": "#6fb56a",
    "semi-dark-green": "#3f8f3a",
    "blue": "#5b94d6",
    "yellow": "#e3c23d",
    "orange": "#ec9a45",
    "red": "#dc5b53",
    "light-red": "#ee9a94",
    "dark-red": "#a5302a",
    "purple": "#9a6fc0",
}
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series as a panel shows it: its name in the legend, its labels, and its values as (Unix time, value)."""

    name: str
    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.values[-1][1]


class Place:
    """Where a panel is on the figure; its frame, title and unit are drawn with it."""

    def __init__(self, figure: Figure, panel: Panel, rows: int, span: tuple[float, float]) -> None:
        x, y, self.width, self.height = panel.grid
        self._figure, self._rows = figure, rows
        self._left, self._top = x, y + 2
        self.span = span
        left, bottom, width, height = self._box(0.08, 0.08, self.width - 0.16, self.height - 0.16)
        figure.add_artist(
            Rectangle((left, bottom), width, height, facecolor=PAPER, edgecolor="#d8dbe0", lw=0.6, zorder=-2)
        )
        figure.text(*self._point(0.35, 0.75), panel.title, fontsize=7.5, fontweight="bold", va="center")

    def axes(self, *, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes with these margins, in cells, inside the panel."""
        box = self._box(left, top, self.width - left - right, self.height - top - bottom)
        return self._figure.add_axes(box)

    def fill(self, colour: str) -> None:
        """The whole panel in one colour, as a stat has it."""
        left, bottom, width, height = self._box(0.08, 0.08, self.width - 0.16, self.height - 0.16)
        self._figure.add_artist(Rectangle((left, bottom), width, height, facecolor=colour, alpha=0.55, lw=0, zorder=-1))

    def write(self, x: float, y: float, text: str, *, size: float, colour: str = INK, bold: bool = False) -> None:
        """Text with its left end `x` and its middle `y` cells from the panel's corner."""
        weight = "bold" if bold else "normal"
        self._figure.text(*self._point(x, y), text, fontsize=size, color=colour, fontweight=weight, va="center")

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return (self._left + x) / 24, 1 - (self._top + y) / self._rows

    def _box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        left, top = self._point(x, y)
        return left, top - height / self._rows, width / 24, height / self._rows


def show_clock(axes: Axes, span: tuple[float, float]) -> None:
    """The same time on every panel."""
    axes.tick_params(length=0, labelsize=6, colors=FAINT)
    axes.grid(visible=True, color="#e7e9ee", lw=0.5)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    start, end = span
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MultipleLocator(next((s for s in _TICKS if (end - start) / s <= 4.5), _TICKS[-1])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"))


def colour_named(name: str) -> str:
    """What stands for Grafana's colour of this name."""
    return _COLOURS.get(name, name)
