"""More replicas of the workers: `docker compose up --scale ingestor=3 --scale previewer=2`."""

import pytest

from tests.compose.site import Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ATTACHMENTS = 40
_SCALE = {"ingestor": 3, "previewer": 2}
_WORKED = 'count by (job) (sum by (job, instance) (attache_events_total{outcome="ok"}) > 0)'


async def test_replicas_share_the_work_and_each_attachment_is_done_once(site: Site) -> None:
    counts = [argument for service, count in _SCALE.items() for argument in ("--scale", f"{service}={count}")]
    await site.project.compose("up", "--detach", "--wait", "--no-recreate", *counts)

    sent = [await site.send("photo", seed=300 + number) for number in range(_ATTACHMENTS)]
    ended = await site.ended(sent)

    assert {service: len(site.project.containers(service)) for service in _SCALE} == _SCALE
    assert {shown["media"]["status"] for shown in ended} == {"ready"}
    assert {shown["media"]["revision"] for shown in ended} == {3}  # announced, stored, ready: each once
    assert {site.meta.requests.downloads(each.provider_media_id) for each in sent} == {1}

    async def all_worked() -> dict[str, int] | None:
        """How many replicas of each have finished events, as Prometheus counts them."""
        found = await site.project.queried(
            'count by (job) (sum by (job, instance) (attache_events_total{outcome="ok"}) > 0)'
        )
        by_job = {sample["metric"]["job"]: int(sample["value"][1]) for sample in found}
        return by_job if _SCALE.items() <= by_job.items() else None

    await until(all_worked, seconds=60)
