"""The users of a database whose first start was cut off: made up for, or told. One MongoDB, apart from the project."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.compose.docker import docker
from tests.compose.project import ROOT

USER = ("mongosh", "--quiet", "--nodb", "/attache/user.js")


@pytest.fixture
def handed_out(tmp_path: Path) -> Path:
    """What the one-shot service gives to MongoDB."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    for name in ("mongodb_root_password", "mongodb_password"):
        (folder / name).write_text(secrets.token_hex(16))
        (folder / name).chmod(0o644)
    for parent in folder.parents[:3]:
        parent.chmod(0o755)
    return folder


@pytest.fixture
def mongodb(handed_out: Path) -> Iterator[str]:
    """It asks for a login and has no user, as when the image was stopped before it made the users."""
    container = docker(
        *("run", "--detach", "--entrypoint", "mongod", "--user", "mongodb"),
        *("--volume", f"{handed_out}:/run/secrets:ro", "--volume", f"{ROOT / 'deploy/mongodb'}:/attache:ro"),
        *("--env", "MONGODB_DATABASE=attache", "mongo:7.0", "--dbpath", "/data/db", "--auth", "--quiet"),
    )
    try:
        deadline = monotonic() + 60
        listens = ("exec", container, "bash", "-c", "exec 3<> /dev/tcp/127.0.0.1/27017 && echo yes")
        while docker(*listens, check=False) != "yes":
            assert monotonic() < deadline, docker("logs", container)
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def test_users_that_were_never_made_are_made(mongodb: str) -> None:
    assert docker("exec", mongodb, *USER).splitlines() == [
        "MongoDB: the first start had been cut off; the user root was made.",
        "MongoDB: the user attache was made.",
    ]
    # and once more, as each `make up` does
    assert docker("exec", mongodb, *USER) == ("MongoDB: the user attache has the password of secrets/mongodb_password.")


def test_a_database_that_moved_can_be_used(mongodb: str) -> None:
    docker("exec", mongodb, *USER)
    docker("exec", "--env", "MONGODB_DATABASE=other", mongodb, *USER)

    insert = (
        "const pwd = require('fs').readFileSync('/run/secrets/mongodb_password', 'utf8');"
        "const admin = new Mongo('mongodb://127.0.0.1/').getDB('admin'); admin.auth('attache', pwd);"
        "print(admin.getSiblingDB('other').messages.insertOne({}).acknowledged)"
    )
    assert docker("exec", mongodb, "mongosh", "--quiet", "--nodb", "--eval", insert) == "true"


def test_another_root_is_told_apart_from_everything_else(mongodb: str, handed_out: Path) -> None:
    docker("exec", mongodb, *USER)
    (handed_out / "mongodb_root_password").write_text("of somebody else")

    # deploy/compose.sh says what to do when it ends with 3
    told = docker("exec", mongodb, "sh", "-c", " ".join(USER) + "; echo $?")

    assert told == "MongoDB: the password of root is not the one in secrets/mongodb_root_password.\n3"
