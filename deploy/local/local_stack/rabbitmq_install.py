"""Finds RabbitMQ on this machine, or installs it where that needs no question: with apt."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local_stack.errors import StackError
from local_stack.process import last_lines

# The scripts themselves. Those that packages put into /usr/sbin switch to the user of the installed service.
FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin", "/usr/local/bin")
SWITCHES_USER = ("/usr/sbin", "/sbin")
_INSTALLER = Path(__file__).with_name("install_rabbitmq.sh")


def find_rabbitmq() -> Path | None:
    """The `rabbitmq-server` script that runs as the current user, or None."""
    on_path = [folder for folder in os.get_exec_path() if folder not in SWITCHES_USER]
    found = shutil.which("rabbitmq-server", path=os.pathsep.join([*FOLDERS, *on_path]))
    return Path(found) if found else None


def find_epmd() -> Path | None:
    """Erlang's name server, or None."""
    found = shutil.which("epmd") or shutil.which("epmd", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    return Path(found) if found else None


def can_install() -> bool:
    """Whether apt is here and we may use it: as root, by sudo without a password, or by asking at a terminal."""
    return shutil.which("apt-get") is not None and (os.geteuid() == 0 or shutil.which("sudo") is not None)


async def install_rabbitmq(progress: Callable[[str], None], log: Path) -> None:
    """Install the distribution's RabbitMQ without starting it; the output goes to the log file. Raises StackError."""
    command = ["/bin/sh", str(_INSTALLER)]
    if os.geteuid() != 0:
        command = ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command]
    progress("Installing RabbitMQ with apt (once; about a minute)")
    exit_code = await asyncio.to_thread(_run, command, log)
    if exit_code != 0:
        raise StackError(f"apt could not install rabbitmq-server (exit code {exit_code}):\n{last_lines(log)}")


def _run(command: list[str], log: Path) -> int:
    with log.open("ab") as output:
        # Standard input stays the terminal's: sudo may have to ask for a password there.
        return subprocess.run(  # noqa: S603 - our own script
            command, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
