"""What the operations guide says to people who run Compose, done as it stands there."""

from collections.abc import Mapping

import aiohttp
import pytest

from tests.compose.site import Sent, Site, until
from tests.runbook.runner import Runbook
from whatsapp_simulator.faults import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = Fault(name=FaultName.GRAPH_ERROR, code=131052)
EXAMPLE = "m7k2exampleid"


def volumes(site: Site, *names: str) -> Mapping[str, str]:
    """The volumes of the document, and those of this project."""
    return {f"attache_{name}": f"{site.project.name}_{name}" for name in names}


async def failed(site: Site, *, seed: int) -> Sent:
    """One that Meta refused to give, and would give now."""
    sent = await site.send("photo", seed=seed, faults=[REFUSED])
    [shown] = await site.ended([sent])
    assert shown["media"]["status"] == "failed"
    site.meta.faults.put(sent.provider_media_id)
    return sent


async def ready(site: Site, *sent: Sent) -> None:
    """All of these, however they ended before."""

    async def are_ready() -> bool | None:
        shown = [await site.shown(each.id) for each in sent]
        return True if all(each is not None and each["media"]["status"] == "ready" for each in shown) else None

    await until(are_ready, seconds=90)


async def answers(site: Site, path: str, status: int) -> None:
    """Until nginx answers this."""

    async def does() -> bool | None:
        try:
            async with site.api.get(path) as response:
                return True if response.status == status else None
        except aiohttp.ClientError:
            return None

    await until(does, seconds=60)


async def test_the_shortcuts_and_the_health_of_each_container(runbook: Runbook) -> None:
    assert (await runbook.run("shortcuts-compose")).stderr == ""
    assert (await runbook.run("ready")).stdout.count('"status": "ready"') == 4
    assert "(healthy)" in (await runbook.run("compose-ps")).stdout
    assert "MiB free" in (await runbook.run("compose-disk-free")).stdout


async def test_a_status_set_to_pending_by_hand_begins_anew(site: Site, runbook: Runbook) -> None:
    trouble = await failed(site, seed=5000)

    await runbook.run("pending-by-hand", replace={EXAMPLE: trouble.id})

    await ready(site, trouble)


async def test_a_server_that_is_down_is_started(site: Site, runbook: Runbook) -> None:
    await site.project.compose("stop", "rabbitmq")
    await runbook.run("compose-start-servers")

    await ready(site, await site.send("photo", seed=5010))
    await runbook.run("compose-rabbitmq-alarms")


async def test_rabbitmq_is_lost(site: Site, runbook: Runbook) -> None:
    given_up = await failed(site, seed=5020)
    waiting = await site.send("photo", seed=5021, faults=[Fault(name=FaultName.SERVER_ERROR, times=3)])

    async def is_tried() -> bool | None:
        shown = await site.shown(waiting.id)
        return True if shown is not None and shown["media"].get("nextAttemptAt") else None

    await until(is_tried, seconds=30)

    await runbook.run("compose-rabbitmq-empty", replace=volumes(site, "rabbitmq"))
    await runbook.run("hurry-stranded")

    await ready(site, waiting)
    assert (await runbook.run("lost-attachments", shown=False)).stdout == ""
    await site.project.make("retry-failed", "COMPOSE=1")
    await ready(site, given_up, await site.send("photo", seed=5022))


async def test_the_tombstones_are_removed_when_their_key_is_lost(site: Site, runbook: Runbook) -> None:
    await runbook.run("compose-tombstones")

    await runbook.run("compose-restart")

    await ready(site, await site.send("photo", seed=5030))


async def test_more_replicas_and_one_of_each_again(site: Site, runbook: Runbook) -> None:
    await runbook.run("compose-scale")
    assert len(site.project.containers("ingestor")) == 3

    await site.project.make("up")

    assert len(site.project.containers("ingestor")) == 1


async def test_an_upgrade_and_the_way_back(site: Site, runbook: Runbook) -> None:
    await versions(site)
    sent = await site.send("photo", seed=5040)

    await runbook.run("compose-upgrade", seconds=600)

    assert "v0.2.0" in (await runbook.run("compose-versions")).stdout
    await ready(site, sent, await site.send("photo", seed=5041))
    await runbook.run("compose-rollback", seconds=600)
    assert "v0.1.0" in (await runbook.run("compose-versions")).stdout
    await ready(site, await site.send("photo", seed=5042))


async def test_mongodb_is_lost(site: Site, runbook: Runbook) -> None:
    """Last: nobody finds again what was there before."""
    await runbook.run("compose-mongodb-empty", replace=volumes(site, "mongodb"))
    meanwhile = await site.send("photo", seed=5050)  # waits in RabbitMQ
    await runbook.run("compose-mongodb-services")
    number = f"NUMBER={site.meta.number.phone_number_id}"
    await site.project.make("instance-set", "COMPOSE=1", number, "DEFAULT=1", stdin=site.access_token)

    await answers(site, "/api/messages", 200)
    await ready(site, meanwhile, await site.send("photo", seed=5051))


async def versions(site: Site) -> None:
    """The clone at v0.1.0, and a v0.2.0 where it was cloned from."""

    async def git(*arguments: str) -> None:
        author = ("-c", "user.name=Ada Example", "-c", "user.email=ada@example.com")
        await site.project.ran("git", *author, *arguments)

    await git("init", "--quiet", "--initial-branch", "main")
    await git("remote", "add", "origin", ".")
    await git("add", "--all")
    await git("commit", "--quiet", "--message", "Release 0.1.0")
    await git("tag", "v0.1.0")
    notes = site.project.folder / "CHANGELOG.md"
    notes.write_text(f"{notes.read_text()}\n")
    await git("commit", "--quiet", "--all", "--message", "Release 0.2.0")
    await git("tag", "v0.2.0")
    await git("checkout", "--quiet", "v0.1.0")
