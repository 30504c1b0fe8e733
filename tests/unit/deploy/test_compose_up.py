"""What `make up` does and says: deploy/compose.sh in a copy of the clone, with a `docker` that answers as told."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
MOUNTED = ("nginx", "prometheus", "rabbitmq", "mongodb", "grafana")
LONG_AGO, IN_A_WHILE = "2000-01-01T00:00:00.123456789Z", "2999-01-01T00:00:00.123456789Z"
SIMULATED = "200300400500600"

DOCKER = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
case "$*" in
    "version "*) echo 28.2.2 ;;
    "compose version "*) echo 2.36.0 ;;
    *"/attache/user.js") echo "$USER_SAYS"; exit "$USER_ENDS" ;;
    *"/attache/numbers.js") echo "$NUMBERS" ;;
    "compose ps --quiet "*) echo "id-of-${*: -1}" ;;
    "inspect "*State*) echo "$STARTED" ;;
    "inspect "*Mounts*) echo attache_mongodb ;;
    "compose kill "*) echo "what the engine says" >&2; exit "$HUP_ENDS" ;;
    "compose port nginx "*) echo 127.0.0.1:8080 ;;
esac
"""


class Up(NamedTuple):
    """How it ended, what it said, and what it asked of docker, in this order."""

    code: int
    stdout: str
    stderr: str
    calls: Sequence[str]

    def asked(self, what: str) -> bool:
        return any(what in call for call in self.calls)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    for name in MOUNTED:
        shutil.copytree(ROOT / "deploy" / name, folder / "deploy" / name)
    shutil.copy2(ROOT / "deploy/compose.sh", folder / "deploy")
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (("docker", DOCKER), ("make", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for each in (folder / "deploy").rglob("*"):
        each.chmod(0o755 if each.is_dir() else 0o644)
    return folder


def up(clone: Path, **answers: str) -> Up:
    calls = clone / "calls"
    standard = {"USER_SAYS": "MongoDB: …", "USER_ENDS": "0", "NUMBERS": "", "STARTED": IN_A_WHILE, "HUP_ENDS": "0"}
    run = subprocess.run(  # noqa: S603 - our own program
        ["bash", str(clone / "deploy/compose.sh"), "up"],  # noqa: S607 - whichever bash there is
        env={"PATH": f"{clone / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), **standard, **answers},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return Up(run.returncode, run.stdout, run.stderr, calls.read_text().splitlines())


def test_it_builds_starts_mongodb_makes_its_user_and_starts_the_rest(clone: Path) -> None:
    ended = up(clone)

    assert ended.code == 0, ended.stderr
    order = [
        "compose --profile tools build --quiet",
        "compose up --detach --wait --wait-timeout 300 mongodb",
        "compose exec --no-TTY mongodb mongosh --quiet --nodb /attache/user.js",
        "compose up --detach --wait --wait-timeout 300",
    ]
    assert [call for call in ended.calls if call in order] == order
    assert "Everything is healthy." in ended.stdout
    assert not ended.asked("simulator")
    assert not ended.asked("restart")


def test_a_database_of_another_root_is_told_with_what_to_do(clone: Path) -> None:
    ended = up(clone, USER_ENDS="3", USER_SAYS="MongoDB: the password of root is not the one in …")

    assert ended.code == 1
    assert ended.stderr.startswith("MongoDB: the password of root is not the one in …")
    assert "put it into secrets/mongodb_root_password" in ended.stderr
    assert "docker volume rm attache_mongodb" in ended.stderr
    assert "compose up --detach --wait --wait-timeout 300" not in ended.calls


def test_a_mongodb_that_does_not_take_the_user_is_told(clone: Path) -> None:
    ended = up(clone, USER_ENDS="1", USER_SAYS="")

    assert ended.code == 1
    assert "MongoDB did not take the user attache" in ended.stderr


def test_what_was_made_in_the_database_is_told(clone: Path) -> None:
    assert "root was made" in up(clone, USER_SAYS="MongoDB: the user root was made.").stdout
    assert "has the password" not in up(clone, USER_SAYS="MongoDB: the user attache has the password of …").stdout


@pytest.mark.parametrize("demo", ["", "0"])
def test_there_is_no_simulator_unless_it_is_asked_for(demo: str, clone: Path) -> None:
    ended = up(clone, DEMO=demo, NUMBERS="106540352242922")

    assert ended.code == 0
    assert not ended.asked("simulator")


@pytest.mark.parametrize("numbers", ["", SIMULATED])
def test_the_simulator_comes_to_an_empty_stack_or_to_its_own(numbers: str, clone: Path) -> None:
    ended = up(clone, DEMO="1", NUMBERS=numbers)

    assert ended.code == 0, ended.stderr
    assert ended.asked(f"attache instance-set {SIMULATED}")
    assert ended.asked("compose --profile demo up --detach --build --wait simulator")


@pytest.mark.parametrize("numbers", ["106540352242922", f"{SIMULATED}\n106540352242922"])
def test_the_simulator_is_refused_where_real_numbers_are_saved(numbers: str, clone: Path) -> None:
    ended = up(clone, DEMO="1", NUMBERS=numbers)

    assert ended.code == 1
    assert "The number 106540352242922 is saved here" in ended.stderr
    assert not ended.asked("simulator")
    assert "compose up --detach --wait --wait-timeout 300" not in ended.calls, "nothing was pointed at it"


def test_rabbitmq_and_grafana_are_started_anew_when_their_files_have_changed(clone: Path) -> None:
    ended = up(clone, STARTED=LONG_AGO)

    for service in ("rabbitmq", "grafana"):
        assert f"compose restart {service}" in ended.calls
        assert f"deploy/{service} has changed" in ended.stdout
    assert not ended.asked("restart nginx")
    # and then all are waited for
    assert ended.calls.index("compose restart grafana") < ended.calls.index(
        "compose up --detach --wait --wait-timeout 300"
    )


def test_who_reads_changed_files_without_a_restart_is_told_to(clone: Path) -> None:
    ended = up(clone)

    for service in ("nginx", "prometheus", "alertmanager"):
        assert f"compose kill --signal HUP {service}" in ended.calls
    assert "what the engine says" not in ended.stderr


def test_who_could_not_be_told_to_is_named(clone: Path) -> None:
    ended = up(clone, HUP_ENDS="1")

    assert ended.code == 1
    assert "what the engine says" in ended.stderr
    assert "docker compose restart nginx" in ended.stderr


@pytest.mark.parametrize(
    ("name", "mode"), [("nginx/nginx.conf", 0o600), ("grafana/dashboards", 0o700), ("mongodb/user.js", 0o640)]
)
def test_files_that_no_container_could_read_are_told_before_anything_is_done(name: str, mode: int, clone: Path) -> None:
    (clone / "deploy" / name).chmod(mode)

    ended = up(clone)

    assert ended.code == 1
    assert f"deploy/{name}" in ended.stderr
    assert "chmod -R o+rX deploy" in ended.stderr
    assert not ended.asked("compose up")
