"""Attache in containers, a simulated Meta beside them, and an operator in front of nginx."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from local_stack.demo.secrets import DemoSecrets
from shared.ids import media_id
from tests.compose.docker import docker, images
from tests.compose.project import Project, copied_project
from whatsapp_simulator import Simulator
from whatsapp_simulator.faults import Fault
from whatsapp_simulator.webhooks import Message

JSON = dict[str, Any]
T = TypeVar("T")
FINAL = frozenset({"ready", "skipped", "failed"})

# What Meta does for seven days, in the time that a test has: a container takes up to half a minute to come back.
_RETRY_DELAYS = (0.2, 0.5, *[1.0] * 90)
_SETTINGS = {
    "WHATSAPP_ALLOW_HTTP_GRAPH": "true",
    "MEDIA_RETRY_DELAYS": "1,2,3,5,10",
    "RECONCILE_SECONDS": "5",
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An attachment on its way."""

    id: str  # ours
    provider_media_id: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """The project, Meta, and the API as the operator has it: by nginx alone."""

    project: Project
    meta: Simulator
    api: aiohttp.ClientSession
    access_token: str  # of the number, at Meta
    told: list[Message] = field(default_factory=list)  # all that customers have written

    async def send(self, sample: str, *, seed: int, faults: Sequence[Fault] = ()) -> Sent:
        """One attachment with bytes of its own; returns when the gateway has accepted it."""
        media = self.meta.add_sample(sample, size_bytes=40_000, seed=seed, faults=faults)
        message = self.meta.message(self.meta.attachment(media))
        number = self.meta.number.phone_number_id
        ours = media_id(phone_number_id=number, message_id=message.id, provider_media_id=media.id)
        await self.deliver(message)
        return Sent(id=ours, provider_media_id=media.id)

    async def deliver(self, *messages: Message) -> None:
        """One POST to nginx, again until it is accepted."""
        self.told.extend(messages)
        delivery = await self.meta.send(*messages)
        assert delivery.accepted, delivery

    async def shown(self, ours: str) -> JSON | None:
        """The message as the API shows it; None while it does not."""
        try:
            async with self.api.get(f"/api/messages/{ours}") as response:
                return await response.json() if response.status == 200 else None
        except aiohttp.ClientError:
            return None  # nginx or the media-server is being restarted

    async def ended(self, sent: Sequence[Sent], *, seconds: float = 60) -> list[JSON]:
        """All of them, once each is in a final state."""
        ended: dict[str, JSON] = {}

        async def all_ended() -> list[JSON] | None:
            for each in sent:
                if each.id in ended:
                    continue
                shown = await self.shown(each.id)
                if shown is None or shown["media"]["status"] not in FINAL:
                    return None
                ended[each.id] = shown
            return [ended[each.id] for each in sent]

        return await until(all_ended, seconds=seconds)


async def until(found: Callable[[], Awaitable[T | None]], *, seconds: float, every: float = 0.2) -> T:
    """What `found` returns as soon as it is not None; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while (value := await found()) is None:
        assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
        await asyncio.sleep(every)
    return value


@asynccontextmanager
async def running_site(folder: Path, say: Callable[[str], None]) -> AsyncIterator[Site]:
    """Build, start and wait; afterwards take everything away and see that nothing is left."""
    made_up = DemoSecrets.new()
    async with Simulator(
        app_secret=made_up.app_secret,
        verify_token=made_up.verify_token,
        access_token=made_up.access_token,
        host=_seen_by_containers(),
        retry_delays_seconds=_RETRY_DELAYS,
    ) as meta:
        project = await asyncio.to_thread(copied_project, folder, {**_SETTINGS, "WHATSAPP_GRAPH_URL": meta.base_url})
        await project.make("secrets")
        for name, value in (
            ("whatsapp_app_secret", made_up.app_secret),
            ("whatsapp_verify_token", made_up.verify_token),
        ):
            (folder / "secrets" / name).write_text(f"{value}\n")
        try:
            await _started(project, say)
            number = f"NUMBER={meta.number.phone_number_id}"
            await project.make("instance-set", "COMPOSE=1", number, "DEFAULT=1", stdin=made_up.access_token)
            headers = {"Authorization": f"Bearer {project.secret('operator_token')}"}
            async with aiohttp.ClientSession(project.url, headers=headers) as api:
                assert await meta.subscribe(f"{project.url}/webhooks/whatsapp")
                say("running")
                yield Site(project=project, meta=meta, api=api, access_token=made_up.access_token)
        finally:
            say("stopping it with `make down`")
            await _taken_away(project)


async def _started(project: Project, say: Callable[[str], None]) -> None:
    say(f"building the images of project {project.name}")
    await project.compose("--profile", "tools", "build", "--quiet")
    say("starting it with `make up`")
    up = await project.make("up", code=None)
    if up.code != 0:
        logs = await project.ran("docker", "compose", "logs", "--no-color", "--tail", "20", code=None)
        say(f"{up.stdout}\n{up.stderr}\n{logs.stdout}")
        pytest.exit(f"`make up` ended with {up.code}; why, is above", returncode=1)
    assert project.url in up.stdout


async def _taken_away(project: Project) -> None:
    down = await project.make("down", code=None)
    left = project.left()
    await project.ran("docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans")
    built = [image for image in images() if image.endswith(f":{project.name}")]
    docker("image", "rm", *built, check=False)
    assert down.code == 0, down
    assert (left["containers"], left["networks"]) == ([], []), "`make down` leaves nothing that runs"
    assert left["volumes"], "`make down` keeps the data"
    assert project.left() == {"containers": [], "networks": [], "volumes": []}


def _seen_by_containers() -> str:
    """The address of this machine at which containers reach it, and nobody outside does."""
    return docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
