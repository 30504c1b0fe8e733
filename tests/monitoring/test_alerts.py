"""The alert rules as files: right in form, tested both ways, and each a help to whoever is woken up."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.monitoring.metric_names import metrics_of_our_code
from tests.monitoring.rules import RUNBOOK, Alert, alerts, rule_tests
from tests.monitoring.tools import PROMETHEUS, ROOT, tool

each_alert = pytest.mark.parametrize("alert", alerts(), ids=[alert.name for alert in alerts()])
# added by Prometheus when it scrapes
TARGET = {"job", "instance"}


def ran(name: str, *arguments: str | Path) -> str:
    """What one of Prometheus' tools says about our files; fails with its words when it finds a mistake."""
    done = subprocess.run(  # noqa: S603 - a tool of Prometheus' own
        [tool(name), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_valid_and_knows_every_file_of_rules() -> None:
    said = ran("promtool", "check", "config", "prometheus.yml")

    assert all(path.name in said for path in (PROMETHEUS / "rules").glob("*.yml"))


def test_the_rules_are_valid() -> None:
    ran("promtool", "check", "rules", *sorted((PROMETHEUS / "rules").glob("*.yml")))


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    ran("promtool", "test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))


def test_the_configuration_of_alertmanager_is_valid() -> None:
    ran("amtool", "check-config", "alertmanager.yml")


@each_alert
def test_an_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(alert: Alert) -> None:
    firing = {case.test for case in rule_tests() if case.alert == alert.name and case.fires}
    silent = {case.test for case in rule_tests() if case.alert == alert.name and not case.fires}

    assert any(test.startswith(f"{alert.name} fires ") for test in firing)
    assert any(test.startswith(f"{alert.name} does not fire ") for test in silent - firing)


def test_each_alert_has_a_test_in_which_nothing_but_its_hold_keeps_it_silent(tmp_path: Path) -> None:
    """Without any hold, that test fails."""
    shutil.copytree(PROMETHEUS / "tests", tmp_path / "tests")
    (tmp_path / "rules").mkdir()
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        (tmp_path / "rules" / path.name).write_text(re.sub(r"\bfor: \w+$", "for: 0s", path.read_text(), flags=re.M))

    done = subprocess.run(  # noqa: S603 - a tool of Prometheus' own
        [tool("promtool"), "test", "rules", *(tmp_path / "tests").glob("*.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    silenced = re.findall(r"name: (\w+) does not fire .*\n\s+alertname: \1, .*\n\s+exp:\[\]", done.stdout + done.stderr)
    assert {alert.name for alert in alerts()} - set(silenced) == set()


def test_tests_are_of_alerts_that_exist() -> None:
    assert {case.alert for case in rule_tests()} == {alert.name for alert in alerts()}


def test_alerts_have_names_of_their_own() -> None:
    assert [name for name, count in Counter(alert.name for alert in alerts()).items() if count > 1] == []


@each_alert
def test_an_alert_says_in_one_sentence_what_is_wrong_and_where_to_read_on(alert: Alert) -> None:
    assert set(alert.annotations) == {"summary", "runbook_url"}
    summary = alert.annotations["summary"]
    assert summary.endswith(".")
    assert not re.search(r"[.!?]\s+\S", re.sub(r"\{\{.*?\}\}", "x", summary)), "one sentence"
    assert len(summary) < 200
    assert alert.annotations["runbook_url"] == f"{RUNBOOK}{alert.name.lower()}"


@each_alert
def test_the_runbook_has_a_section_on_the_alert(alert: Alert) -> None:
    headings = re.findall(
        r"^#{2,6} (\w+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert alert.name in headings


@each_alert
def test_an_alert_wakes_somebody_or_waits_until_the_morning(alert: Alert) -> None:
    assert set(alert.labels) == {"severity"}
    assert alert.labels["severity"] in {"page", "ticket"}
    assert alert.hold != "0s", "one bad scrape is no alert"


@each_alert
def test_an_alert_reads_series_that_exist(alert: Alert) -> None:
    ours = metrics_of_our_code()

    assert alert.series
    for name, labels in alert.series:
        if name.startswith("attache_"):
            assert name in ours
            # `le` is of the buckets
            assert labels <= ours[name].labels | TARGET | {"le"}


def test_inhibitions_name_alerts_that_exist() -> None:
    names = {alert.name for alert in alerts()}
    inhibitions = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())["inhibit_rules"]

    for inhibition in inhibitions:
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]:
            label, pattern = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                for part in _alternatives(pattern):
                    assert any(re.fullmatch(part, name) for name in names), part


def _alternatives(pattern: str) -> list[str]:
    """`A|B(C|D)` as `A`, `BC`, `BD`."""
    found = re.search(r"(\w*)\(([^)]*)\)(\w*)", pattern)
    if found is None:
        return pattern.split("|")
    before, inner, after = found.groups()
    expanded = "|".join(f"{before}{each}{after}" for each in inner.split("|"))
    return _alternatives(pattern[: found.start()] + expanded + pattern[found.end() :])


def test_every_receiver_is_a_placeholder_and_pages_go_elsewhere_than_tickets() -> None:
    alertmanager = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())

    assert all(receiver["name"].startswith("placeholder-") for receiver in alertmanager["receivers"])
    assert alertmanager["route"]["receiver"] == "placeholder-ticket"
    assert [(route["matchers"], route["receiver"]) for route in alertmanager["route"]["routes"]] == [
        (['severity="page"'], "placeholder-page")
    ]
