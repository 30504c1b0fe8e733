"""What is told beside what: the inhibitions of the real file in a real Alertmanager."""

from pathlib import Path

import pytest

from tests.monitoring.alertmanager import alertmanager

LATE = ("AttachmentsNotReady", "AttachmentsWaitInQueue")
REFUSING = ("GatewaySlow", "WebhooksUnavailable")


@pytest.mark.parametrize(
    ("service", "check", "explained"),
    [
        ("webhook-gateway", "rabbitmq", REFUSING),
        ("ingestor", "storage", LATE),
        ("ingestor", "mongodb", LATE),
        ("ingestor", "rabbitmq", LATE),
        ("previewer", "mongodb", LATE),
        ("media-server", "storage", ()),
        ("media-server", "rabbitmq", ()),
    ],
)
async def test_a_service_that_is_not_ready_hides_only_what_it_explains(
    tmp_path: Path, service: str, check: str, explained: tuple[str, ...]
) -> None:
    not_ready = {"alertname": "ServiceNotReady", "severity": "page", "job": service, "check": check}
    others = [{"alertname": name, "severity": "page"} for name in (*REFUSING, *LATE, "WebhooksRefused")]

    async with alertmanager(tmp_path, group_interval="2s") as pager:
        assert await pager.inhibited(not_ready, *others) == sorted(explained)
