"""Each container is restarted while customers go on writing."""

import asyncio

import pytest

from tests.compose.project import service_of
from tests.compose.site import Sent, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PER_SECOND = 2.0
_STANDING_STILL = "alertmanager"  # with which the list ends: everything else has something to do with attachments
_IN_TURN = (
    *("ingestor", "previewer", "webhook-gateway", "media-server", "nginx", "mongodb", "rabbitmq", "prometheus"),
    _STANDING_STILL,
)

# Inside the container, the signal of a crash to the service; the first process there is Docker's init.
_CRASH = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        if command.read().endswith(b"-m\\0ingestor\\0") and pid != "1":
            os.kill(int(pid), signal.SIGKILL)
"""


async def test_nothing_is_lost_when_each_container_is_restarted_in_turn(site: Site) -> None:
    sent: list[Sent] = []
    stop = asyncio.Event()
    posts: set[asyncio.Task[None]] = set()

    async def post(seed: int) -> None:
        sent.append(await site.send("photo", seed=seed))

    async def customers() -> None:
        while not stop.is_set():
            posts.add(asyncio.create_task(post(1000 + len(posts))))
            await asyncio.sleep(1 / _PER_SECOND)

    assert {service_of(container) for container in site.project.containers()} == set(_IN_TURN)
    traffic = asyncio.create_task(customers())
    try:
        for service in _IN_TURN:
            await site.project.compose("restart", service)
            await site.project.compose("up", "--detach", "--wait", "--no-recreate", "--no-deps", service)
    finally:
        stop.set()
        await traffic
    await asyncio.gather(*posts)

    ended = await site.ended(sent, seconds=90)

    assert len(sent) > len(_IN_TURN)
    assert [shown["media"] for shown in ended if shown["media"]["status"] != "ready"] == []
    assert len({shown["id"] for shown in ended}) == len(sent)
    assert len({shown["media"]["original"]["sha256"] for shown in ended}) == len(sent)


async def test_a_container_that_dies_is_started_again_by_the_engine(site: Site) -> None:
    before = {container["Id"]: container["RestartCount"] for container in site.project.containers("ingestor")}

    await asyncio.gather(
        *(site.project.ran("docker", "exec", container, "python", "-c", _CRASH, code=None) for container in before)
    )

    async def started_again() -> bool | None:
        now = {each["Id"]: each for each in site.project.containers("ingestor")}
        again = all(container in now and now[container]["RestartCount"] > before[container] for container in before)
        return (again and all(each["State"]["Health"]["Status"] == "healthy" for each in now.values())) or None

    await until(started_again, seconds=60)
    [shown] = await site.ended([await site.send("photo", seed=900)])
    assert shown["media"]["status"] == "ready"
