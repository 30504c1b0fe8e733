"""The operator's commands, as real processes. What the chaos lets fail is given again, as a person does."""

import asyncio
import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp

from local_stack.environment import base_environment
from tests.chaos.meta import DEFAULT, OWN, WITHOUT
from whatsapp_simulator import Simulator

_ATTACHE = Path(sys.executable).with_name("attache")
_GROUPS = frozenset({"dlq", "storage"})
_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = 90.0
_ANSWER_LIMIT = aiohttp.ClientTimeout(total=10)


class CommandFailed(Exception):
    """A command did not achieve what it is for, however often it was given."""


class Operator:
    """Access tokens, replays, retries, erasures. What commands write is in `log`, which is a service's log, too."""

    def __init__(self, settings: Mapping[str, str], *, folder: Path, tokens: Mapping[str, str]) -> None:
        self.commands: Counter[str] = Counter()
        self.tokens = dict(tokens)
        """The access token in force, by number."""
        self.all_tokens = list(tokens.values())
        """Every token that there ever was; none may stand in a log."""
        self.log = folder / "logs" / "attache.log"
        self._environment = {**base_environment(), **settings}
        del self._environment["WHATSAPP_ACCESS_TOKEN"]  # the seed; the command would take it for the new one
        self._folder = folder

    async def save_token(self, number: str, token: str) -> None:
        """`attache instance-set`, with the token on standard input."""
        await self._achieved("instance-set", number, told=token)

    def refuse(self, simulator: Simulator, target: str) -> None:
        """Let Meta refuse the token of the second number, or the default one's, which two numbers use."""
        simulator.tokens.expire(self.tokens[_number(target)])

    def accept_again(self, simulator: Simulator, target: str) -> None:
        """Let Meta accept the same token again, without anybody having saved another."""
        number = _number(target)
        simulator.tokens.grant(self.tokens[number], number)

    async def new_token(self, simulator: Simulator, target: str) -> None:
        """Get a new token at Meta, and save it."""
        number = _number(target)
        token = f"EAA{secrets.token_urlsafe(48)}"
        simulator.tokens.replace(number, token)
        if number == DEFAULT.phone_number_id:
            simulator.tokens.grant(token, WITHOUT.phone_number_id)
        self.tokens[number] = token
        self.all_tokens.append(token)
        await self.save_token(number, token)

    async def erase(self, media_id: str) -> None:
        """`attache erase --id`."""
        await self._achieved("erase", "--id", media_id, "--yes", enough="There is nothing of this id here")

    async def replay(self, *, kill_after: float | None = None) -> None:
        """`attache dlq replay` of everything; killed in the middle when told so."""
        if kill_after is None:
            await self._achieved("dlq", "replay")
        else:
            await self._run("dlq", "replay", kill_after=kill_after)

    async def retry_failed(self) -> None:
        """`attache retry-failed`; exit code 1 when nothing could be retried."""
        await self._run("retry-failed")

    async def prune(self) -> None:
        """`attache storage prune` of all that nobody uses now."""
        await self._run("storage", "prune", "--older-than", "1s", "--apply")

    async def repair(self) -> None:
        """`attache storage check --repair`."""
        await self._run("storage", "check", "--all", "--repair")

    async def storage_is_right(self) -> bool:
        """`attache storage check`: every byte."""
        code, _ = await self._run("storage", "check", "--all")
        return code == 0

    async def retry(self, media_server: str, bearer: str, media_ids: list[str]) -> int:
        """Retry each of these by the API; how many were taken."""
        taken = 0
        headers = {"Authorization": f"Bearer {bearer}"}
        async with aiohttp.ClientSession(media_server, headers=headers, timeout=_ANSWER_LIMIT) as api:
            for media_id in media_ids:
                async with api.post(f"/api/messages/{media_id}/retry") as answer:
                    taken += answer.status == 202
        return taken

    async def _achieved(self, *arguments: str, told: str = "", enough: str | None = None) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            code, output = await self._run(*arguments, told=told)
            if code == 0 or (enough is not None and enough in output):
                return
            if time.monotonic() > deadline:
                msg = f"attache {' '.join(arguments)} still ends with exit code {code}:\n{output}"
                raise CommandFailed(msg)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _run(self, *arguments: str, told: str = "", kill_after: float | None = None) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            _ATTACHE,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            cwd=self._folder,
        )
        timer = None
        if kill_after is not None:
            timer = asyncio.get_running_loop().call_later(kill_after, _kill, process)
        try:
            output, _ = await process.communicate(told.encode())
        finally:
            if timer is not None:
                timer.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace")
        with self.log.open("a") as log:
            log.write(f"$ attache {' '.join(arguments)}\n{text}\n")
        words = " ".join(arguments[: 2 if arguments[0] in _GROUPS else 1])
        self.commands[f"attache {words}: exit code {process.returncode}"] += 1
        return process.returncode or 0, text


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _number(target: str) -> str:
    return (OWN if target == "the second number" else DEFAULT).phone_number_id
