"""`attache doctor`, called as a person does, on a running Attache or on what is left of one."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from tests.e2e.world import World

ATTACHE = Path(sys.executable).with_name("attache")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def checks(self) -> Sequence[Mapping[str, Any]]:
        """Of the form that machines read."""
        checks: Sequence[Mapping[str, Any]] = loads(self.stdout)["checks"]
        return checks

    def wrong(self) -> dict[str, str]:
        """What is wrong, by check, with the next step behind it."""
        return self._of("wrong")

    def warnings(self) -> dict[str, str]:
        """What somebody should know."""
        return self._of("warning")

    def says(self, name: str) -> str:
        """All that one check said."""
        return "\n".join(_text(check) for check in self.checks if check["name"] == name)

    def _of(self, verdict: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for check in self.checks:
            if check["verdict"] == verdict:
                found[check["name"]] = "\n".join(filter(None, (found.get(check["name"]), _text(check))))
        return found


def _text(check: Mapping[str, Any]) -> str:
    return f"{check['says']} → {check.get('nextStep', '')}"


def settings_of(world: World, **changed: str) -> dict[str, str]:
    """What the doctor needs to know of this world."""
    addresses = {f"{name.upper().replace('-', '_')}_URL": world.stack.url(name) for name in world.stack.names}
    # a token of the environment would only ever be a new one
    seed = {"WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID"}
    return {name: value for name, value in world.settings.items() if name not in seed} | addresses | changed


async def examined(settings: Mapping[str, str], *, folder: Path, json: bool = True, seconds: float = 20) -> Report:
    """Its report, as machines read it or as people do; called in a folder without `.env`."""
    process = await asyncio.create_subprocess_exec(
        str(ATTACHE),
        *(("doctor", "--json") if json else ("doctor",)),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80", **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Report(code=process.returncode, stdout=out.decode(), stderr=err.decode())
