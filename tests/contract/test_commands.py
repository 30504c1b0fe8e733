"""Section 5 of the contract: `attache`, its exit codes, and the make targets that exist by now.

Exit code 1, and tokens from standard input and the environment: `tests/integration/test_cli_instances.py`.
"""

import os
import re
import subprocess
import sys
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.cli import app

ROOT = Path(__file__).parents[2]
ATTACHE = Path(sys.executable).with_name("attache")
TOKEN = "EAAGaccessTokenOfTheContract"
TARGETS = (
    "demo",
    "test",
    "run",
    "lint",
    "format",
    "typecheck",
    "bench",
    "fuzz",
    "instances",
    "instance-set",
    "retry",
    "retry-failed",
    "dlq",
    "dlq-replay",
    "dlq-purge",
    "storage-prune",
    "previews-rebuild",
    "up",
    "down",
    "logs",
    "ps",
    "secrets",
    "test-compose",
    "doctor",
    "retention",
    "backup",
    "restore",
    "reencrypt",
)
IN_A_CONTAINER = "docker compose run --rm $([ -t 0 ] || echo --no-TTY) attache"
OF_COMPOSE = ("up", "down", "logs", "ps", "secrets")


def attache(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )


def recipes() -> dict[str, list[str]]:
    """The lines of each target; a line that ends in a backslash goes on in the next."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    found = re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    return {target: lines.splitlines() for target, lines in found}


def made(*arguments: str) -> str:
    """What make would run."""
    environment = {"PATH": os.environ["PATH"]}
    planned = subprocess.run(  # noqa: S603 - shows, does nothing
        ["make", "--dry-run", *arguments],  # noqa: S607 - whichever make there is
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert planned.returncode == 0, planned.stderr
    return planned.stdout.splitlines()[-1]


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_is_one_line(target: str) -> None:
    assert len(recipes()[target]) == 1


@pytest.mark.parametrize(
    ("target", "calls"), [("instances", "attache instances"), ("instance-set", "attache instance-set")]
)
def test_a_make_target_of_the_operator_calls_attache(target: str, calls: str) -> None:
    assert calls in made(target, "NUMBER=1")


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (["retry", "ID=m7k2exampleid"], 'attache retry "m7k2exampleid"'),
        (["retry-failed"], "attache retry-failed"),
        (
            ["retry-failed", "CODE=provider_auth", "NUMBER=106540352242922", "SINCE=12h"],
            'attache retry-failed --code "provider_auth" --number "106540352242922" --since "12h"',
        ),
    ],
)
def test_make_retry_takes_what_the_contract_says(arguments: list[str], ends: str) -> None:
    assert made(*arguments).strip().endswith(ends)


def test_make_instance_set_takes_number_name_and_default() -> None:
    command = made("instance-set", "NUMBER=106540352242922", "NAME=My Shop", "DEFAULT=1")

    assert command.endswith('attache instance-set "106540352242922" --name "My Shop" --default')


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (["dlq"], "attache dlq list"),
        (["dlq-replay"], "attache dlq replay"),
        (
            ["dlq-replay", "QUEUE=ingestor.media-received.dlq", "CODE=provider_auth", "NUMBER=1", "LIMIT=5"],
            'attache dlq replay --queue "ingestor.media-received.dlq" --code "provider_auth" --number "1" --limit "5"',
        ),
        (["dlq-purge", "QUEUE=previewer.media-stored"], 'attache dlq purge "previewer.media-stored"'),
        (["dlq-purge", "QUEUE=previewer.media-stored", "EXPIRED=1"], 'purge "previewer.media-stored" --expired'),
        (["dlq-purge", "QUEUE=previewer.media-stored", "YES=1"], 'attache dlq purge "previewer.media-stored" --yes'),
    ],
)
def test_make_dlq_takes_what_the_contract_says(arguments: list[str], ends: str) -> None:
    assert " ".join(made(*arguments).split()).endswith(ends)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([], "attache storage prune"),
        (["OLDER_THAN=15m"], 'attache storage prune --older-than "15m"'),
        (["OLDER_THAN=30d", "APPLY=1"], 'attache storage prune --older-than "30d" --apply'),
    ],
)
def test_make_storage_prune_takes_an_age_and_removes_nothing_unless_told(given: list[str], command: str) -> None:
    assert made("storage-prune", *given).rstrip().endswith(command)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["retention", "OLDER_THAN=90d"], 'attache retention --older-than "90d"'),
        (
            ["retention", "OLDER_THAN=90d", "KIND=image", "NUMBER=106540352242922", "APPLY=1"],
            'attache retention --older-than "90d" --kind "image" --number "106540352242922" --apply',
        ),
        (["previews-rebuild"], "attache previews rebuild"),
        (
            ["previews-rebuild", "KIND=video", "NUMBER=106540352242922", "FAILED=1", "APPLY=1"],
            'attache previews rebuild --kind "video" --number "106540352242922" --failed --apply',
        ),
        (["backup", "TO=/backups/today"], 'attache backup "/backups/today"'),
        (["restore", "FROM=/backups/today"], 'attache restore "/backups/today"'),
        (["doctor"], "attache doctor"),
        (["reencrypt"], "attache reencrypt"),
    ],
)
def test_the_targets_of_operations_call_attache(given: list[str], command: str) -> None:
    assert " ".join(made(*given).split()).endswith(command)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["dlq"], f"{IN_A_CONTAINER} dlq list"),
        (["retry", "ID=m7k2exampleid"], f'{IN_A_CONTAINER} retry "m7k2exampleid"'),
        (["retry", "ID=m7k2exampleid", "WHATSAPP_ACCESS_TOKEN=a-token"], f'{IN_A_CONTAINER} retry "m7k2exampleid"'),
        (["instance-set", "NUMBER=1"], f'{IN_A_CONTAINER} instance-set "1"'),
        (
            ["instance-set", "NUMBER=1", "WHATSAPP_ACCESS_TOKEN=a-token"],
            f'printf %s "$WHATSAPP_ACCESS_TOKEN" | {IN_A_CONTAINER} instance-set "1"',
        ),
    ],
)
def test_with_compose_the_same_targets_run_in_a_container_and_need_no_venv(given: list[str], command: str) -> None:
    planned = made(*given, "COMPOSE=1")

    assert " ".join(planned.split()) == command
    assert not re.search(r"^(?:dlq|retry|instance-set|storage-prune):.*stamp", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("token", ["", "EAAGof-the-shell"])
def test_with_compose_a_token_is_piped_in_and_is_no_setting_of_the_container(token: str, tmp_path: Path) -> None:
    """`docker` here says what it was called with and what came in. Containers can be inspected."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\ncat\n')
    docker.chmod(0o755)

    ran = subprocess.run(
        ["make", "instance-set", "NUMBER=1", "COMPOSE=1"],  # noqa: S607 - whichever make there is
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "WHATSAPP_ACCESS_TOKEN": token},
        cwd=ROOT,
        input="EAAGof-the-file",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    called, came = ran.stdout.splitlines()
    assert called == "compose run --rm --no-TTY attache instance-set 1"
    assert came == (token or "EAAGof-the-file")


@pytest.mark.parametrize("target", OF_COMPOSE)
def test_the_targets_of_compose_need_no_venv(target: str) -> None:
    assert re.search(rf"^{target}:  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["up"], 'DEMO="" deploy/compose.sh up'),
        (["up", "DEMO=1"], 'DEMO="1" deploy/compose.sh up'),
        (["down"], "deploy/compose.sh down"),
        (["logs", "SERVICE=ingestor"], "deploy/compose.sh logs ingestor"),
        (["ps"], "deploy/compose.sh ps"),
        (["secrets"], "PYTHONPATH=deploy/secrets python3 -m secret_files"),
        (["test-compose"], ".venv/bin/python -m tests.compose"),
    ],
)
def test_the_targets_of_compose_call_one_program(given: list[str], command: str) -> None:
    assert made(*given).strip() == command


def test_exit_code_0_is_done_and_attache_key_prints_a_fernet_key() -> None:
    done = attache("key")

    assert done.returncode == 0
    assert len(urlsafe_b64decode(done.stdout.strip())) == 32


@pytest.mark.parametrize("arguments", [[], ["nothing-of-that-name"], ["instances", "--nothing"], ["instance-set"]])
def test_exit_code_2_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_exit_code_2_is_wrong_settings_all_of_them_named() -> None:
    wrong = attache("instances", MONGODB_URI="127.0.0.1", MONGODB_DATABASE="a.b")

    assert wrong.returncode == 2
    named = re.findall(r"^  ([A-Z_]+): ", wrong.stderr, re.MULTILINE)
    assert sorted(named) == ["CREDENTIALS_ENCRYPTION_KEY", "MONGODB_DATABASE", "MONGODB_URI"]


@pytest.mark.parametrize("arguments", [["instance-set", "1", TOKEN], ["instance-set", "1", "--token", TOKEN]])
def test_the_access_token_is_never_read_from_the_command_line(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_wamid_holds_a_phone_number_and_the_documents_say_that_logs_are_personal_data() -> None:
    """Section 4 asks for it."""
    assert b"15550102030" in b64decode("HBgLMTU1NTAxMDIwMzAVAgASGBQzQTE2")

    for document in ("README.md", "SECURITY.md"):
        assert "ogs are personal data" in (ROOT / document).read_text()
