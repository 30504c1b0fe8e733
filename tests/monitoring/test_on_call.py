"""The path of the person on call: a token goes bad, the board and the alert show it, the runbook heals it.

With ATTACHE_PICTURES=1 the pictures of docs/operations.md are drawn anew.
"""

import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.world import World
from tests.monitoring.alertmanager import JSON, Alertmanager, alertmanager
from tests.monitoring.boards import GRAFANA, Board, Window
from tests.monitoring.pictures import Series, draw
from tests.monitoring.prometheus import RUNBOOKS_URL, Prometheus, prometheus
from tests.monitoring.stack import monitored
from tests.monitoring.tools import ROOT
from tests.runbook.blocks import DOCUMENT, parse
from tests.runbook.clone import addresses, clone, shell_environment
from tests.runbook.runner import Record, Runbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILURES = Board(GRAFANA / "dashboards" / "ingestion-failures.json")
REFUSED, BY_NUMBER = "Are tokens refused?", "Whose token does Meta take?"
WINDOW = Window(range_seconds=120, step_seconds=1, scrape_seconds=1)
EXAMPLE = "106540352242922"
"""The number that the runbook takes as its example."""


class Desk(NamedTuple):
    """What the person on call has in front of them."""

    world: World
    prom: Prometheus
    pager: Alertmanager

    @property
    def number(self) -> str:
        number: str = self.world.simulator.number.phone_number_id
        return number

    async def shows(self, title: str, value: float, *, seconds: float) -> None:
        """Wait until this panel of the failures board shows this value for the number, or at all."""
        (query,) = FAILURES.panel(title).queries
        promql = FAILURES.filled(query.expression, WINDOW, {"number": [self.number]})
        await self.prom.until(promql, lambda found: [each.value for each in found] == [value], seconds=seconds)


async def test_a_refused_token_is_seen_within_30_seconds_and_healed_by_the_runbook(tmp_path: Path) -> None:
    async with (
        monitored(tmp_path) as stack,
        alertmanager(tmp_path, group_interval="2s") as pager,
        prometheus(tmp_path, stack.targets, alertmanager_url=pager.url) as prom,
    ):
        desk, runbook = Desk(stack.world, prom, pager), _runbook(tmp_path, stack.world)
        before = await stack.world.send("photo", seed=90_001)
        assert (await stack.world.ended(before.id))["media"]["status"] == "ready"
        await desk.shows(REFUSED, 0, seconds=20)
        await picture(desk, "on-call-1-before")

        went_bad = time.monotonic()
        stack.world.simulator.tokens.expire(stack.world.settings["WHATSAPP_ACCESS_TOKEN"])
        failed = [await stack.world.send("photo", seed=90_010 + each) for each in range(3)]

        await desk.shows(REFUSED, 1, seconds=30 - (time.monotonic() - went_bad))
        await desk.shows(BY_NUMBER, 0, seconds=30 - (time.monotonic() - went_bad))
        page = await pager.until("TokenRefused", "firing", seconds=30 - (time.monotonic() - went_bad))
        for message in failed:
            assert (await stack.world.ended(message.id))["media"]["failure"]["code"] == "provider_auth"
        assert page["receiver"] == "placeholder-page"
        commands = section(page)
        assert "make instances" in commands
        assert "make instance-set NUMBER=" in commands
        await picture(desk, "on-call-2-refused")

        refused = await runbook.run("instances", shown=False)
        assert re.search(rf"{desk.number}.*provider_auth", refused.stdout)
        token = secrets.token_urlsafe(24)
        stack.world.simulator.tokens.replace(desk.number, token)
        (runbook.folder / "token.txt").write_text(token)
        await runbook.run("instance-set", replace={EXAMPLE: desk.number}, shown=False)

        for message in failed:
            await stack.world.framed(message.id, "ready")
        await desk.shows(REFUSED, 0, seconds=30)
        await pager.until("TokenRefused", "resolved", seconds=30)
        assert "Refused by Meta" not in (await runbook.run("instances", shown=False)).stdout
        await runbook.run("healed")
        await picture(desk, "on-call-3-healed")


def _runbook(folder: Path, world: World) -> Runbook:
    return Runbook(
        blocks=parse(DOCUMENT.read_text()),
        folder=clone(folder / "clone", world),
        environment=shell_environment(),
        record=Record(),
        addresses=addresses(world),
    )


def section(page: JSON) -> str:
    """What the person reads who follows the link of the page, and the link in there."""
    (link,) = {alert["annotations"]["runbook_url"] for alert in page["alerts"]}
    assert link.startswith(f"{RUNBOOKS_URL}docs/operations.md#")
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    alert = _under(document, link.partition("#")[2])
    onward = re.search(r"\]\(#(an-access-token-is-refused)\)", alert)
    assert onward is not None, "the alert's entry leads to what is to be done"
    return _under(document, onward[1])


def _under(document: str, anchor: str) -> str:
    """The text under the heading that has this anchor."""
    parts = re.split(r"^#{2,6} (.+)$", document, flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in parts[1::2]]
    assert anchor in anchors, f"docs/operations.md has no heading for #{anchor}"
    return parts[2::2][anchors.index(anchor)]


async def picture(desk: Desk, name: str) -> None:
    """The two panels at this moment, when pictures are wanted."""
    if os.environ.get("ATTACHE_PICTURES") != "1":
        return
    # long enough to be seen
    now = (await desk.prom.query("attache_instance_healthy"))[0].value
    await desk.prom.until(f"count_over_time((attache_instance_healthy == {now:g})[20s:1s]) >= 10")
    answers = {}
    for panel in (FAILURES.panel(REFUSED), FAILURES.panel(BY_NUMBER)):
        (query,) = panel.queries
        promql = FAILURES.filled(query.expression, WINDOW)
        found = await desk.prom.query_range(promql, seconds=WINDOW.range_seconds, step=WINDOW.step_seconds)
        answers[panel.title] = [
            Series(name=query.legend(each.labels), labels=each.labels, values=each.values) for each in found
        ]
    draw(excerpt(desk.world.uploads.parent / f"{name}.json"), answers, ROOT / "docs" / "images" / f"{name}.png")


def excerpt(path: Path) -> Board:
    """A board with these two panels alone, side by side."""
    places = {REFUSED: {"x": 0, "y": 0, "w": 5, "h": 7}, BY_NUMBER: {"x": 5, "y": 0, "w": 19, "h": 7}}
    panels = [FAILURES.panel(title).raw | {"gridPos": place} for title, place in places.items()]
    path.write_text(json.dumps(FAILURES.raw | {"panels": panels}), encoding="utf-8")
    return Board(path)
