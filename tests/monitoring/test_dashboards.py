"""The boards that Grafana is given, as files: what every panel tells a person, and that all of it fits together."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.boards import GRAFANA, JSON, Board, Panel, boards
from tests.monitoring.metric_names import metrics_of_our_code

ROOT = GRAFANA.parents[1]
DATASOURCE_UID = "attache-prometheus"
# from Prometheus itself, and from its client library in every service
NOT_OURS = {"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}
NOISE = {"version", "iteration", "pluginVersion"}

BOARDS = {board.path.stem: board for board in boards()}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())
each_panel = pytest.mark.parametrize(
    ("board", "panel"),
    [
        pytest.param(board, panel, id=f"{name}: {panel.title}")
        for name, board in BOARDS.items()
        for panel in board.panels
    ],
)


def test_there_is_a_board_for_each_question_of_the_person_on_call() -> None:
    assert set(BOARDS) == {"ingestion-failures", "pipeline", "media-server", "storage-and-broker"}


@each_board
def test_the_file_is_as_it_is_saved_back_so_that_changes_are_small(board: Board) -> None:
    saved = json.dumps(board.raw, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    assert board.path.read_text(encoding="utf-8") == saved, (
        "give the file the form that docs/dashboards.md asks for: jq -S and its filter"
    )
    assert "id" not in board.raw, "the id belongs to one Grafana's database"
    assert NOISE.isdisjoint(_keys(board.raw))


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@each_board
def test_what_grafana_gives_back_becomes_the_same_file_again(board: Board, tmp_path: Path) -> None:
    """With the very command of docs/dashboards.md."""
    page = (ROOT / "docs/dashboards.md").read_text(encoding="utf-8")
    command = re.search(r"jq -S '(.+)' board\.json", page)
    assert command
    given_back = {"version": 12, "id": 7, **dict(reversed(board.raw.items()))}
    given_back["panels"] = [{"pluginVersion": "11.6.0", **panel} for panel in board.raw["panels"]]
    (tmp_path / "board.json").write_text(json.dumps(given_back), encoding="utf-8")

    saved = subprocess.run(  # noqa: S603 - the command of our own page
        ["jq", "-S", command[1], "board.json"],  # noqa: S607 - looked up on PATH, as a person's shell does
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    assert saved.stdout == board.path.read_text(encoding="utf-8")


@each_board
def test_the_board_has_a_readable_address_of_its_own(board: Board) -> None:
    assert board.raw["uid"] == f"attache-{board.path.stem}"
    assert board.title.startswith("Attache / ")
    assert board.raw["description"]
    assert 39 <= board.raw["schemaVersion"] <= 41
    assert board.raw["editable"] is True


@each_board
def test_boards_lead_to_each_other_and_to_the_runbook(board: Board) -> None:
    boards_link, runbook_link = board.raw["links"]

    assert board.raw["tags"] == boards_link["tags"] == ["attache"]
    assert boards_link["type"] == "dashboards"
    assert boards_link["keepTime"] is True
    assert boards_link["includeVars"] is True
    assert runbook_link["url"] == "${runbook}"


def test_all_boards_know_the_same_runbook() -> None:
    (address,) = {board.variables["runbook"]["query"] for board in BOARDS.values()}

    assert address.endswith("docs/operations.md")


@each_board
def test_firing_alerts_are_marked_on_every_panel(board: Board) -> None:
    ours = [each for each in board.raw["annotations"]["list"] if not each.get("builtIn")]

    assert [(each["name"], each["expr"], each["enable"]) for each in ours] == [
        ("Alerts", 'ALERTS{alertstate="firing"}', True)
    ]


@each_board
def test_everything_asks_the_data_source_that_is_chosen_at_the_top(board: Board) -> None:
    asked = [each for each in _values(board.raw, "datasource") if each["uid"] != "-- Grafana --"]

    assert asked
    assert {(each["type"], each["uid"]) for each in asked} == {("prometheus", "${datasource}")}
    assert board.variables["datasource"]["current"]["value"] == DATASOURCE_UID
    panels = board.raw["panels"]
    assert all("datasource" in part for panel in panels for part in (panel, *panel.get("targets", ())))


@each_board
def test_every_variable_is_used_and_every_used_one_exists(board: Board) -> None:
    text = json.dumps([board.raw["panels"], board.raw["annotations"], board.raw["links"]])
    used = set(re.findall(r"\$\{?([A-Za-z]\w*)", text))

    assert used == set(board.variables)
    for name, variable in board.variables.items():
        assert variable["label"], name


@each_board
def test_panels_have_their_own_ids_and_places(board: Board) -> None:
    panels = board.raw["panels"]

    assert [id for id, times in Counter(panel["id"] for panel in panels).items() if times > 1] == []
    assert [title for title, times in Counter(panel["title"] for panel in panels).items() if times > 1] == []
    for panel in board.panels:
        x, _, width, _ = panel.grid
        assert x + width <= 24, panel.title
        assert len(panel.title) <= 7 * width, f"{panel.title} does not fit over its panel"
    for one, other in combinations(board.panels, 2):
        assert not _overlap(one, other), f"{one.title} lies over {other.title}"


def test_failures_come_first() -> None:
    board = BOARDS["ingestion-failures"]
    read = sorted(board.panels, key=lambda panel: (panel.grid[1], panel.grid[0]))

    assert read[0].title == "Is anything failing now?"
    assert next(panel.title for panel in read if panel.kind == "timeseries") == "Why do attempts fail?"


@each_panel
def test_a_panel_asks_a_question_and_says_what_to_do(board: Board, panel: Panel) -> None:
    assert re.fullmatch(r"[A-Z].+\?", panel.title)
    description = panel.raw["description"]
    assert len(description) > 60
    assert description.count("](") == len(_anchors(panel)), "links lead to a heading of the runbook"
    assert _anchors(panel) <= _headings(), "this heading is not in docs/operations.md"


@each_panel
def test_a_panel_has_a_unit_thresholds_and_a_text_for_nothing(board: Board, panel: Panel) -> None:
    assert panel.defaults["unit"]
    first, *others = panel.defaults["thresholds"]["steps"]
    assert first.get("value") is None
    values = [step["value"] for step in others]
    assert values == sorted(set(values))
    assert panel.defaults["noValue"], "an empty panel says what that means"


@each_panel
def test_nothing_is_good_news_where_failures_are_counted_and_unknown_elsewhere(board: Board, panel: Panel) -> None:
    """A gauge is always there while its service is; a counter of failures is not there before the first one."""
    expressions = " ".join(query.expression for query in panel.queries)
    says_nothing_failed = panel.defaults["noValue"] in ("0", "None") or panel.defaults["noValue"].startswith("0: ")

    if says_nothing_failed:
        assert "unless" in expressions or "ALERTS" in expressions, "without data this gauge would read as healthy"


@each_panel
def test_series_are_named(board: Board, panel: Panel) -> None:
    if panel.kind in ("timeseries", "state-timeline"):
        assert panel.raw["options"]["legend"]["showLegend"] is True
        assert all(query.raw["legendFormat"] for query in panel.queries)
    references = [query.raw["refId"] for query in panel.queries]
    assert references == sorted(set(references))


@each_panel
def test_every_metric_and_label_of_a_query_exists(board: Board, panel: Panel) -> None:
    ours = metrics_of_our_code()

    for query in panel.queries:
        names = _metrics(query.expression)
        assert names
        for name in names:
            assert name in ours or name in NOT_OURS or name.startswith("rabbitmq_"), name
        for name, selector in re.findall(r"(attache_\w+)\{([^}]*)\}", query.expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', selector)))
            assert labels <= ours[name].labels | {"job", "instance", "le"}, name
        if all(name in ours for name in names - {"up"}):
            known = frozenset[str]().union(*(ours[name].labels for name in names - {"up"}))
            for grouping in re.findall(r"\bby \(([^)]*)\)", query.expression):
                assert set(re.split(r",\s*", grouping)) <= known | {"job", "instance", "le"}
            assert set(re.findall(r"{{(\w+)}}", query.raw["legendFormat"])) <= known | {"job", "instance"}


def test_a_rare_counters_first_tick_is_not_missed() -> None:
    """`rate` sees nothing of a series that begins with 1: the first failure of a kind must show all the same."""
    counts = [panel for board in BOARDS.values() for panel in board.panels if panel.defaults["noValue"].startswith("0")]

    assert counts
    for panel in counts:
        for query in panel.queries:
            assert re.search(r"unless .+ offset \$__rate_interval\) and on \(job, instance\) up", query.expression)


def test_grafana_is_given_the_data_source_that_the_boards_ask_for() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/attache.yaml").read_text(encoding="utf-8"))
    (prometheus,) = [each for each in provisioned["datasources"] if each["type"] == "prometheus"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))

    assert prometheus["uid"] == DATASOURCE_UID
    assert prometheus["isDefault"] is True
    assert prometheus["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_grafana_is_given_the_folder_of_the_boards() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/dashboards/attache.yaml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    (provider,) = provisioned["providers"]
    mounts = {
        target: source
        for source, target, *_ in (
            each.split(":") if isinstance(each, str) else (each["source"], each["target"])
            for each in compose["services"]["grafana"]["volumes"]
        )
    }

    assert (ROOT / mounts[provider["options"]["path"]]).resolve() == GRAFANA / "dashboards"
    assert (ROOT / mounts["/etc/grafana/provisioning"]).resolve() == GRAFANA / "provisioning"
    assert provider["allowUiUpdates"] is False, "or a change would live in Grafana's database only"
    addresses = [each["url"] for each in _datasources()]
    assert {re.sub(r"^http://([a-z]+):\d+$", r"\1", address) for address in addresses} <= set(compose["services"])


def _datasources() -> list[JSON]:
    text = (GRAFANA / "provisioning/datasources/attache.yaml").read_text(encoding="utf-8")
    listed: list[JSON] = yaml.safe_load(text)["datasources"]
    return listed


def _metrics(expression: str) -> set[str]:
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\$\w+|\b(?:by|on) \([^)]*\)", " ", bare)
    words = set(re.findall(r"\b[a-zA-Z_]\w*\b(?!\s*\()", bare))
    return words - {"sum", "and", "or", "unless", "offset", "bool"}


def _overlap(one: Panel, other: Panel) -> bool:
    (x1, y1, w1, h1), (x2, y2, w2, h2) = one.grid, other.grid
    return x1 < x2 + w2 and x2 < x1 + w1 and y1 < y2 + h2 and y2 < y1 + h1


def _anchors(panel: Panel) -> set[str]:
    return set(re.findall(r"\]\(\$\{runbook\}#([\w-]+)\)", panel.raw["description"]))


def _headings() -> set[str]:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _values(part: Any, key: str) -> Iterator[Any]:
    if isinstance(part, dict):
        if key in part and isinstance(part[key], dict):
            yield part[key]
        for value in part.values():
            yield from _values(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _values(value, key)


def _keys(part: Any) -> set[str]:
    if isinstance(part, dict):
        return set(part).union(*(_keys(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(_keys(value) for value in part))
    return set()
