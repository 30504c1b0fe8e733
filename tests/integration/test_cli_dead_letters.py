"""`attache dlq`, as an operator types it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from typer.testing import CliRunner

from shared.broker.letters import reading
from shared.broker.topology import IDENTITIES, INGEST, UNREADABLE
from shared.cli import app
from shared.clock import system_clock
from shared.errors import ErrorCode
from shared.media import MediaStatus
from shared.repository.messages import MessageRepository
from shared.repository.mongo import connect
from shared.requeue import received_again
from tests.amqp import until
from tests.builders import NOW, NUMBER, make_attachment, make_failure, make_media
from tests.letters import Pile, letter, letters, new_pile

ATTACHE = Path(sys.executable).with_name("attache")
NOWHERE = "amqp://127.0.0.1:1/"


@dataclass(frozen=True, kw_only=True)
class World:
    """The servers as an operator's environment names them, and the queues from outside."""

    environment: dict[str, str]
    pile: Pile
    messages: MessageRepository

    async def dlq(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        process = await self.started(*arguments, **changed)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return subprocess.CompletedProcess(arguments, process.returncode or 0, out.decode(), err.decode())

    async def started(self, *arguments: str, **changed: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            ATTACHE,
            "dlq",
            *arguments,
            env=self.environment | changed,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def failed(self, name: str, **media: Any) -> None:
        """A document that failed, and its letter."""
        fields: dict[str, Any] = {
            "status": MediaStatus.FAILED,
            "attempts": 9,
            "failure": make_failure(),
            "deadline": system_clock() + timedelta(days=5),
        }
        change = await self.messages.insert(make_attachment(id=name, media=make_media(**fields | media)))
        assert change is not None
        event = received_again(change.attachment)
        buried = letter(
            INGEST, id=f"letter-{name}", event=event, code=ErrorCode.PROVIDER_UNAVAILABLE, reason="HTTP 503"
        )
        await self.pile.put(INGEST.dead_letters, [buried])


@pytest.fixture
async def world(broker_url: str, mongodb_uri: str, mongodb_database: str) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    async with await aio_pika.connect(broker_url) as connection:
        yield World(
            environment={
                "PATH": os.environ["PATH"],
                "RABBITMQ_URL": broker_url,
                "MONGODB_URI": mongodb_uri,
                "MONGODB_DATABASE": mongodb_database,
                "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
                "COLUMNS": "220",
            },
            pile=await new_pile(connection),
            messages=MessageRepository(client[mongodb_database]),
        )
    client.close()


def cells(output: str, containing: str) -> list[str]:
    """The cells of the first line of a table that has this text."""
    row = next(line for line in output.splitlines() if containing in line and "│" in line)
    return [cell.strip() for cell in row.strip("│ ").split("│")]


def groups(output: str) -> list[list[list[str]]]:
    """The rows of `list`: of each its three cells, with their lines."""
    rows: list[list[list[str]]] = [[]]
    for line in output.splitlines():
        if line.startswith("├"):
            rows.append([])
        elif line.startswith("│"):
            rows[-1].append([cell.strip(" ") for cell in line.strip("│").split("│")])
    return [[[text for text in cell if text] for cell in zip(*row, strict=True)] for row in rows if row]


async def test_letters_are_counted_by_reason_and_stay_where_they_are(world: World) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 2))
    await world.failed("mfailed")
    await world.failed("mready", status=MediaStatus.READY)

    first = await world.dlq("list")
    for _ in range(2):
        assert (await world.dlq("list")).stdout == first.stdout

    assert (first.returncode, first.stderr) == (0, "")
    parked, failed = groups(first.stdout)
    assert parked == [
        ["webhook-gateway.unreadable", "undecodable_event", NUMBER],
        ["2", "first 2026-09-21 10:00:00", "last  2026-09-21 10:00:01"],
        ["not JSON"],
    ]
    assert failed[0] == ["ingestor.media-received", "provider_unavailable", NUMBER]
    assert (failed[1][0], failed[2]) == ("1", ["HTTP 503"])
    assert "Not counted: 1 whose attachments went on" in first.stdout
    assert "make dlq-replay removes them, and has all that are listed above worked off once more" in first.stdout


async def test_at_80_columns_queue_code_and_number_are_whole(world: World) -> None:
    number, code = "123456789012345678", max(ErrorCode, key=len)
    for queue in (IDENTITIES, UNREADABLE):
        reason = "[bold] is no markup, and a reason may be as long as it likes"
        await world.pile.put(queue.dead_letters, [letter(queue, id="1", code=code, number=number, reason=reason)])

    listed = await world.dlq("list", COLUMNS="80")

    assert listed.returncode == 0, listed.stderr
    assert [group[0] for group in groups(listed.stdout)] == [[q.name, code, number] for q in (UNREADABLE, IDENTITIES)]
    assert all(group[1][0] == "1" and "[bold]" in " ".join(group[2]) for group in groups(listed.stdout))
    assert max(map(len, listed.stdout.splitlines())) <= 80


async def test_a_parked_body_is_shown_raw_with_its_headers(world: World) -> None:
    await world.pile.put(UNREADABLE.dead_letters, [letter(UNREADABLE, id="one", body=b'{"caf\\u00e9": \xff')])

    for _ in range(2):
        shown = await world.dlq("show", f"{UNREADABLE.name}.dlq")
        assert (shown.returncode, shown.stderr) == (0, "")

    assert "--- 1 of 1  one" in shown.stdout
    assert "x-reason: not JSON" in shown.stdout
    assert "x-service: webhook-gateway" in shown.stdout
    assert '{"caf\\u00e9": \\xff' in shown.stdout
    await world.pile.until_there_are(UNREADABLE.dead_letters, 1)


async def test_so_many_letters_are_shown_or_the_one_that_is_named(world: World) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 130))

    some = await world.dlq("show", UNREADABLE.name, "--limit", "2")
    one = await world.dlq("show", UNREADABLE.name, "--id", "99")
    none = await world.dlq("show", UNREADABLE.name, "--id", "nobody")

    assert [line.split()[-1] for line in some.stdout.splitlines() if line.startswith("---")] == ["0", "1"]
    assert "128 more are not shown" in some.stdout
    assert [line.split()[-1] for line in one.stdout.splitlines() if line.startswith("---")] == ["99"]
    assert (none.returncode, none.stdout) == (1, "There is no dead letter nobody of webhook-gateway.unreadable.\n")


async def test_no_letters_is_said(world: World) -> None:
    assert (await world.dlq("list")).stdout == "There are no dead letters.\n"
    assert "There are no dead letters of" in (await world.dlq("show", INGEST.name)).stdout
    assert "There are no dead letters of" in (await world.dlq("purge", INGEST.name)).stdout
    assert "there is nothing to replay" in (await world.dlq("replay")).stdout


async def test_a_replay_says_what_became_of_the_letters(world: World) -> None:
    await world.failed("mfailed")
    await world.failed("mready", status=MediaStatus.READY)
    await world.failed("mlate", deadline=NOW)

    plan = await world.dlq("replay", "--dry-run")
    done = await world.dlq("replay", "--queue", INGEST.name, "--code", "provider_unavailable", "--number", NUMBER)

    for result, verb in ((plan, "would be replayed"), (done, "replayed")):
        assert result.returncode == 0, result.stderr
        assert cells(result.stdout, verb) == ["1", verb]
        assert cells(result.stdout, "removed")[0] == "1"
        assert cells(result.stdout, "past their deadline")[0] == "1"
        assert "make dlq-purge QUEUE=ingestor.media-received EXPIRED=1 removes these letters and no" in result.stdout
        assert "make retry ID=" in result.stdout
    assert "1 would remain" in plan.stdout
    assert "1 remain" in done.stdout
    document = await world.messages.get("mfailed")
    assert document is not None
    assert document.media.attempts == 0
    line = next(json.loads(line) for line in done.stderr.splitlines() if "message_media_updated" in line)
    assert (line["status"], line["previousStatus"], line["mediaId"]) == ("pending", "failed", "mfailed")
    assert line["correlationId"] == "correlation-letter-mfailed"


async def test_a_replay_that_is_stopped_with_ctrl_c_half_way_loses_and_doubles_nothing(world: World) -> None:
    for number in range(120):
        await world.failed(f"m{number:03}")

    process = await world.started("replay", "--per-second", "20")

    async def is_half_way() -> bool:
        return await world.pile.count(INGEST.name) >= 40

    await until(is_half_way)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert "Stopped; nothing is lost. The same command goes on with the rest." in err.decode()
    replayed = int(cells(out.decode(), "replayed")[0])
    assert 40 <= replayed < 120
    await world.pile.until_there_are(INGEST.name, replayed)
    await world.pile.until_there_are(INGEST.dead_letters, 120 - replayed)

    rest = await world.dlq("replay")

    assert rest.returncode == 0
    assert cells(rest.stdout, "replayed") == [str(120 - replayed), "replayed"]
    await world.pile.until_there_are(INGEST.dead_letters, 0)
    assert sorted(await world.pile.ids(INGEST.name), key=str) == [f"letter-m{number:03}" for number in range(120)]


async def test_a_replay_that_is_killed_half_way_goes_on_and_every_attachment_goes_again_once(world: World) -> None:
    for number in range(60):
        await world.failed(f"m{number:03}")
    process = await world.started("replay", "--per-second", "20")

    async def is_half_way() -> bool:
        return await world.pile.count(INGEST.name) >= 20

    await until(is_half_way)
    process.send_signal(signal.SIGKILL)
    await process.communicate()

    assert (await world.dlq("replay")).returncode == 0
    await world.pile.until_there_are(INGEST.dead_letters, 0)
    assert sorted(await world.pile.ids(INGEST.name), key=str) == [f"letter-m{number:03}" for number in range(60)]


async def test_a_purge_removes_letters_and_leaves_documents(world: World) -> None:
    await world.failed("mfailed")
    await world.failed("mother")

    one = await world.dlq("purge", INGEST.name, "--id", "mother")
    again = await world.dlq("purge", INGEST.name, "--id", "mother")
    rest = await world.dlq("purge", INGEST.name, "--yes")

    assert "Removed 1 of ingestor.media-received" in one.stdout
    assert again.returncode == 1
    assert (rest.returncode, "Removed 1 of" in rest.stdout) == (0, True)
    await world.pile.until_there_are(INGEST.dead_letters, 0)
    document = await world.messages.get("mfailed")
    assert document is not None
    assert document.media.status is MediaStatus.FAILED


async def test_a_purge_of_what_is_past_its_deadline_leaves_every_other_letter(world: World) -> None:
    await world.failed("mopen")
    await world.failed("mready", status=MediaStatus.READY)
    for name in ("mlate", "mlater"):
        await world.failed(name, deadline=NOW)

    one = await world.dlq("purge", INGEST.name, "--expired", "--id", "mlater")
    rest = await world.dlq("purge", INGEST.name, "--expired")
    none = await world.dlq("purge", INGEST.name, "--expired")
    refused = await world.dlq("purge", INGEST.name, "--expired", "--id", "mopen")

    for result in (one, rest):
        assert result.returncode == 0, result.stderr
        assert "Removed 1 of ingestor.media-received whose attachment is past its deadline" in result.stdout
        assert "ask for the media to be sent again" in result.stdout
    assert (none.returncode, "There are no dead letters of" in none.stdout) == (0, True)
    assert (refused.returncode, "There is no dead letter mopen" in refused.stdout) == (1, True)
    assert sorted(map(str, await world.pile.ids(INGEST.dead_letters))) == ["letter-mopen", "letter-mready"]


async def test_without_mongodb_nothing_is_purged_for_its_age(world: World) -> None:
    await world.failed("mlate", deadline=NOW)
    away = {"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"}

    told = await world.dlq("purge", INGEST.name, "--expired", **away)

    assert told.returncode == 1
    assert "MongoDB does not answer" in told.stderr
    assert "is MONGODB_URI right? What was not done is still there" in told.stderr
    assert "Traceback" not in told.stderr
    await world.pile.until_there_are(INGEST.dead_letters, 1)


@pytest.mark.parametrize(("answer", "left", "code"), [("n", 3, 1), ("y", 0, 0)])
async def test_on_a_terminal_a_purge_asks_first(world: World, answer: str, left: int, code: int) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 3))
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())

    process = await asyncio.create_subprocess_exec(
        ATTACHE,
        "dlq",
        "purge",
        UNREADABLE.name,
        env=world.environment,
        cwd="/",
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    os.close(ours)
    os.close(theirs)

    assert process.returncode == code
    assert "Remove all 3 dead letters of webhook-gateway.unreadable for good?" in out.decode()
    await world.pile.until_there_are(UNREADABLE.dead_letters, left)


@pytest.mark.parametrize("command", [["show", UNREADABLE.name], ["replay"], ["purge", UNREADABLE.name], ["list"]])
async def test_while_somebody_reads_the_second_is_told(world: World, command: list[str]) -> None:
    await world.pile.put(UNREADABLE.dead_letters, letters(UNREADABLE, 3))
    async with reading(SecretStr(world.environment["RABBITMQ_URL"]), UNREADABLE):
        told = await world.dlq(*command)

    assert told.returncode == 1
    assert "The dead letters of webhook-gateway.unreadable are being read by somebody else" in told.stderr
    assert "Traceback" not in told.stderr
    await world.pile.until_there_are(UNREADABLE.dead_letters, 3)


@pytest.mark.parametrize("command", [["list"], ["show", UNREADABLE.name], ["replay"], ["purge", UNREADABLE.name]])
async def test_without_rabbitmq_that_is_told_at_once(world: World, command: list[str]) -> None:
    async with asyncio.timeout(5):  # starting included; a service would wait for it
        told = await world.dlq(*command, RABBITMQ_URL=NOWHERE)

    assert told.returncode == 1
    assert told.stdout == ""
    assert told.stderr.count("\n") == 1, "nothing but our own words"
    assert "RabbitMQ does not answer" in told.stderr
    assert "is RABBITMQ_URL right?" in told.stderr
    assert "Traceback" not in told.stderr


async def test_without_mongodb_letters_are_counted_but_not_judged_and_nothing_is_replayed(world: World) -> None:
    await world.failed("mready", status=MediaStatus.READY)
    away = {"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"}

    listed = await world.dlq("list", **away)
    replayed = await world.dlq("replay", **away)

    assert listed.returncode == 1
    assert groups(listed.stdout)[0][1][0] == "1"
    assert "MongoDB does not answer" in listed.stderr
    assert replayed.returncode == 1
    assert "MongoDB does not answer" in replayed.stderr
    await world.pile.until_there_are(INGEST.dead_letters, 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nope"], "webhook-gateway.unreadable"),
        (["purge", ""], "webhook-gateway.unreadable"),
        (["replay", "--queue", "nope"], "webhook-gateway.unreadable"),
        (["replay", "--code", "nope"], "provider_auth"),
        (["replay", "--older-than", "12"], "90s, 15m, 12h, 30d"),
        (["replay", "--since", "yesterday"], "90s, 15m, 12h, 30d"),
        (["replay", "--limit", "0"], "greater than or equal to 1"),
        (["replay", "--per-second", "0"], "greater than or equal to 0.1"),
        (["show"], "QUEUE"),
        ([], "Usage"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_would_be_right(arguments: list[str], says: str) -> None:
    told = CliRunner().invoke(app, ["dlq", *arguments], env={"COLUMNS": "300"})

    assert told.exit_code == 2
    assert says in told.output


def test_a_wrong_setting_is_exit_code_2() -> None:
    environment = {"PATH": os.environ["PATH"], "RABBITMQ_URL": "http://127.0.0.1/"}
    wrong = {"list": ["RABBITMQ_URL"], "replay": ["RABBITMQ_URL", "CREDENTIALS_ENCRYPTION_KEY"]}
    for command, names in wrong.items():
        told = subprocess.run(  # noqa: S603 - our own command
            [ATTACHE, "dlq", command], env=environment, capture_output=True, text=True, timeout=60, cwd="/"
        )
        assert told.returncode == 2
        assert all(name in told.stderr for name in names)


def test_a_broker_without_our_queues_is_told(broker_url: str) -> None:
    for arguments in (["list"], ["show", INGEST.name], ["purge", INGEST.name]):
        told = subprocess.run(  # noqa: S603 - our own command
            [ATTACHE, "dlq", *arguments],
            env={"PATH": os.environ["PATH"], "RABBITMQ_URL": broker_url},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert told.returncode == 1
        assert "not there yet: no service" in told.stderr
