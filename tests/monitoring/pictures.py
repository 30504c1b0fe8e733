"""A board as a picture: every panel in its place, with its title, unit and legend, drawn from what Prometheus answered.

Not Grafana's own drawing, but the same numbers in the same grid, so that a person can look at what a board would show.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from tests.monitoring.boards import Board, Panel
from tests.monitoring.canvas import FAINT, INK, LETTERS, TABLE, TITLE, Place, Series, colour_named, show_clock
from tests.monitoring.plots import time_series
from tests.monitoring.units import shown

__all__ = ["Series", "draw"]

_CELL = (0.58, 0.31)  # inches: a cell of Grafana's grid is wider than it is high
_DOTS_PER_INCH = 100


def draw(board: Board, answers: Mapping[str, Sequence[Series]], path: Path) -> Mapping[str, Sequence[str]]:
    """Write the picture of `board`; `answers` are the series by the panel's title. Returns the names drawn in each."""
    rows = max(y + height for _, y, _, height in (panel.grid for panel in board.panels)) + 2
    plotted = [each for panel in board.panels if panel.kind != "stat" for each in answers[panel.title]]
    times = [time for each in plotted for time, _ in each.values]
    span = (min(times), max(times)) if times else (0.0, 1.0)
    drawn: dict[str, Sequence[str]] = {}
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 6.5, "text.color": INK}):
        figure = Figure(figsize=(24 * _CELL[0], rows * _CELL[1]), dpi=_DOTS_PER_INCH, facecolor=TABLE)
        figure.text(0.004, 1 - 1 / rows, board.title, fontsize=13, fontweight="bold", va="center")
        for panel in board.panels:
            drawn[panel.title] = _KINDS[panel.kind](Place(figure, panel, rows, span), panel, answers[panel.title])
        buffer = BytesIO()
        figure.savefig(buffer, format="png")
    # a palette of colours is enough, and makes the file a third as large
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return drawn


def _stat(place: Place, panel: Panel, series: Sequence[Series]) -> Sequence[str]:
    text, colour = str(panel.defaults["noValue"]), "#c9ced6"
    if series:
        value = series[0].last
        text = shown(value, str(panel.defaults["unit"]), panel.defaults.get("decimals"))
        colour = colour_named(panel.step_of(value)["color"])
    place.fill(colour)
    place.write(0.5, 2.4, text, size=15, bold=True)
    return [each.name for each in series]


def _states(place: Place, panel: Panel, series: Sequence[Series]) -> Sequence[str]:
    (mapping,) = panel.defaults["mappings"]
    longest = max((len(each.name) for each in series), default=0)
    axes = place.axes(left=0.7 + longest / LETTERS, top=TITLE + 0.35, right=0.5, bottom=1.9)
    for row, each in enumerate(series):
        times = [time for time, _ in each.values]
        step = times[1] - times[0] if len(times) > 1 else 1.0
        colours = [colour_named(mapping["options"][str(int(value))]["color"]) for _, value in each.values]
        axes.broken_barh([(time, step) for time in times], (row - 0.35, 0.7), facecolors=colours, antialiased=False)
    axes.set_yticks(range(len(series)), [each.name for each in series], fontsize=6)
    axes.set_ylim(len(series) - 0.5, -0.5)
    show_clock(axes, place.span)
    handles = [Patch(color=colour_named(state["color"]), label=state["text"]) for state in mapping["options"].values()]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=2, frameon=False, fontsize=6)
    return [label.get_text() for label in axes.get_yticklabels()]


def _table(place: Place, panel: Panel, series: Sequence[Series]) -> Sequence[str]:
    rows = sorted(
        (each.labels["alertstate"], each.labels.get("severity", ""), each.labels["alertname"]) for each in series
    )
    place.write(0.5, 1.8, "state", size=6.5, colour=FAINT)
    place.write(2.4, 1.8, "severity", size=6.5, colour=FAINT)
    place.write(4.4, 1.8, "alert", size=6.5, colour=FAINT)
    room = int((place.height - 3) / 0.72)
    for number, (state, severity, name) in enumerate(rows[:room]):
        y = 2.6 + 0.72 * number
        place.write(0.5, y, state, size=6.5, colour=colour_named("red" if state == "firing" else "orange"), bold=True)
        place.write(2.4, y, severity, size=6.5)
        place.write(4.4, y, name, size=6.5)
    if not rows:
        place.write(0.5, 2.8, str(panel.defaults["noValue"]), size=7)
    return [each.name for each in series]


_KINDS: Mapping[str, Callable[[Place, Panel, Sequence[Series]], Sequence[str]]] = {
    "stat": _stat,
    "timeseries": time_series,
    "state-timeline": _states,
    "table": _table,
}
