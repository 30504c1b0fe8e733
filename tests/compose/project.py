"""A Compose project of our own, started from a copy of the checkout as a person starts it from a clone."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.ports import LOOPBACK, Ports
from tests.compose.docker import docker

ROOT = Path(__file__).parents[2]
OVERRIDE = "tests/compose/override.yml"
_LABEL = "com.docker.compose.project"
_SHELL = ("PATH", "HOME", "LANG", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")
_SECONDS = 900.0

JSON = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Project:
    """The folder that looks like a clone, and the environment of the shell in which its commands are called."""

    name: str
    folder: Path
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where nginx is published."""
        return f"http://{LOOPBACK}:{self.environment['HTTP_PORT']}"

    def secret(self, name: str) -> str:
        """What `make secrets` made."""
        return (self.folder / "secrets" / name).read_text().strip()

    async def compose(self, *arguments: str, stdin: str = "", code: int | None = 0) -> str:
        """`docker compose …`: what it prints. Fails, with everything it says, when it does not end with `code`."""
        return (await self.ran("docker", "compose", *arguments, stdin=stdin, code=code)).stdout

    async def make(self, *arguments: str, stdin: str = "", code: int | None = 0) -> Ran:
        """`make …`"""
        return await self.ran("make", "--no-print-directory", *arguments, stdin=stdin, code=code)

    async def ran(self, *command: str, stdin: str = "", code: int | None = 0) -> Ran:
        """Any command, called in the folder. Not in this thread: the simulated Meta has to go on answering."""
        ended = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=self.folder,
            env=dict(self.environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        told = f"{' '.join(command)} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        assert code is None or ended.returncode == code, told
        return Ran(code=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)

    async def queried(self, promql: str) -> list[JSON]:
        """What Prometheus answers; it is published nowhere, so it is asked from inside."""
        asked = ("promtool", "query", "instant", "--format", "json", "http://prometheus-monitoring:9090", promql)
        answer: list[JSON] = json.loads(await self.compose("exec", "--no-TTY", "prometheus", *asked))
        return answer

    def containers(self, service: str | None = None, *, ended: bool = False) -> Sequence[JSON]:
        """What the engine says of each container of the project, or of one service."""
        wanted = ["--filter", f"label={_LABEL}={self.name}"]
        if service is not None:
            wanted += ["--filter", f"label=com.docker.compose.service={service}"]
        ids = docker("ps", "--quiet", *(["--all"] if ended else []), *wanted).split()
        found: Sequence[JSON] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    async def logs(self, service: str) -> str:
        """All that its containers have written, one after the other."""
        # Not by Compose: 2.26.0 puts an escape sequence before each line.
        written = [
            await self.ran("docker", "logs", container["Id"]) for container in self.containers(service, ended=True)
        ]
        return "".join(each.stdout + each.stderr for each in written)

    def left(self) -> dict[str, list[str]]:
        """What the engine still has of this project."""
        label = ("--filter", f"label={_LABEL}={self.name}")
        return {
            "containers": docker("ps", "--all", "--format", "{{.Names}}", *label).split(),
            "networks": docker("network", "ls", "--format", "{{.Name}}", *label).split(),
            "volumes": docker("volume", "ls", "--format", "{{.Name}}", *label).split(),
        }


def service_of(container: Mapping[str, Any]) -> str:
    """The name of its service in the Compose file."""
    name: str = container["Config"]["Labels"]["com.docker.compose.service"]
    return name


def copied_project(folder: Path, settings: Mapping[str, str]) -> Project:
    """A copy of the checkout without what is only this machine's, with settings, ports and image names of its own."""
    copy_checkout(folder)
    name = f"attache-test-{secrets.token_hex(3)}"
    ports = Ports()
    try:
        published = {"HTTP_PORT": str(ports.choose()), "GRAFANA_PORT": str(ports.choose())}
    finally:
        ports.release()
    (folder / ".env").write_text("".join(f"{each}={value}\n" for each, value in settings.items()))
    environment = {each: os.environ[each] for each in _SHELL if each in os.environ}
    environment |= {"COMPOSE_PROJECT_NAME": name, "COMPOSE_FILE": f"docker-compose.yml:{OVERRIDE}"}
    environment |= {"ATTACHE_TAG": name, **published}
    return Project(name=name, folder=folder, environment=environment)


def copy_checkout(folder: Path) -> None:
    """All files that are in the repository, or would be if they were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - wherever it is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # one that is deleted and not yet committed is listed, too
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
