"""The alert rules in a real Prometheus on a stack with load."""

import pytest

from tests.e2e.world import World
from tests.monitoring.prometheus import Prometheus
from tests.monitoring.rules import alerts

pytestmark = pytest.mark.asyncio(loop_scope="session")
Loaded = tuple[World, Prometheus]


async def test_every_series_that_an_alert_reads_is_scraped(loaded: Loaded) -> None:
    _, prom = loaded

    scraped = await prom.metric_names()

    assert {name for alert in alerts() for name, _ in alert.series} - scraped == set()


async def test_every_rule_can_be_evaluated(loaded: Loaded) -> None:
    _, prom = loaded

    for alert in alerts():
        await prom.query(alert.expression)


async def test_the_refused_token_of_the_load_is_reported_and_nothing_is_that_the_load_did_not_cause(
    loaded: Loaded,
) -> None:
    _, prom = loaded

    await prom.until('ALERTS{alertname="TokenRefused", alertstate="firing"}')

    reported = {alert["labels"]["alertname"] for alert in await prom.alerts()}
    assert reported <= {
        "TokenRefused",
        "AttachmentsFail",
        "DeadLettersGrow",
        "MediaAtRisk",
        "MediaAtRiskSoon",
        "WebhooksParked",
        "WebhooksRefused",
        "WebhooksUnavailable",
    }
