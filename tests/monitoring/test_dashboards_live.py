"""The boards over a real Prometheus that scrapes the running services: what every panel shows while things fail."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from tests.e2e.world import World
from tests.monitoring.boards import Board, Panel, Query, Window, boards
from tests.monitoring.load import REFUSED_NUMBER, load
from tests.monitoring.pictures import Series, draw
from tests.monitoring.prometheus import Prometheus, Sample
from tests.monitoring.stack import watched

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOARDS = {board.path.stem: board for board in boards()}
PICTURES = Path(__file__).parents[2] / "docs" / "images"
PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus" / "prometheus.yml"
TEST = Window(range_seconds=300, step_seconds=2, scrape_seconds=1)
LARGEST_PICTURE_BYTES = 150_000

Loaded = tuple[World, Prometheus]
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
each_panel = pytest.mark.parametrize(
    ("board", "panel"),
    [
        pytest.param(board, panel, id=f"{name}: {panel.title}")
        for name, board in BOARDS.items()
        for panel in board.panels
    ],
)


async def series_of(
    prom: Prometheus,
    board: Board,
    query: Query,
    *,
    window: Window = TEST,
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> list[Series]:
    """What a query gives over the time of the window. What a stat shows it showed at each of these moments."""
    promql = board.filled(query.expression, window, chosen)
    found = await prom.query_range(promql, seconds=window.range_seconds, step=window.step_seconds)
    return [Series(name=query.legend(each.labels), labels=each.labels, values=each.values) for each in found]


@each_panel
async def test_every_query_of_a_panel_returns_data(loaded: Loaded, board: Board, panel: Panel) -> None:
    _, prom = loaded

    for query in panel.queries:
        promql = board.filled(query.expression, TEST)
        # what came last is scraped soon; a share of nothing is no data
        await prom.until(f"count_over_time((({promql}) > -Inf)[{TEST.range_seconds}s:1s])")


@each_board
async def test_every_variable_offers_values(loaded: Loaded, board: Board) -> None:
    _, prom = loaded

    for name, series, label in board.selections:
        assert await prom.label_values(label, match=series), name


async def test_the_variables_offer_the_numbers_and_the_queues(loaded: Loaded) -> None:
    world, prom = loaded
    offered = {
        name: set(await prom.label_values(label, match=series))
        for name, series, label in BOARDS["ingestion-failures"].selections
    }

    assert offered["number"] == {world.simulator.number.phone_number_id, REFUSED_NUMBER, "other"}
    assert {"ingestor.media-received", "previewer.media-stored", "webhook-gateway.unreadable"} <= offered["queue"]


@each_panel
async def test_a_panel_can_be_narrowed_to_some_values_of_a_variable(loaded: Loaded, board: Board, panel: Panel) -> None:
    world, prom = loaded
    ours = world.simulator.number.phone_number_id
    instance = world.stack.url("media-server").removeprefix("http://")
    selected: Sequence[Mapping[str, Sequence[str]]] = (
        {"number": [REFUSED_NUMBER], "queue": ["ingestor.media-received"], "instance": [instance]},
        {"number": [ours, "other"], "queue": ["ingestor.media-received", "previewer.media-stored"]},
    )
    used = [query for query in panel.queries if any(f"${name}" in query.expression for name in selected[0])]

    for chosen in selected:
        for query in used:
            found = await series_of(prom, board, query, chosen=chosen)
            assert found, chosen
            shown = {each.labels.get("phone_number_id") for each in found} - {None}
            assert shown <= set(chosen["number"])
            queues = {each.labels["queue"] for each in found if "queue" in each.labels}
            assert all(queue.startswith(tuple(chosen["queue"])) for queue in queues)


@each_board
async def test_the_alerts_on_the_panels_can_be_asked_for(loaded: Loaded, board: Board) -> None:
    _, prom = loaded

    for annotation in board.raw["annotations"]["list"]:
        if not annotation.get("builtIn"):
            await prom.query_range(annotation["expr"])


@each_board
async def test_a_picture_shows_every_series_of_every_panel(loaded: Loaded, board: Board, tmp_path: Path) -> None:
    world, prom = loaded
    window = TEST
    path = tmp_path / f"{board.path.stem}.png"
    if kept := os.environ.get("ATTACHE_PICTURES") == "1":
        await _busy(world)
        window = Window(range_seconds=300, step_seconds=2, scrape_seconds=5)  # as smooth as over an hour
        path = PICTURES / path.name
    answers = {
        panel.title: [each for query in panel.queries for each in await series_of(prom, board, query, window=window)]
        for panel in board.panels
    }

    drawn = draw(board, answers, path)

    for panel in board.panels:
        expected = [each.name for each in answers[panel.title]]
        assert expected, panel.title
        assert sorted(drawn[panel.title]) == sorted(expected)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < LARGEST_PICTURE_BYTES
    assert kept or path.is_relative_to(tmp_path)


async def _busy(world: World) -> None:
    """Some minutes with something on every panel."""
    for _ in range(2):
        await load(world)


async def test_a_refused_token_shows_on_the_failures_board_within_half_a_minute(tmp_path: Path) -> None:
    """Here every second is scraped. In production a scrape comes up to 15 s later, and the board asks up to its refresh
    later than that: what is measured here must leave room for both.
    """
    failures = BOARDS["ingestion-failures"]
    production = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))["global"]
    waiting = _seconds(production["scrape_interval"]) + _seconds(failures.raw["refresh"])

    async with watched(tmp_path) as (world, prom):
        number = world.simulator.number.phone_number_id
        await world.ended((await world.send("photo", seed=1)).id)
        assert await _alarming(prom, failures) == {}, "a board on which nothing fails is green"

        world.simulator.tokens.expire(world.settings["WHATSAPP_ACCESS_TOKEN"])
        started = time.monotonic()
        await world.send("photo", seed=2)
        shown = Shown(prom, failures)
        await shown.until("Are tokens refused?", lambda last: set(last.values()) == {1})
        await shown.until("Whose token does Meta take?", lambda last: last.get(number) == 0)
        await shown.until("Is anything failing now?", lambda last: sum(last.values()) > 0)
        await shown.until("Why do attempts fail?", lambda last: last.get("provider_auth, failed", 0) > 0)
        await shown.until("Which numbers do they fail for?", lambda last: last.get(number, 0) > 0)
        await shown.until("What does Meta answer when an attempt fails?", lambda last: last.get("401", 0) > 0)
        await shown.until("Do dead letters wait?", lambda last: set(last.values()) == {1})

        assert time.monotonic() - started + waiting < 30


class Shown:
    """What a board shows at this moment."""

    def __init__(self, prom: Prometheus, board: Board) -> None:
        self._prom = prom
        self._board = board

    async def until(self, title: str, expected: Callable[[Mapping[str, float]], bool]) -> None:
        """Wait until the panel's series, by the names in its legend, have had the values expected."""
        (query,) = self._board.panel(title).queries
        promql = self._board.filled(query.expression, TEST)

        def as_expected(found: Sequence[Sample]) -> bool:
            return expected({query.legend(each.labels): each.value for each in found})

        await self._prom.until(promql, as_expected)


async def _alarming(prom: Prometheus, board: Board) -> Mapping[str, float]:
    """The stats that are not green, with their values."""
    found = {}
    for panel in board.panels:
        if panel.kind == "stat":
            samples = await prom.query(board.filled(panel.queries[0].expression, TEST))
            if samples:
                value = samples[0].value
            else:
                assert panel.defaults["noValue"] == "0", f"{panel.title}: nobody knows"
                value = 0
            if panel.step_of(value)["color"] != "green":
                found[panel.title] = value
    return found


def _seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))
