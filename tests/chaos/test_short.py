"""The short form of `make chaos`: one small plan, always the same, with a bit of everything."""

import logging
from pathlib import Path

from tests.chaos.plan import make_plan
from tests.chaos.run import Run

ATTACHMENTS = 150
SEED = 295  # kills both ingestors and RabbitMQ, stops MongoDB, fills the disk, refuses tokens, replays, erases

log = logging.getLogger(__name__)


async def test_everything_is_accounted_for_after_everything_was_broken(tmp_path: Path) -> None:
    plan = make_plan(seed=SEED, count=ATTACHMENTS, quick=True)

    report = await Run(plan, tmp_path).carried_out(log.info)

    assert report.ledger.problems == [], f"logs: {tmp_path}"
    assert report.settled
    assert report.ledger.unaccounted == 0
    assert report.ledger.accepted == ATTACHMENTS
    assert report.struck.total() == sum(map(len, plan.lanes))
