"""`attache simulate` as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from tests.unit.whatsapp_simulator.peers import Receiver
from whatsapp_simulator.cli import app

REPOSITORY = Path(__file__).parents[3]
SETTINGS = {"WHATSAPP_APP_SECRET": "demo-app-secret", "WHATSAPP_VERIFY_TOKEN": "demo-verify-token"}
SIMULATOR = ("-m", "whatsapp_simulator")
# as the console script does it; the command is registered in shared.cli, this looks at the command alone
COMMAND = (
    "-c",
    "import typer; from shared.cli.simulate import PASS_THROUGH, simulate; app = typer.Typer(); "
    "app.callback()(lambda: None); app.command('simulate', context_settings=PASS_THROUGH)(simulate); app()",
    "simulate",
)


async def start(
    *arguments: str, environment: dict[str, str], program: tuple[str, ...] = SIMULATOR, folder: Path = REPOSITORY
) -> Process:
    whole = os.environ | environment
    return await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments, stdout=PIPE, stderr=PIPE, env=whole, cwd=folder
    )


async def test_it_serves_until_it_is_told_to_stop_with_settings_from_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WHATSAPP_APP_SECRET=demo-app-secret\n")
    process = await start("--port", "0", program=COMMAND, folder=tmp_path, environment={})
    assert process.stdout is not None

    line = (await asyncio.wait_for(process.stdout.readline(), timeout=20)).decode()
    base_url = line.split()[2]
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/_control/samples") as response:
        samples = await response.json()
    process.send_signal(signal.SIGTERM)

    await asyncio.wait_for(process.communicate(), timeout=20)
    assert "photo" in samples
    assert process.returncode == 0


async def test_it_sends_tells_what_became_of_it_and_ends(receiver: Receiver) -> None:
    process = await start(
        *("--port", "0", "--webhook-url", receiver.url, "--kind", "photo", "--kind", "flow", "--count", "10"),
        *("--batch", "5", "--duplicates", "1", "--fault", "corrupt=0.5", "--leave-after", "0"),
        environment=SETTINGS,
    )

    output, errors = await asyncio.wait_for(process.communicate(), timeout=20)

    assert process.returncode == 0, errors
    assert len(receiver.got) == 4
    assert "4, 2 of them a second time" in output.decode()
    assert "4 x 200" in output.decode()
    assert "10/10" in errors.decode()


def test_a_receiver_that_fails_the_handshake_ends_it() -> None:
    result = CliRunner().invoke(app, ["--app-secret", "s", "--port", "0", "--webhook-url", "http://127.0.0.1:1/hook"])

    assert result.exit_code == 1
    assert "did not answer the verification request" in result.stderr


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = CliRunner().invoke(app, ["--app-secret", "s", "--port", str(other.getsockname()[1])])

    assert result.exit_code == 1
    assert result.stderr.startswith("cannot listen: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "photo"], "--kind needs --webhook-url"),
        (["--webhook-url", "http://127.0.0.1:1/", "--kind", "film"], "film: no such kind"),
        (["--fault", "tired"], "'tired' is none of"),
        (["--tls-cert", "cert.pem"], "--tls-cert and --tls-key"),
        (["--batch", "1001"], "--batch"),
    ],
)
def test_wrong_usage_is_named(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["--app-secret", "s", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})

    assert result.exit_code == 2
    assert words in result.stderr


def test_names_are_listed_without_any_setting() -> None:
    result = CliRunner().invoke(app, ["--names"])

    assert result.exit_code == 0
    assert "voicemail" in result.stdout
    assert "gzip_bomb" in result.stdout
