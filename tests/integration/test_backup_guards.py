"""What a backup or a restore must not destroy, whatever is wrong around it: a good copy, another backup, an erasure."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import web
from bson import json_util
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.backup.backup import Backup
from shared.backup.errors import DiskFailed, InUse
from shared.backup.folder import opened
from shared.backup.hashing import digest
from shared.backup.manifest import read, write
from shared.backup.marker import Mark, Marker, Phase, under_way
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW
from shared.clock import system_clock
from shared.media import Attachment
from shared.repository.erased_names import of_media, of_sender
from shared.repository.mongo import connect, ensure_indexes
from shared.repository.tombstones import FOR_EVER, Tombstones
from shared.storage.filesystem import FilesystemStore
from tests.amqp import onlooker, running_broker
from tests.contract.processes import closed_port
from tests.integration.backup_worlds import Place, environment, filled

KEY = Fernet.generate_key().decode()
REPLACE = ("--replace", "--stopped", "--yes")


@pytest.fixture
async def place(mongodb_uri: str, tmp_path: Path) -> AsyncIterator[Callable[[str], Place]]:
    """Makes installations, each with a database and a folder of its own."""
    client, made = connect(SecretStr(mongodb_uri)), list[str]()

    def make(name: str) -> Place:
        folder, database = tmp_path / name, f"test-{uuid4().hex}"
        folder.mkdir()
        made.append(database)
        shell = environment(
            mongodb_uri=mongodb_uri,
            mongodb_database=database,
            folder=folder,
            CREDENTIALS_ENCRYPTION_KEY=KEY,
            MEDIA_SERVER_URL=f"http://127.0.0.1:{closed_port()}",
        )
        return Place(database=client[database], folder=folder, environment=shell)

    yield make
    for name in made:
        await client.drop_database(name)
    client.close()


@pytest.fixture
async def source(place: Callable[[str], Place]) -> Place:
    made = place("source")
    await ensure_indexes(made.database)
    return made


@pytest.fixture
def target(place: Callable[[str], Place]) -> Place:
    return place("target")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def original_of(attachment: Attachment) -> str:
    assert attachment.media.storage.original is not None
    return attachment.media.storage.original.key


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def found(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def linked(saved: Path, folder: Path) -> None:
    (saved / "files").symlink_to(folder)


def held(saved: Path) -> set[str]:
    return {str(path.relative_to(saved)) for path in (saved / "files").rglob("*") if path.is_file()}


@pytest.mark.parametrize("content", [b"", b"another content"])
async def test_a_damaged_file_of_the_store_does_not_replace_the_good_copy(
    source: Place, saved: Path, content: bytes
) -> None:
    (made,) = await filled(source, ["m1"])
    key = original_of(made)
    assert (await source.typed("backup", saved)).returncode == 0
    good = (saved / "files" / key).read_bytes()
    (source.folder / key).write_bytes(content)

    again = await source.typed("backup", saved)

    assert again.returncode == 0, again.stderr
    assert "1 files are lost or damaged in the storage folder" in again.stderr
    assert (saved / "files" / key).read_bytes() == good
    assert (await source.typed("restore", saved, "--check")).returncode == 0


async def test_an_empty_rendition_does_not_replace_the_good_copy(source: Place, saved: Path) -> None:
    (made,) = await filled(source, ["m1"])
    key = made.media.storage.renditions["thumb"].key
    assert (await source.typed("backup", saved)).returncode == 0
    good = (saved / "files" / key).read_bytes()
    (source.folder / key).write_bytes(b"")

    await source.typed("backup", saved)

    assert (saved / "files" / key).read_bytes() == good


async def test_a_backup_with_damage_says_so_and_a_restore_of_it_leaves_whole_files_alone(
    source: Place, saved: Path
) -> None:
    (made,) = await filled(source, ["m1"])
    path = source.folder / original_of(made)
    good = path.read_bytes()
    path.write_bytes(b"cut")

    backup = await source.typed("backup", saved)
    path.write_bytes(good)
    restore = await source.typed("restore", saved, *REPLACE)

    assert backup.returncode == 1
    assert "whole" not in backup.stdout
    assert backup.stdout.endswith("in which 1 files are missing or damaged.\n"), backup.stdout
    assert restore.returncode == 0, restore.stderr
    assert path.read_bytes() == good


async def test_until_a_backup_has_ended_the_one_before_is_whole(source: Place, target: Place, saved: Path) -> None:
    (made,) = await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0
    key = made.media.storage.renditions["thumb"].key
    (source.folder / key).write_bytes(b"another webp, of a newer library")
    work = Backup(
        database=source.database,
        store=FilesystemStore(source.folder),
        folder=opened(saved, apart_from=source.folder),
        clock=system_clock,
    )

    def cut_off() -> None:
        if found(saved, f"*.unfinished/changed/{key}"):
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        await work.made(on_documents=lambda _: None, on_bytes=lambda _: None, between=cut_off)

    assert (await source.typed("restore", saved, "--check")).returncode == 0
    assert (await source.typed("backup", saved)).returncode == 0
    assert (await target.typed("restore", saved)).returncode == 0
    assert target.files() == source.files()
    assert found(saved, "documents-*/changed") == []


async def test_a_backup_whose_changed_files_are_not_in_their_place_yet_is_whole(
    source: Place, target: Place, saved: Path
) -> None:
    """As when it was cut off right after its manifest was written."""
    (made,) = await filled(source, ["m1"])
    key = made.media.storage.renditions["thumb"].key
    assert (await source.typed("backup", saved)).returncode == 0
    beside = saved / read(saved).documents_folder / "changed" / key
    beside.parent.mkdir(parents=True)
    (saved / "files" / key).rename(beside)
    (saved / "files" / key).write_bytes(b"that of the backup before it")

    assert (await target.typed("restore", saved)).returncode == 0
    assert target.files() == source.files()
    assert (await source.typed("backup", saved)).returncode == 0
    assert (await source.typed("restore", saved, "--check")).returncode == 0
    assert not beside.exists()


async def _erased(place: Place, name: str) -> None:
    await Tombstones(place.database, [SecretStr(KEY)]).lay([of_media(name)], before=FOR_EVER)
    await place.database["messages"].delete_one({"_id": name})


@pytest.mark.parametrize("key", ["", Fernet.generate_key().decode()])
async def test_without_the_key_of_the_tombstones_nothing_is_replaced(source: Place, saved: Path, key: str) -> None:
    await filled(source, ["m-stays", "m-erased"])
    assert (await source.typed("backup", saved)).returncode == 0
    await _erased(source, "m-erased")
    before = await source.documents()

    refused = await source.typed("restore", saved, *REPLACE, CREDENTIALS_ENCRYPTION_KEY=key)

    assert refused.returncode == 1, refused.stdout
    assert "The database has 1 tombstones of what was erased" in refused.stderr
    assert "Nothing was changed" in refused.stderr
    assert await source.documents() == before
    wanted = await source.typed("restore", saved, *REPLACE, "--bring-back-erased", CREDENTIALS_ENCRYPTION_KEY=key)
    assert wanted.returncode == 0, wanted.stderr
    assert (await source.documents())["messages"].keys() == {"m-stays", "m-erased"}


async def test_an_access_token_that_no_key_opens_does_not_bring_back_the_erased(source: Place, saved: Path) -> None:
    await filled(source, ["m-stays", "m-erased"])
    lost = Fernet(Fernet.generate_key()).encrypt(b"EAA")
    await source.database["whatsapp_instances"].insert_one({"_id": "999", "accessToken": lost})
    await _erased(source, "m-before")
    assert (await source.typed("backup", saved)).returncode == 0
    await _erased(source, "m-erased")

    restored = await source.typed("restore", saved, *REPLACE)

    assert restored.returncode == 0, restored.stderr
    assert (await source.documents())["messages"].keys() == {"m-stays"}
    assert await Tombstones(source.database, [SecretStr(KEY)]).cover_any([of_media("m-erased")])


async def test_tombstones_with_another_key_than_those_of_the_backup_are_not_thrown_away(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, ["m-stays", "m-erased"])
    await _erased(source, "m-before")
    assert (await source.typed("backup", saved)).returncode == 0
    await _erased(target, "m-erased")

    refused = await target.typed("restore", saved, *REPLACE)

    assert refused.returncode == 1
    assert "--bring-back-erased" in refused.stderr
    assert await Tombstones(target.database, [SecretStr(KEY)]).cover_any([of_media("m-erased")])


async def test_an_ingestor_that_is_short_of_room_is_at_work(
    source: Place, target: Place, saved: Path, broker_url: str
) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0

    async def nothing(_: AbstractIncomingMessage) -> None: ...

    queues = (*INGEST.queues(), *PREVIEW.queues(), *IDENTITIES.queues())
    async with running_broker(broker_url, queues), onlooker(broker_url) as outside:
        queue = await outside.channel.get_queue(IDENTITIES.name, ensure=False)
        await queue.consume(nothing)

        refused = await target.typed("restore", saved, RABBITMQ_URL=broker_url)

    assert refused.returncode == 1
    assert "Ingestor at work" in refused.stderr


async def test_a_media_server_that_answers_is_at_work(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0

    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"status": "unready", "checks": {}}, status=503)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        refused = await target.typed("restore", saved, MEDIA_SERVER_URL=url)
    finally:
        await runner.cleanup()

    assert refused.returncode == 1
    assert "Media-server at work" in refused.stderr


async def test_nothing_is_replaced_while_nobody_can_tell_who_works(source: Place, target: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    assert (await source.typed("backup", saved)).returncode == 0
    await filled(target, ["m-mine"])

    refused = await target.typed("restore", saved, "--replace", "--yes")

    assert refused.returncode == 1
    assert "nobody can say whether services run; nothing was changed" in refused.stderr
    assert "--stopped" in refused.stderr
    assert "m-mine" in (await target.documents())["messages"]


async def test_indexes_and_options_of_others_come_back(source: Place, target: Place, saved: Path) -> None:
    await source.database.create_collection("theirs", validator={"a": {"$gt": 1}}, collation={"locale": "en"})
    await source.database["theirs"].insert_one({"a": 0}, bypass_document_validation=True)
    await filled(source, ["m1"])
    await source.database["messages"].create_index([("caption", "text")], name="search", weights={"caption": 3})
    await source.database["messages"].create_index([("a", 1)], name="hidden", hidden=True)
    await filled(target, ["m-mine"])
    assert (await source.typed("backup", saved)).returncode == 0

    restored = await target.typed("restore", saved, *REPLACE)

    assert restored.returncode == 0, restored.stderr
    for name in ("messages", "theirs"):
        there = await target.database[name].index_information()
        assert there == await source.database[name].index_information()
        assert await target.database[name].options() == await source.database[name].options()
    assert await target.documents() == await source.documents()


async def test_an_index_that_this_server_cannot_make_is_told_and_nothing_else_lacks(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, ["m1"])
    await source.database["theirs"].insert_one({"_id": 1})
    assert (await source.typed("backup", saved)).returncode == 0
    _with_index(saved, {"name": "odd", "key": {"a": "of a later server"}})

    restored = await target.typed("restore", saved)

    assert restored.returncode == 0, restored.stderr
    assert "1 indexes of others cannot be made" in restored.stderr
    assert await target.documents() == await source.documents()


def _with_index(saved: Path, index: dict[str, object]) -> None:
    manifest = read(saved)
    path = saved / manifest.documents_folder / "theirs.metadata.json"
    about = json_util.loads(path.read_text())
    about["indexes"].append(index)
    path.write_text(json_util.dumps(about))
    parts = [
        part.model_copy(update={"metadata_sha256": digest(path)}) if part.name == "theirs" else part
        for part in manifest.collections
    ]
    write(saved, manifest.model_copy(update={"collections": parts}))


async def test_where_the_last_backup_cannot_be_trusted_nothing_is_written_or_removed(
    source: Place, saved: Path
) -> None:
    await filled(source, [f"m{n}" for n in range(10)])
    assert (await source.typed("backup", saved)).returncode == 0
    before = held(saved)
    await source.database["messages"].delete_many({"_id": {"$ne": "m0"}})
    await source.database["blobs"].delete_many({})
    manifest = saved / "manifest.json"
    content = manifest.read_bytes()

    flipped(saved / read(saved).documents_folder / "SHA256SUMS")
    sums = await source.typed("backup", saved, "--accept-fewer")
    manifest.write_bytes(content.replace(b'"format": 1', b'"format": 9'))
    changed = await source.typed("backup", saved, "--accept-fewer")
    manifest.write_bytes(b"")
    unreadable = await source.typed("backup", saved, "--accept-fewer")

    for said in (sums, changed, unreadable):
        assert said.returncode == 1, said.stdout
        assert "nothing was written and nothing removed. Back up into another folder" in said.stderr
    assert held(saved) == before


async def test_without_a_manifest_nothing_that_is_there_is_removed(source: Place, saved: Path) -> None:
    await filled(source, ["m1", "m2"])
    assert (await source.typed("backup", saved)).returncode == 0
    before = held(saved)
    (saved / "manifest.json").unlink()
    await source.database["messages"].delete_one({"_id": "m2"})
    await source.database["blobs"].delete_many({})

    assert (await source.typed("backup", saved)).returncode == 0
    assert held(saved) == before


async def test_a_storage_folder_with_none_of_the_files_is_taken_for_a_mistake(
    source: Place, saved: Path, tmp_path: Path
) -> None:
    await filled(source, ["m1", "m2", "m3"])
    wrong = tmp_path / "elsewhere"
    wrong.mkdir()
    (wrong / "x").write_text("x")

    refused = await source.typed("backup", saved, STORAGE_URL=str(wrong))
    wanted = await source.typed("backup", saved, "--accept-fewer", STORAGE_URL=str(wrong))

    assert refused.returncode == 1
    assert re.search(r"of 6 files that the database names, 6 are not in the storage folder", refused.stderr, re.I)
    assert wanted.returncode == 1
    assert wanted.stdout.endswith("in which 3 files are missing or damaged.\n"), wanted.stdout


async def test_two_restores_into_one_database_do_not_mix(
    source: Place, target: Place, place: Callable[[str], Place], saved: Path
) -> None:
    other, saved_other = place("other"), saved.with_name("another")
    await ensure_indexes(other.database)
    await filled(source, [f"m{n}" for n in range(300)])
    await filled(other, [f"x{n}" for n in range(300)])
    assert (await source.typed("backup", saved)).returncode == 0
    assert (await other.typed("backup", saved_other)).returncode == 0

    both = await asyncio.gather(
        target.typed("restore", saved, *REPLACE), target.typed("restore", saved_other, *REPLACE)
    )

    assert 0 in {each.returncode for each in both}
    for each in both:
        assert each.returncode == 0 or "restore works on this database; nothing was changed" in each.stderr
    assert await target.documents() in [await source.documents(), await other.documents()]


async def test_a_restore_is_owned_by_one_and_another_may_go_on_when_it_is_gone(target: Place) -> None:
    first, second = Marker(target.database, "b1"), Marker(target.database, "b1")
    async with first.owned():
        await first.set(Mark(phase=Phase.CLEARING, replace=True))
        running = await under_way(target.database)
        with pytest.raises(InUse):
            async with second.owned():
                pass
    async with second.owned():
        assert await second.read() == Mark(phase=Phase.CLEARING, replace=True)
        with pytest.raises(InUse):
            await first.check()
    left = await under_way(target.database)

    assert running is not None
    assert (running.is_running, running.backup_id, running.phase) == (True, "b1", Phase.CLEARING)
    assert left is not None
    assert not left.is_running
    assert running.began_at == left.began_at <= left.seen_at


async def test_one_of_another_machine_that_is_silent_is_gone(target: Place) -> None:
    marker = Marker(target.database, "b1")
    row = {"_id": "restore", "backup": "b1", "phase": "files", "replace": False, "beganAt": system_clock()}
    owner = {"host": "elsewhere", "process": 1, "name": "x"}
    await target.database["restores"].insert_one({**row, "seenAt": system_clock(), "owner": owner})
    with pytest.raises(InUse):
        async with marker.owned():
            pass

    await target.database["restores"].update_one({}, {"$set": {"seenAt": system_clock() - timedelta(minutes=2)}})

    async with marker.owned():
        await marker.check()


async def test_one_that_ends_before_it_has_begun_leaves_nothing(target: Place) -> None:
    async with Marker(target.database, "b1").owned():
        pass

    assert await under_way(target.database) is None
    assert await target.documents() == {}


async def test_a_restore_that_was_cut_off_does_not_go_on_in_a_database_that_is_in_use_again(
    source: Place, target: Place, saved: Path
) -> None:
    await filled(source, ["m1", "m2"])
    assert (await source.typed("backup", saved)).returncode == 0
    marker = Marker(target.database, read(saved).id)
    async with marker.owned():
        await marker.set(Mark(phase=Phase.DOCUMENTS, replace=True))
    await filled(target, ["m-live"], received_at=system_clock())

    refused = await target.typed("restore", saved)
    assert refused.returncode == 1
    assert "was cut off here, and the database has been used since: 1 attachments" in refused.stderr
    assert (await target.documents())["messages"].keys() == {"m-live"}
    replaced = await target.typed("restore", saved, *REPLACE)

    assert replaced.returncode == 0, replaced.stderr
    assert await target.documents() == await source.documents()


async def test_each_installation_has_a_folder_of_its_own(
    source: Place, target: Place, place: Callable[[str], Place], saved: Path
) -> None:
    other = place("other")
    await filled(source, ["a1", "a2"])
    await filled(other, ["c1", "c2"])
    assert (await source.typed("backup", saved)).returncode == 0
    before = held(saved)

    refused = await other.typed("backup", saved)

    assert refused.returncode == 1
    assert "holds the backup of another installation" in refused.stderr
    assert held(saved) == before
    assert (await target.typed("restore", saved)).returncode == 0
    restored = await target.typed("backup", saved)
    assert restored.returncode == 0, restored.stderr


@pytest.mark.parametrize("number", [28, 5])
async def test_a_disk_of_the_backup_that_fails_is_named(
    source: Place, saved: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    await filled(source, ["m1"])
    folder = opened(saved, apart_from=source.folder)
    work = Backup(database=source.database, store=FilesystemStore(source.folder), folder=folder, clock=system_clock)

    def fails() -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("shared.backup.backup.synced", fails)
    with pytest.raises(DiskFailed, match=re.escape(str(folder))):
        await work.made(on_documents=lambda _: None, on_bytes=lambda _: None, between=lambda: None)


@pytest.mark.parametrize("key", ["{key}/x", "a" * 300, "a" * 250 + "/" + "b" * 4000])
async def test_a_document_mangled_by_hand_does_not_stop_the_backup(source: Place, saved: Path, key: str) -> None:
    made, _ = await filled(source, ["m1", "m2"])
    mangled = key.format(key=original_of(made))
    await source.database["messages"].update_one({"_id": "m1"}, {"$set": {"media.storage.original.key": mangled}})

    backup = await source.typed("backup", saved)

    assert "1 attachments are saved without their file" in backup.stderr
    assert backup.stdout.endswith("in which 1 files are missing or damaged.\n"), backup.stderr


async def test_another_spelling_of_a_key_is_the_same_file(source: Place, saved: Path) -> None:
    (made,) = await filled(source, ["m1"])
    key = "./" + original_of(made).replace("/", "//")
    await source.database["messages"].update_one({"_id": "m1"}, {"$set": {"media.storage.original.key": key}})
    await source.database["blobs"].delete_many({})

    assert (await source.typed("backup", saved)).returncode == 0
    assert (await source.typed("restore", saved, "--check")).returncode == 0
    assert len(held(saved)) == 2


async def test_a_folder_of_files_that_is_a_link_is_refused(source: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    linked(opened(saved, apart_from=source.folder), source.folder)
    before = source.files()

    refused = await source.typed("backup", saved)

    assert refused.returncode == 1
    assert "is a link; nothing was written" in refused.stderr
    assert source.files() == before


async def test_who_was_erased_does_not_come_back_among_the_participants_of_a_group(source: Place, saved: Path) -> None:
    await filled(source, ["m1"])
    ada, grace = {"waId": "15550102030", "name": "Ada"}, {"waId": "15550109999", "name": "Grace"}
    group = {
        "_id": "g",
        "phoneNumberId": "1",
        "identities": ["group:g1"],
        "groupId": "g1",
        "participants": [ada, grace],
    }
    await source.database["conversations"].insert_one(group)
    assert (await source.typed("backup", saved)).returncode == 0
    tombstones = Tombstones(source.database, [SecretStr(KEY)])
    await tombstones.lay(of_sender(["wa:15550109999"]), before=system_clock())

    restored = await source.typed("restore", saved, *REPLACE)

    assert restored.returncode == 0, restored.stderr
    assert (await source.documents())["conversations"]["g"]["participants"] == [ada]
