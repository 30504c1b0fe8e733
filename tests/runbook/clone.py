"""A folder that looks like a clone of this repository with a running Attache, for commands that are called in one."""

import os
from pathlib import Path

from local_stack import SERVICES
from tests.e2e.world import World

ROOT = Path(__file__).parents[2]
# What a person's clone has, and none of it is ours. Without requirements/ make installs nothing: it would install this
# clone, which is soon gone, into the virtual environment of the checkout.
_OF_ITS_OWN = {".env", ".git", ".local", "requirements", "secrets", "uploads"}


def clone(folder: Path, world: World) -> Path:
    """All files of the checkout, with the settings of this world in `.env` and its logs where `make run` keeps them."""
    folder.mkdir(parents=True)
    for file in ROOT.iterdir():
        if file.name not in _OF_ITS_OWN and not file.name.endswith("_cache"):
            (folder / file.name).symlink_to(file)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in world.settings.items()))
    (folder / ".env").chmod(0o600)
    (folder / ".local" / "run").mkdir(parents=True)
    (folder / ".local" / "run" / "logs").symlink_to(world.stack.log(SERVICES[0].name).parent)
    (folder / "uploads").symlink_to(world.settings["STORAGE_URL"])
    return folder


def shell_environment() -> dict[str, str]:
    """What a person's shell has; the settings come from `.env`."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def addresses(world: World) -> dict[str, str]:
    """The well-known addresses of the services, and those of this world."""
    return {f"http://127.0.0.1:{service.port}": world.stack.url(service.name) for service in SERVICES}
