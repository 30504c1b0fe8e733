"""`attache backup` and `attache restore`, as an operator types them: what is saved comes back, to the last byte."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aio_pika.abc import AbstractIncomingMessage
from bson import decode_file_iter, encode, json_util
from cryptography.fernet import Fernet
from pydantic import SecretStr
from pymongo import MongoClient

from shared.backup.backup import Backup
from shared.backup.folder import locked, opened
from shared.backup.hashing import digest
from shared.backup.manifest import read, write
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.repository.erased_names import of_media
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import INDEXES, connect, ensure_indexes
from shared.repository.tombstones import FOR_EVER, Tombstones
from shared.storage.filesystem import FilesystemStore
from tests.amqp import onlooker, running_broker, until
from tests.integration.backup_worlds import Place, environment, filled

KEY = Fernet.generate_key().decode()


@pytest.fixture
async def source(mongodb_uri: str, mongodb_database: str, tmp_path: Path) -> AsyncIterator[Place]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    folder = tmp_path / "uploads"
    folder.mkdir()
    shell = environment(mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, folder=folder)
    yield Place(
        database=client[mongodb_database], folder=folder, environment=shell | {"CREDENTIALS_ENCRYPTION_KEY": KEY}
    )
    client.close()


@pytest.fixture
async def target(mongodb_uri: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Empty, as after a disaster."""
    client, name, folder = connect(SecretStr(mongodb_uri)), f"test-{uuid4().hex}", tmp_path / "restored"
    folder.mkdir()
    shell = environment(mongodb_uri=mongodb_uri, mongodb_database=name, folder=folder)
    yield Place(database=client[name], folder=folder, environment=shell | {"CREDENTIALS_ENCRYPTION_KEY": KEY})
    await client.drop_database(name)
    client.close()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "backup"


def found(folder: Path, pattern: str) -> list[Path]:
    """What is there, by name."""
    return sorted(folder.glob(pattern))


def documents_of(saved: Path) -> Path:
    return saved / read(saved).documents_folder


def copied(said: str) -> int:
    found = re.search(r"(\d+) files \(.*\) copied", said)
    assert found, said
    return int(found[1])


async def test_what_is_saved_comes_back_to_the_last_byte(source: Place, target: Place, saved: Path) -> None:
    await filled(source, [f"m{n}" for n in range(30)])
    keys = [SecretStr(KEY)]
    await Tombstones(source.database, keys).lay([of_media("gone")], before=FOR_EVER)
    await InstanceRepository(source.database, keys).save(
        "1", display_name="Support", access_token=SecretStr("EAAG-secret"), is_default=True
    )
    await source.database["of a later version"].insert_one({"_id": 1, "any": [None, 2**40, b"\0"]})

    backup = await source.typed("backup", saved)
    before = await source.documents()
    assert backup.returncode == 0, backup.stderr
    assert copied(backup.stdout) == 60
    assert "holds a whole backup" in backup.stdout
    restore = await target.typed("restore", saved)

    assert restore.returncode == 0, restore.stderr
    assert await target.documents() == before
    assert target.files() == source.files()
    indexed = {name: await target.database[name].index_information() for name in INDEXES}
    assert indexed == {name: await source.database[name].index_information() for name in INDEXES}
    check = await target.typed("storage", "check", "--all")
    assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout
    assert "EAAG-secret" not in "".join(path.read_text(errors="ignore") for path in found(saved, "**/*.*"))
    assert "CREDENTIALS_ENCRYPTION_KEY is not in it" in backup.stdout
    assert KEY not in backup.stdout + backup.stderr + restore.stdout + restore.stderr


async def test_it_is_in_the_formats_of_mongodump_and_sha256sum_and_only_its_owner_can_read_it(
    source: Place, saved: Path
) -> None:
    await filled(source, ["m1", "m2"])

    assert (await source.typed("backup", saved)).returncode == 0

    folder = documents_of(saved)
    with (folder / "messages.bson").open("rb") as file:
        assert [each["_id"] for each in decode_file_iter(file)] == ["m1", "m2"]
    metadata = json_util.loads((folder / "messages.metadata.json").read_text())
    assert {each["name"] for each in metadata["indexes"]} == {*await source.database["messages"].index_information()}
    sums = await asyncio.create_subprocess_exec("sha256sum", "--check", "--quiet", folder / "SHA256SUMS", cwd=saved)
    assert await sums.wait() == 0
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in [saved, *found(saved, "**/*")]}
    assert modes == {(False, 0o600), (True, 0o700)}


async def test_a_second_backup_copies_what_is_new_and_forgets_what_was_erased(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, [f"m{n}" for n in range(6)])
    assert (await source.typed("backup", saved)).returncode == 0
    first = documents_of(saved)
    await filled(source, ["m-new"])
    (gone,) = await filled(source, ["m-gone"])
    assert (await source.typed("backup", saved)).returncode == 0
    original = gone.media.storage.original
    assert original is not None
    assert (saved / "files" / original.key).exists()
    await source.database["messages"].delete_one({"_id": "m-gone"})
    await source.database["blobs"].delete_one({"_id": original.sha256})
    await filled(source, ["m-newer"])

    again = await source.typed("backup", saved)

    assert copied(again.stdout) == 2
    assert "2 that nobody needs any more removed" in again.stdout
    assert not (saved / "files" / original.key).exists()
    assert not first.exists()
    assert (await target.typed("restore", saved)).returncode == 0
    assert await target.documents() == await source.documents()


async def test_what_the_store_has_lost_stays_in_the_backup_and_is_told(
    source: Place, target: Place, saved: Path
) -> None:
    (lost,) = await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0
    before = source.files()
    original = lost.media.storage.original
    assert original is not None
    (source.folder / original.key).unlink()

    again = await source.typed("backup", saved)
    elsewhere = await source.typed("backup", saved.with_name("another"))

    assert (again.returncode, elsewhere.returncode) == (0, 1)
    assert "1 files are lost or damaged in the storage folder; the backup keeps those that it has" in again.stderr
    assert elsewhere.stdout.endswith("in which 1 files are missing or damaged.\n"), elsewhere.stdout
    assert "1 attachments are saved without their file" in elsewhere.stderr
    assert "m1" in elsewhere.stderr
    assert (await target.typed("restore", saved)).returncode == 0
    assert target.files() == before


async def test_documents_come_and_go_while_it_is_made_and_none_in_it_lacks_its_file(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, [f"m{n:03}" for n in range(300)])
    folder = opened(saved, apart_from=source.folder)
    backup = Backup(database=source.database, store=FilesystemStore(source.folder), folder=folder, clock=system_clock)
    erased, steps = set[str](), list[int]()

    def meanwhile() -> None:
        """Right after a hundred documents were read, some of the next are erased, and others come."""
        steps.append(1)
        if len(steps) > 3:
            return
        name = f"m{len(steps) * 100 - 50:03}"
        erased.add(name)
        document = database["messages"].find_one_and_delete({"_id": name})
        assert document is not None
        original = document["media"]["storage"]["original"]
        database["blobs"].delete_one({"_id": original["sha256"]})
        for key in (original["key"], document["media"]["storage"]["renditions"]["thumb"]["key"]):
            (source.folder / key).unlink()

    with MongoClient[dict[str, Any]](source.environment["MONGODB_URI"], tz_aware=True) as client:
        database = client[source.environment["MONGODB_DATABASE"]]
        made = await backup.made(on_documents=lambda _: None, on_bytes=lambda _: None, between=meanwhile)

    assert made.met.missing == 0
    assert (await target.typed("restore", saved)).returncode == 0
    there = await target.documents()
    assert there["messages"].keys() == {f"m{n:03}" for n in range(300)} - erased
    check = await target.typed("storage", "check", "--all")
    assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout


async def test_a_backup_that_is_killed_leaves_the_last_one_whole_and_goes_on(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, [f"m{n:03}" for n in range(20)])
    assert (await source.typed("backup", saved)).returncode == 0
    first = read(saved)
    await filled(source, [f"n{n:03}" for n in range(200)], size=50_000)

    def files() -> int:
        return sum(1 for path in (saved / "files").rglob("*") if path.is_file())

    async def in_the_middle() -> bool:
        return files() > 100

    await source.killed("backup", saved, once=in_the_middle)

    assert read(saved) == first
    check = await source.typed("restore", saved, "--check")
    assert check.returncode == 0, check.stderr
    done = files()
    again = await source.typed("backup", saved)
    assert again.returncode == 0, again.stderr
    assert copied(again.stdout) <= 440 - done
    assert found(saved, "*.unfinished") == []
    assert (await target.typed("restore", saved)).returncode == 0
    assert await target.documents() == await source.documents()
    assert target.files() == source.files()


async def test_the_first_backup_that_is_killed_is_not_taken_for_a_whole_one(source: Place, saved: Path) -> None:
    await filled(source, [f"m{n:03}" for n in range(200)], size=50_000)

    async def in_the_middle() -> bool:
        return len(found(saved, "files/incoming/*/*")) > 50

    await source.killed("backup", saved, once=in_the_middle)

    refused = await source.typed("restore", saved)
    assert refused.returncode == 1
    assert "holds no whole backup: a backup into it was cut off; make it again" in refused.stderr
    assert (await source.typed("backup", saved)).returncode == 0


async def test_a_restore_that_is_killed_among_files_or_documents_goes_on(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, [f"m{n:04}" for n in range(1200)], size=20_000)
    assert (await source.typed("backup", saved)).returncode == 0

    async def among_files() -> bool:
        return sum(1 for _ in target.folder.glob("incoming/*/*")) > 100

    async def among_documents() -> bool:
        return await target.database["messages"].estimated_document_count() > 100

    await target.killed("restore", saved, once=among_files)
    assert await target.database["messages"].estimated_document_count() == 0, "files come first"
    await target.killed("restore", saved, once=among_documents)
    restored = await target.typed("restore", saved)

    assert restored.returncode == 0, restored.stderr
    assert await target.documents() == await source.documents()
    assert target.files() == source.files()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


DAMAGE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a file with another bit": (
        "files/incoming/*/*",
        flipped,
        "1 file of 10 in .* damaged or missing.*has been changed",
    ),
    "a file that is away": ("files/renditions/*/*/*", Path.unlink, "damaged or missing.*is missing"),
    "a file cut short": ("files/incoming/*/*", cut, "has been changed"),
    "documents cut short": ("documents-*/messages.bson", cut, r"messages.bson has \d+ bytes in place of \d+"),
    "documents with another bit": ("documents-*/blobs.bson", flipped, "blobs.bson has been changed"),
    "documents away": ("documents-*/conversations.bson", Path.unlink, "conversations.bson is missing"),
    "indexes changed": ("documents-*/messages.metadata.json", flipped, "messages.metadata.json has been changed"),
    "the list changed": ("documents-*/SHA256SUMS", flipped, "SHA256SUMS has been changed"),
    "the manifest changed": ("manifest.json", flipped, "manifest.json (has been changed|cannot be read)"),
    "the manifest away": ("manifest.json", Path.unlink, "holds no whole backup"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_backup_is_refused_before_anything_is_changed(
    source: Place, target: Place, saved: Path, damage: str
) -> None:
    pattern, harm, sentence = DAMAGE[damage]
    await filled(source, [f"m{n}" for n in range(5)])
    assert (await source.typed("backup", saved)).returncode == 0
    harm(found(saved, pattern)[0])

    refused = await target.typed("restore", saved)

    assert refused.returncode == 1
    assert re.search(sentence, " ".join(reversed(refused.stderr.splitlines()))), refused.stderr
    assert "Traceback" not in refused.stderr
    assert await target.documents() == {}
    assert target.files() == {}


async def test_all_but_the_damaged_files_can_be_had(source: Place, target: Place, saved: Path) -> None:
    await filled(source, [f"m{n}" for n in range(5)])
    assert (await source.typed("backup", saved)).returncode == 0
    flipped(found(saved, "files/incoming/*/*")[0])

    restored = await target.typed("restore", saved, "--without-damaged")

    assert restored.returncode == 0, restored.stderr
    assert len(target.files()) == 9
    assert len((await target.documents())["messages"]) == 5
    assert "original missing" in (await target.typed("storage", "check")).stdout


async def test_a_file_that_was_cut_short_is_copied_anew_by_the_next_backup(source: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0
    cut(found(saved, "files/incoming/*/*")[0])

    assert copied((await source.typed("backup", saved)).stdout) == 1
    assert (await source.typed("restore", saved, "--check")).returncode == 0


async def test_what_is_there_is_not_touched_unless_somebody_says_so(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0
    await filled(target, ["m-mine"])
    before, files = await target.documents(), target.files()

    refused = await target.typed("restore", saved)
    nobody = await target.typed("restore", saved, "--replace")
    assert (refused.returncode, nobody.returncode) == (1, 2)
    assert "The database is not empty: there are documents in" in refused.stderr
    assert (await target.documents(), target.files()) == (before, files)
    await target.database.client.drop_database(target.database.name)
    folder = await target.typed("restore", saved)
    assert "is not empty" in folder.stderr
    await filled(target, ["m-mine"])
    replaced = await target.typed("restore", saved, "--replace", "--stopped", "--yes")

    assert replaced.returncode == 0, replaced.stderr
    assert await target.documents() == await source.documents()
    assert target.files().items() >= {**source.files(), **files}.items()


async def test_a_restore_that_was_cut_off_does_not_remove_what_came_after_it(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, [f"m{n:03}" for n in range(200)], size=50_000)
    assert (await source.typed("backup", saved)).returncode == 0

    async def among_files() -> bool:
        return sum(1 for _ in target.folder.glob("incoming/*/*")) > 20

    await target.killed("restore", saved, once=among_files)
    await target.database["messages"].insert_one({"_id": "m-came-meanwhile"})

    refused = await target.typed("restore", saved)

    assert refused.returncode == 1
    assert "the database is not empty" in refused.stderr.lower()
    assert await target.database["messages"].count_documents({"_id": "m-came-meanwhile"}) == 1


async def test_what_was_erased_meanwhile_or_since_does_not_come_back(source: Place, target: Place, saved: Path) -> None:
    made = await filled(source, ["m-stays", "m-erased-since"])
    assert (await source.typed("backup", saved)).returncode == 0
    tombstones = Tombstones(source.database, [SecretStr(KEY)])
    await tombstones.lay([of_media("m-erased-since")], before=FOR_EVER)

    restored = await source.typed("restore", saved, "--replace", "--stopped", "--yes")

    assert restored.returncode == 0, restored.stderr
    assert "attachments left out, as they were erased" in restored.stdout
    assert (await source.documents())["messages"].keys() == {"m-stays"}
    kept = made[0].media.storage.original
    assert kept is not None
    assert {kept.key} == {key for key in source.files() if key.startswith("incoming/")}
    assert await tombstones.cover_any([of_media("m-erased-since")])
    check = await source.typed("storage", "check", "--all")
    assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout


async def test_a_key_that_does_not_fit_is_told(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    await Tombstones(source.database, [SecretStr(KEY)]).lay([of_media("gone")], before=FOR_EVER)
    assert (await source.typed("backup", saved)).returncode == 0

    restored = await target.typed("restore", saved, CREDENTIALS_ENCRYPTION_KEY=Fernet.generate_key().decode())

    assert restored.returncode == 0, restored.stderr
    assert "CREDENTIALS_ENCRYPTION_KEY does not open 1 of the saved secrets" in restored.stderr
    assert await target.documents() == await source.documents()


async def test_a_customer_who_moved_while_it_was_made_is_in_the_conversation_that_was_read_later(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, ["m1"])
    names = {"phoneNumberId": "1", "identities": ["wa:15550109999"]}
    await source.database["conversations"].insert_one({"_id": "c1", **names})
    assert (await source.typed("backup", saved)).returncode == 0
    folder, manifest = documents_of(saved), read(saved)
    bson = folder / "conversations.bson"
    bson.write_bytes(bson.read_bytes() + encode({"_id": "c9", **names}))
    parts = [
        part.model_copy(
            update={"documents": part.documents + 1, "size_bytes": bson.stat().st_size, "sha256": digest(bson)}
        )
        if part.name == "conversations"
        else part
        for part in manifest.collections
    ]
    write(saved, manifest.model_copy(update={"collections": parts}))

    restored = await target.typed("restore", saved)

    assert restored.returncode == 0, restored.stderr
    conversations = (await target.documents())["conversations"]
    assert conversations["c9"]["identities"] == ["wa:15550109999"]
    assert conversations["c1"]["identities"] == []


async def test_places_that_are_wrong_are_refused_with_the_next_step(source: Place, saved: Path, tmp_path: Path) -> None:
    await filled(source, [f"m{n}" for n in range(10)])
    home = tmp_path / "home"
    (home / "files").mkdir(parents=True)
    (home / "files" / "mine.txt").write_text("mine")

    inside = await source.typed("backup", source.folder / "backup")
    foreign = await source.typed("backup", home)
    empty = await source.typed("backup", saved, MONGODB_DATABASE=f"test-{uuid4().hex}")
    unmounted = await source.typed("backup", saved, STORAGE_URL=str(tmp_path / "nothing"))

    for said in (inside, foreign, empty, unmounted):
        assert said.returncode == 1
        assert "Traceback" not in said.stderr
    assert "lie in each other" in inside.stderr
    assert "holds other things" in foreign.stderr
    assert "The database is empty; are MONGODB_URI and MONGODB_DATABASE right?" in empty.stderr
    assert "Is the disk mounted" in unmounted.stderr
    assert (home / "files" / "mine.txt").read_text() == "mine"
    assert (await source.typed("backup", saved)).returncode == 0
    first = read(saved)
    await source.database["messages"].delete_many({"_id": {"$gte": "m2"}})
    fewer = await source.typed("backup", saved)
    assert fewer.returncode == 1
    assert "has 2 attachments" in fewer.stderr
    assert read(saved) == first
    assert (await source.typed("backup", saved, "--accept-fewer")).returncode == 0


async def test_two_do_not_work_in_one_folder(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0

    with locked(saved, alone=False):
        backup = await source.typed("backup", saved)
        check = await target.typed("restore", saved, "--check")

    assert backup.returncode == 1
    assert "another backup or restore works in" in backup.stderr.lower()
    assert check.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", request.param, "attache-backup", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607


@pytest.mark.parametrize("small_disk", ["size=17m"], indirect=True)
async def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    source: Place, target: Place, saved: Path, small_disk: Path
) -> None:
    await filled(source, [f"m{n}" for n in range(30)], size=100_000)

    backup = await source.typed("backup", small_disk / "backup")
    assert (await source.typed("backup", saved)).returncode == 0
    restore = await target.typed("restore", saved, STORAGE_URL=str(small_disk / "uploads"))

    assert (backup.returncode, restore.returncode) == (1, 1)
    assert re.search(r"has room for \d+ bytes, and \d+ are needed", backup.stderr), backup.stderr
    assert re.search(r"has room for \d+ bytes, and \d+ are needed", restore.stderr), restore.stderr
    assert [path for path in (small_disk / "backup").rglob("*") if path.suffix] == []
    assert await target.documents() == {}


@pytest.mark.parametrize("small_disk", ["size=200m,nr_inodes=150"], indirect=True)
async def test_a_disk_that_is_full_in_the_middle_is_told_and_the_same_command_goes_on(
    source: Place, target: Place, saved: Path, small_disk: Path
) -> None:
    await filled(source, [f"m{n:03}" for n in range(100)])

    full = await source.typed("backup", small_disk / "backup")
    assert full.returncode == 1
    assert "No room left" in full.stderr
    assert "the same command goes on with the rest" in full.stderr
    refused = await target.typed("restore", small_disk / "backup")
    assert "holds no whole backup" in refused.stderr
    assert (await source.typed("backup", saved)).returncode == 0
    half = await target.typed("restore", saved, STORAGE_URL=str(small_disk / "uploads"))
    assert half.returncode == 1
    assert "No room left" in half.stderr
    assert await target.database["messages"].count_documents({}) == 0
    subprocess.run(["mount", "-o", "remount,nr_inodes=5000", small_disk], check=True)  # noqa: ASYNC221, S603, S607

    assert (await source.typed("backup", small_disk / "backup")).returncode == 0
    assert (await target.typed("restore", saved, STORAGE_URL=str(small_disk / "uploads"))).returncode == 0
    assert await target.documents() == await source.documents()


async def test_ctrl_c_stops_it_and_the_same_command_goes_on(source: Place, saved: Path) -> None:
    await filled(source, [f"m{n:03}" for n in range(400)], size=50_000)
    process = await asyncio.create_subprocess_exec(
        *source.command("backup", saved), env=source.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )

    async def in_the_middle() -> bool:
        return len(found(saved, "files/incoming/*/*")) > 20

    await until(in_the_middle)
    process.send_signal(2)
    _, stderr = await process.communicate()

    assert process.returncode == 1
    assert b"Stopped. What was copied stays, and the same command goes on with the rest." in stderr
    assert found(saved, "*.unfinished") == []
    assert (await source.typed("backup", saved)).returncode == 0


async def test_a_restore_is_refused_while_a_service_writes_documents(
    source: Place, target: Place, saved: Path, broker_url: str
) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0

    async def nothing(_: AbstractIncomingMessage) -> None: ...

    async with running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())), onlooker(broker_url) as outside:
        queue = await outside.channel.get_queue(PREVIEW.name, ensure=False)
        await queue.consume(nothing)

        refused = await target.typed("restore", saved, RABBITMQ_URL=broker_url)

        assert refused.returncode == 1
        assert "Previewer at work; nothing was changed. Stop ingestor, previewer and media-server first." in (
            refused.stderr
        )
        assert await target.documents() == {}
    nobody = await target.typed("restore", saved, RABBITMQ_URL=broker_url)
    assert (nobody.returncode, nobody.stderr.splitlines()[:-1]) == (0, [])


async def test_what_was_under_way_is_looked_at_at_once(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1", "m2"])
    later = system_clock() + timedelta(hours=6)
    change = {"media.status": "pending", "media.wakeAt": later, "media.nextAttemptAt": later}
    await source.database["messages"].update_one({"_id": "m1"}, {"$set": change})
    assert (await source.typed("backup", saved)).returncode == 0

    assert (await target.typed("restore", saved)).returncode == 0

    found = (await target.documents())["messages"]
    assert found["m1"]["media"]["wakeAt"] <= system_clock()
    assert found["m2"] == (await source.documents())["messages"]["m2"]
