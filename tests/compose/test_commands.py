"""The operator's commands with Compose: `COMPOSE=1` behind each, and no virtual environment."""

import pytest

from tests.compose.project import Project
from tests.compose.site import Site, until
from whatsapp_simulator.faults import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_failed_attachment_is_listed_and_retried(site: Site) -> None:
    sent = await site.send("photo", seed=401, faults=(Fault(name=FaultName.EXPIRED),))
    [shown] = await site.ended([sent])
    assert shown["media"]["status"] == "failed"

    listed = await site.project.make("dlq", "COMPOSE=1")
    site.meta.faults.put(sent.provider_media_id)
    retried = await site.project.make("retry", "COMPOSE=1", f"ID={sent.id}")

    async def ready() -> bool | None:
        again = await site.shown(sent.id)
        return (again is not None and again["media"]["status"] == "ready") or None

    await until(ready, seconds=60)
    assert "ingestor.media-received" in listed.stdout
    assert sent.id in retried.stdout + retried.stderr


@pytest.mark.parametrize("command", [("instances",), ("dlq",), ("dlq-replay",), ("retry-failed",), ("storage-prune",)])
async def test_a_command_needs_nothing_but_compose(project: Project, command: tuple[str, ...]) -> None:
    ran = await project.make(*command, "COMPOSE=1")

    assert ran.stdout.strip()
    assert not (project.folder / ".venv").exists()


async def test_a_token_is_read_from_a_file_on_a_terminal(site: Site) -> None:
    """A person's shell: the output is a terminal, the input is the file."""
    (site.project.folder / "token.txt").write_text(f"{site.access_token}\n")
    typed = f"make instance-set COMPOSE=1 NUMBER={site.meta.number.phone_number_id} DEFAULT=1 < token.txt"

    ran = await site.project.ran("script", "--quiet", "--return", "--command", typed, "/dev/null")

    assert f"Saved {site.meta.number.phone_number_id}" in ran.stdout
    assert site.access_token not in ran.stdout


async def test_wrong_usage_is_told_and_is_exit_code_2(project: Project) -> None:
    ran = await project.ran("docker", "compose", "run", "--rm", "attache", "retry", code=None)

    assert ran.code == 2, ran


async def test_ps_and_logs_show_the_services(project: Project) -> None:
    listed = await project.make("ps")
    logged = await project.compose("logs", "ingestor")

    assert {"webhook-gateway", "ingestor", "previewer", "media-server"} <= set(listed.stdout.split())
    assert '"service": "ingestor"' in logged


async def test_secrets_that_are_there_are_never_made_anew(project: Project) -> None:
    folder = project.folder / "secrets"
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    await project.make("secrets")

    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir() if file.is_file()} == {0o600}
