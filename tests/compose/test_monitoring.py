"""What the person on call is shown by the monitoring that comes with the Compose file."""

import pytest

from tests.compose.project import Project
from tests.compose.site import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_JOBS = {
    *("webhook-gateway", "ingestor", "previewer", "media-server"),
    *("rabbitmq", "rabbitmq-queues", "prometheus", "alertmanager"),
}


async def test_prometheus_sees_every_target(project: Project) -> None:
    async def all_up() -> dict[str, str] | None:
        seen = {sample["metric"]["job"]: sample["value"][1] for sample in await project.queried("min by (job) (up)")}
        return seen if seen.keys() >= _JOBS and set(seen.values()) == {"1"} else None

    assert (await until(all_up, seconds=60)).keys() == _JOBS


async def test_prometheus_has_the_alerts_and_hands_them_to_alertmanager(project: Project) -> None:
    async def value(query: str) -> float:
        [sample] = await project.queried(query)
        return float(sample["value"][1])

    async def connected() -> bool | None:
        return await value("prometheus_notifications_alertmanagers_discovered") == 1 or None

    await until(connected, seconds=60)
    assert await value("prometheus_config_last_reload_successful") == 1
    assert await value("sum(prometheus_rule_group_rules)") > 0
    assert await value("sum(prometheus_rule_evaluation_failures_total)") == 0


async def test_the_services_say_when_they_were_asked_and_their_clocks_agree(project: Project) -> None:
    skew = await project.queried("max(abs(attache_time_seconds - timestamp(attache_time_seconds)))")

    assert float(skew[0]["value"][1]) < 2
