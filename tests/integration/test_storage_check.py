"""Store against database, in both directions: what is wrong is told with its next step, what is under way is not."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from shared.clock import system_clock
from shared.keys import Folder, original_key
from shared.media import MediaStatus
from shared.repository.messages import MessageRepository
from shared.repository.mongo import connect, ensure_indexes
from shared.storage.filesystem import FilesystemStore
from shared.storage_check.check import Check
from shared.storage_check.findings import Finding, Problem
from tests.builders import make_failure
from tests.integration.store_worlds import ATTACHE, StoreWorld

MINUTE = timedelta(minutes=1)
NO_MONGODB = {"MONGODB_URI": "mongodb://127.0.0.1:1/"}


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[StoreWorld]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    folder = tmp_path / "uploads"
    folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
        "STORAGE_URL": str(folder),
        "COLUMNS": "200",
    }
    yield StoreWorld(database=client[mongodb_database], folder=folder, environment=environment)
    client.close()


def checking(world: StoreWorld, *, sample: int | None = None, seed: int = 1) -> Check:
    store = FilesystemStore(world.folder)
    random = Random(seed)  # noqa: S311 - a test that repeats
    return Check(database=world.database, store=store, clock=system_clock, sample=sample, random=random)


async def found(world: StoreWorld, *, sample: int | None = None, seed: int = 1) -> list[Finding]:
    check = checking(world, sample=sample, seed=seed)
    return [finding for part in await check.parts() async for finding in part.check(lambda: None)]


def told(findings: list[Finding]) -> list[tuple[Problem, str | None, str]]:
    return [(each.problem, each.attachment.id if each.attachment else None, each.key) for each in findings]


async def test_a_healthy_store_is_fine(world: StoreWorld) -> None:
    await world.ready("m1")
    await world.ready("m2", b"the same")
    await world.ready("m3", b"the same")

    checked = world.attache("check", "--all")

    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith("Nothing is wrong.\n")
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in checked.stdout.splitlines()]
    assert ["Documents looked at", "3"] in [row[:2] for row in rows]
    assert ["Files in all looked at", "4"] in [row[:2] for row in rows]
    assert ["Digests looked at", "2"] in [row[:2] for row in rows]
    assert checked.stderr == ""  # no progress bar where there is no terminal


async def test_a_missing_original_is_told_with_its_attachment_its_key_and_the_next_step(world: StoreWorld) -> None:
    await world.ready("m-fine")
    lives, expired = await world.ready("m-lives", days_left=2), await world.ready("m-expired", days_left=-1)
    for each in (lives, expired):
        world.path(each).unlink()

    checked = world.attache("check", PATH="/usr/bin:/bin")

    assert checked.returncode == 1
    lines = {line.split()[2]: line for line in checked.stdout.splitlines() if line.startswith("original missing: ")}
    assert set(lines) == {"m-lives", "m-expired"}
    assert world.original(b"m-lives") in lines["m-lives"]
    assert lives.media.deadline is not None
    assert f"{ATTACHE} storage check --repair" in lines["m-lives"], "a command that can be typed as it stands there"
    assert f"check --repair downloads it again (Meta keeps it until {lives.media.deadline:%Y-%m-%d}" in lines["m-lives"]
    assert "put the file back from a backup" in lines["m-expired"]
    assert "2 are wrong." in checked.stdout


async def test_every_kind_of_damage_to_what_documents_promise_is_found(world: StoreWorld) -> None:
    cut, no_thumb, cut_thumb = [await world.ready(name) for name in ("m-cut", "m-no-thumb", "m-cut-thumb")]
    none_named = await world.ready("m-none")
    world.path(cut).write_bytes(b"m")
    world.thumb(no_thumb).unlink()
    world.thumb(cut_thumb).write_bytes(b"w")
    await world.database["messages"].update_one({"_id": "m-none"}, {"$unset": {"media.storage.original": ""}})
    await world.ready("m-broken")
    await world.database["messages"].update_one({"_id": "m-broken"}, {"$set": {"media.declared": "junk"}})
    failed = await world.ready("m-preview", status=MediaStatus.FAILED, failure=make_failure(stage="preview"))
    world.path(failed).unlink()

    findings = await found(world)

    assert sorted(told(findings)[:6], key=str) == sorted(
        [
            (Problem.ORIGINAL_DAMAGED, "m-cut", world.original(b"m-cut")),
            (Problem.RENDITION_MISSING, "m-no-thumb", str(world.thumb(no_thumb).relative_to(world.folder))),
            (Problem.RENDITION_DAMAGED, "m-cut-thumb", str(world.thumb(cut_thumb).relative_to(world.folder))),
            (Problem.ORIGINAL_MISSING, "m-none", ""),
            (Problem.DOCUMENT_UNREADABLE, None, "m-broken"),
            (Problem.ORIGINAL_MISSING, "m-preview", world.original(b"m-preview")),
        ],
        key=str,
    )
    # what nobody names any more is still known by its row
    assert told(findings)[6:] == []
    assert world.path(none_named).exists()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (MediaStatus.PENDING, {}),
        (MediaStatus.SKIPPED, {}),
        (MediaStatus.FAILED, {"failure": make_failure()}),
    ],
)
async def test_a_document_that_promises_no_file_lacks_none(
    world: StoreWorld, status: MediaStatus, fields: dict[str, Any]
) -> None:
    attachment = await world.ready("m1", status=status, **fields)
    await world.database["blobs"].delete_many({})
    world.path(attachment).unlink()
    world.thumb(attachment).unlink()

    assert await found(world) == []


async def test_nearest_deadline_comes_first(world: StoreWorld) -> None:
    for name, days in (("m-late", 6.0), ("m-soon", 1.0), ("m-between", 3.0)):
        world.path(await world.ready(name, days_left=days)).unlink()

    names = [each.attachment.id for each in await found(world) if each.attachment]

    assert names == ["m-soon", "m-between", "m-late"]


async def test_one_flipped_byte_is_found_by_reading_all_and_may_be_missed_by_a_sample(world: StoreWorld) -> None:
    attachments = [await world.ready(f"m{number}") for number in range(30)]
    world.path(attachments[7]).write_bytes(b"mX")
    also = await world.ready("m-also", b"m7")
    world.path(also).write_bytes(b"mX")

    all_read, some_read = checking(world), checking(world, sample=3)

    assert sorted(told(await found(world))) == [
        (Problem.ORIGINAL_DAMAGED, "m-also", world.original(b"m7")),
        (Problem.ORIGINAL_DAMAGED, "m7", world.original(b"m7")),
    ]
    assert len(await found(world, sample=30)) == 2
    assert await found(world, sample=0) == []
    for check, read in ((all_read, 30), (some_read, 3)):
        async for _ in check.stored.check(lambda: None):
            pass
        assert (check.stored.files, check.stored.digests) == (60, read)


async def test_an_orphan_is_found_once_nobody_can_be_writing_it(world: StoreWorld) -> None:
    await world.ready("m1")
    old, new = world.original(b"old"), world.original(b"new")
    world.file(old, b"old")
    world.file(new, b"new", ago=MINUTE)
    thumb = f"renditions/{old.split('/')[1]}/{old.split('/')[2].removesuffix('.bin')}/thumb-1.webp"
    world.file(thumb, b"webp")

    checked = world.attache("check")

    assert checked.returncode == 1
    orphans = [line for line in checked.stdout.splitlines() if line.startswith("orphan file: ")]
    assert sorted(line.split()[2] for line in orphans) == sorted([f"{old}.", f"{thumb}."])
    assert all("make storage-prune APPLY=1" in line for line in orphans)


async def test_foreign_files_are_told_and_nothing_is_wrong_with_them(world: StoreWorld) -> None:
    await world.ready("m1")
    misplaced = original_key(Folder.INCOMING, sha256="ab" * 32, extension="bin").replace("/ab/", "/cd/")
    for key in ("notes.txt", ".hidden/x", "incoming/00/photo.jpg", misplaced, "evil\x1b[2Jname"):
        world.file(key, b"by hand")

    checked = world.attache("check", "--repair", RABBITMQ_URL="amqp://127.0.0.1:1/")
    looked = world.attache("check")

    assert checked.returncode == 1  # RabbitMQ is away: see below
    assert looked.returncode == 0
    assert looked.stdout.count("foreign file: ") == 5
    assert "\x1b" not in looked.stdout
    assert "left alone" in looked.stdout
    assert "Nothing is wrong." in looked.stdout
    assert len(world.files()) == 7


async def test_a_row_without_its_file_is_found_once_nobody_can_be_writing_it(world: StoreWorld) -> None:
    stale = await world.row(b"stale")
    await world.row(b"reserved this minute", ago=MINUTE)
    await world.row(b"being removed", state="deleting")
    dangling = await world.ready("m-gone")
    await world.database["messages"].delete_many({})
    world.thumb(dangling).unlink()

    assert told(await found(world)) == [
        (Problem.ROW_WITHOUT_FILE, None, stale),
        (Problem.RENDITION_MISSING, None, str(world.thumb(dangling).relative_to(world.folder))),
    ]


async def test_unfinished_files_are_found_once_they_are_old(world: StoreWorld) -> None:
    await world.ready("m1")
    for name, ago in (("old", timedelta(hours=2)), ("new", MINUTE)):
        path = world.file(f".incomplete/{name}/original", b"half", ago=ago)
        os.utime(path.parent, (path.stat().st_mtime,) * 2)

    (finding,) = await found(world)

    assert (finding.problem, finding.detail) == (Problem.UNFINISHED, "1 older than an hour")


async def test_what_changes_between_the_two_looks_is_not_told(
    world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erased, and fetched anew: the file is away at the first look, and the document another at the second."""
    for name in ("m-erased", "m-fetched"):
        world.path(await world.ready(name)).unlink()
    check = checking(world)
    read = MessageRepository.get

    async def meanwhile(repository: MessageRepository, media_id: str) -> object:
        await world.database["messages"].delete_one({"_id": "m-erased"})
        world.file(world.original(b"m-fetched"), b"m-fetched")
        await world.database["messages"].update_one({"_id": "m-fetched"}, {"$inc": {"media.revision": 1}})
        return await read(repository, media_id)

    monkeypatch.setattr(MessageRepository, "get", meanwhile)

    assert [finding async for finding in check.promised.check(lambda: None)] == []


async def test_a_store_that_is_being_written_to_is_fine(world: StoreWorld) -> None:
    """As an ingestor leaves it at each of its steps: reserved, written, stored, renditions put."""
    reserved, written, stored = b"reserved", b"written", b"stored"
    await world.row(reserved, ago=MINUTE)
    await world.row(written, ago=MINUTE)
    world.file(world.original(written), written, ago=MINUTE)
    attachment = await world.ready("m1", stored, status=MediaStatus.STORED)
    await world.row(stored, ago=MINUTE)  # its renditions are not in the row yet
    world.thumb(attachment).unlink()
    world.file(str(world.thumb(attachment).relative_to(world.folder)).replace("thumb", "preview"), b"webp", ago=MINUTE)

    assert await found(world) == []


async def test_a_long_list_is_capped_and_counted(world: StoreWorld) -> None:
    await world.ready("m1")
    for number in range(60):
        content = str(number).encode()
        world.file(world.original(content), content)

    checked = world.attache("check")

    assert checked.stdout.count("orphan file: ") == 51
    assert "orphan file: 10 more like these are not listed." in checked.stdout
    assert "60 are wrong." in checked.stdout


@pytest.mark.parametrize("command", ["check", "prune"])
async def test_a_folder_that_is_away_is_told_and_nothing_is_taken_for_lost(world: StoreWorld, command: str) -> None:
    await world.ready("m1")
    world.folder.rename(world.folder.with_name("elsewhere"))

    away = world.attache(command)
    world.folder.mkdir()
    not_mounted = world.attache(command)

    for failed, seen in ((away, "is not there"), (not_mounted, "is empty")):
        assert failed.returncode == 1
        assert f"{world.folder} {seen}, and 1 attachments" in failed.stderr
        assert "Is the disk mounted, and is STORAGE_URL right?" in failed.stderr
        assert failed.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "says"),
    [
        (
            ["check"],
            NO_MONGODB,
            1,
            "MongoDB does not answer",
        ),
        (
            ["prune"],
            NO_MONGODB,
            1,
            "MongoDB does not answer",
        ),
        (["check", "--all", "--sample", "3"], {}, 2, "--all or --sample"),
        (["prune", "--older-than", "soon"], {}, 2, "30d"),
        (["check"], {"STORAGE_URL": "s3://bucket"}, 2, "STORAGE_URL"),
    ],
)
async def test_what_cannot_be_done_is_told(
    world: StoreWorld, arguments: list[str], environment: dict[str, str], code: int, says: str
) -> None:
    failed = world.attache(*arguments, **environment)

    assert failed.returncode == code
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr


async def test_a_repair_without_a_broker_changes_nothing(world: StoreWorld) -> None:
    world.path(await world.ready("m1")).unlink()

    failed = world.attache("check", "--repair", RABBITMQ_URL="amqp://127.0.0.1:1/")

    assert failed.returncode == 1
    assert "nothing was changed. Is it running, is RABBITMQ_URL right?" in failed.stderr
    document = await world.database["messages"].find_one({"_id": "m1"})
    assert document is not None
    assert document["media"]["status"] == "ready"


async def test_a_mount_point_in_which_only_a_probe_has_been_is_no_store(world: StoreWorld) -> None:
    await world.ready("m1")
    world.folder.rename(world.folder.with_name("unmounted"))
    world.folder.mkdir()
    (world.folder / "lost+found").mkdir()
    await FilesystemStore(world.folder).check()  # what every readiness probe of a running service does

    checked = world.attache("check")

    assert checked.returncode == 1
    assert "is empty, and 1 attachments should have their files in it; nothing was looked at" in checked.stderr


async def test_a_document_that_contradicts_itself_is_told_and_its_file_is_not_taken_for_damaged(
    world: StoreWorld,
) -> None:
    for name, field, value in (("m-digest", "sha256", "0" * 64), ("m-size", "sizeBytes", 999)):
        await world.ready(name)
        await world.database["messages"].update_one({"_id": name}, {"$set": {f"media.storage.original.{field}": value}})

    findings = await found(world)

    assert sorted(told(findings)) == [
        (Problem.DOCUMENT_INCONSISTENT, "m-digest", world.original(b"m-digest")),
        (Problem.DOCUMENT_INCONSISTENT, "m-size", world.original(b"m-size")),
    ]
    assert "correct it in the collection messages" in world.attache("check").stdout


async def test_a_status_that_does_not_exist_is_an_unreadable_document(world: StoreWorld) -> None:
    await world.ready("m1")
    await world.database["messages"].update_one({"_id": "m1"}, {"$set": {"media.status": "Ready"}})

    assert told(await found(world)) == [(Problem.DOCUMENT_UNREADABLE, None, "m1")]


async def test_a_row_that_leads_elsewhere_than_its_document_is_told(world: StoreWorld) -> None:
    await world.ready("m1")
    await world.row(b"nobody's", key="../nobodys")
    await world.database["blobs"].update_one({"key": world.original(b"m1")}, {"$set": {"key": "../x"}})

    assert sorted(told(await found(world))) == [
        (Problem.ROW_INCONSISTENT, None, "../x"),
        (Problem.ROW_WITHOUT_FILE, None, "../nobodys"),
    ]
