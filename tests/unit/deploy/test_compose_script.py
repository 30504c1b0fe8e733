"""What `make up` says when it cannot begin: deploy/compose.sh with a `docker` that answers as it is told."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def ran(folder: Path, *arguments: str, docker: str | None, running: str = "a1b2") -> subprocess.CompletedProcess[str]:
    """The script, where the only `docker` is this shell script, or there is none."""
    for tool in ("bash", "env", "dirname", "sort", "head", "tr"):
        found = next(Path(each) / tool for each in os.environ["PATH"].split(":") if (Path(each) / tool).exists())
        (folder / tool).symlink_to(found)
    if docker is not None:
        (folder / "docker").write_text(f"#!/usr/bin/env bash\n{docker}\n")
        (folder / "docker").chmod(0o755)
    return subprocess.run(  # noqa: S603 - our own program
        [str(folder / "bash"), str(ROOT / "deploy/compose.sh"), *arguments],
        env={"PATH": str(folder), "RUNNING": running},
        capture_output=True,
        text=True,
        timeout=30,
    )


def versions(engine: str, compose: str) -> str:
    return (
        f'case "$*" in "version "*) echo {engine} ;; "compose version "*) echo {compose} ;; '
        '*" config --services") echo ingestor ;; *" --quiet") echo "$RUNNING" ;; *) echo "$*" ;; esac'
    )


@pytest.mark.parametrize("command", ["up", "down", "logs", "ps"])
def test_without_docker_it_says_what_to_install(command: str, tmp_path: Path) -> None:
    run = ran(tmp_path, command, docker=None)

    assert run.returncode == 1
    assert "Docker is missing" in run.stderr
    assert "make run" in run.stderr


@pytest.mark.parametrize(
    ("docker", "says"),
    [
        ("exit 1", "The Docker engine does not answer"),
        ('[ "$1" = version ] && echo 26.1.5', "Docker has no Compose"),
        (versions("24.0.9", "2.29.1"), "The Docker engine is too old: 24.0.9"),
        (versions("20.10.24+dfsg1", "v2.29.1"), "The Docker engine is too old: 20.10.24+dfsg1"),
        (versions("27.3.1", "2.6.0"), "Docker Compose is too old: 2.6.0"),
        (versions("27.3.1", "v2.23.3"), "Docker Compose is too old: v2.23.3"),
    ],
)
def test_a_docker_that_will_not_do_is_told(docker: str, says: str, tmp_path: Path) -> None:
    run = ran(tmp_path, "ps", docker=docker)

    assert run.returncode == 1
    assert says in run.stderr
    assert run.stdout == ""


@pytest.mark.parametrize(
    ("engine", "compose"), [("25.0.0", "2.24.0"), ("26.1.5+dfsg1", "2.26.1-4"), ("28.2.2", "v2.36")]
)
def test_a_docker_that_will_do_is_asked(engine: str, compose: str, tmp_path: Path) -> None:
    run = ran(tmp_path, "logs", "ingestor", docker=versions(engine, compose))

    assert run.returncode == 0, run.stderr
    assert run.stdout == "compose --profile demo logs --follow --tail 200 ingestor\n"


def test_down_takes_tools_and_simulator_along_and_keeps_the_data(tmp_path: Path) -> None:
    run = ran(tmp_path, "down", docker=versions("28.2.2", "2.36.0"))

    assert run.stdout == "compose --profile tools --profile demo down --remove-orphans\n"


def test_the_logs_of_a_service_that_is_none_are_refused_with_those_that_are(tmp_path: Path) -> None:
    run = ran(tmp_path, "logs", "nosuch", docker=versions("28.2.2", "2.36.0"))

    assert run.returncode == 1
    assert run.stderr == "There is no service nosuch. There are: ingestor \n"


@pytest.mark.parametrize("command", ["logs", "ps"])
def test_when_nothing_runs_it_says_how_to_start(command: str, tmp_path: Path) -> None:
    run = ran(tmp_path, command, docker=versions("28.2.2", "2.36.0"), running="")

    assert run.returncode == 1
    assert run.stderr == "Nothing is running. Start it with: make up\n"


def test_another_word_is_wrong_usage(tmp_path: Path) -> None:
    assert ran(tmp_path, "nothing", docker=None).stderr.startswith("usage: deploy/compose.sh up|down|logs")
