"""`attache retention`, as an operator types it: what is old and at rest goes, and nothing else."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.erase import Eraser
from shared.errors import ErrorCode
from shared.events import MediaErased
from shared.media import Attachment, FailureStage, MediaKind, MediaStatus
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.expired import ExpiredMedia, Wanted
from shared.repository.mongo import connect, ensure_indexes
from shared.repository.tombstones import Tombstones
from shared.requeue import received_again
from shared.retention import Removed, Retention
from shared.storage.filesystem import FilesystemStore
from tests.amqp import Onlooker, onlooker, running_broker, until
from tests.builders import NUMBER, make_failure
from tests.integration.backup_worlds import ATTACHE, Place, environment, filled
from tests.letters import letter

KEY = Fernet.generate_key().decode()
DAYS = timedelta(days=1)
OTHER_NUMBER = "106540352242923"


@pytest.fixture
async def place(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    folder = tmp_path / "uploads"
    folder.mkdir()
    yield Place(
        database=client[mongodb_database],
        folder=folder,
        environment=environment(
            mongodb_uri=mongodb_uri,
            mongodb_database=mongodb_database,
            folder=folder,
            RABBITMQ_URL=broker_url,
            CREDENTIALS_ENCRYPTION_KEY=KEY,
        ),
    )
    client.close()


@pytest.fixture
async def outside(broker_url: str) -> AsyncIterator[Onlooker]:
    async with running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())), onlooker(broker_url) as found:
        yield found


def ago(days: float) -> datetime:
    return system_clock() - days * DAYS


async def old(place: Place, *names: str, days: float = 100, **fields: Any) -> list[Attachment]:
    return await filled(place, names, **{"sent_at": ago(days), "received_at": ago(days)} | fields)


async def ids(place: Place) -> set[str]:
    return {each["_id"] async for each in place.database["messages"].find({}, {"_id": 1})}


def cells(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if line[:1] == "│"]


def rows(output: str) -> dict[str, int]:
    """The table of what went: what → how many."""
    return {what.partition(":")[0]: int(count) for count, what in (each for each in cells(output) if len(each) == 2)}


async def test_a_dry_run_shows_number_kind_and_size_and_removes_nothing(place: Place) -> None:
    await old(place, "m-image-1", "m-image-2")
    await old(place, "m-video", kind=MediaKind.VIDEO)
    await old(place, "m-other", phone_number_id=OTHER_NUMBER)
    await old(place, "m-young", days=89)
    (first,) = await old(place, "m-shared")
    twin = first.model_copy(update={"id": "m-twin", "sent_at": ago(1)})
    await place.database["messages"].insert_one(twin.to_document())
    before, files = await place.documents(), place.files()

    shown = await place.typed("retention", "--older-than", "90d")

    assert shown.returncode == 0, shown.stderr
    assert cells(shown.stdout) == [
        [NUMBER, "image", "3", "2", "2.0 kB"],
        [NUMBER, "video", "1", "1", "1.0 kB"],
        [OTHER_NUMBER, "image", "1", "1", "1.0 kB"],
        ["all", "", "5", "4", "4.0 kB"],
    ]
    assert "1 files (1.0 kB) stay, as other attachments have the same content." in shown.stdout
    assert "Nothing was removed." in shown.stdout
    assert (await place.documents(), place.files()) == (before, files)


async def test_what_is_old_goes_with_its_files_its_conversation_and_its_dead_letters(
    place: Place, outside: Onlooker
) -> None:
    gone = await old(place, "m1", "m2", conversation_id="c-empty")
    shared, young = (await old(place, "m3")) + (await old(place, "m4", days=1))
    twin = shared.model_copy(update={"id": "m-twin", "sent_at": ago(1)})
    await place.database["messages"].insert_one(twin.to_document())
    await place.database["conversations"].insert_one(
        {"_id": "c-empty", "phoneNumberId": NUMBER, "identities": ["wa:1"], "lastMessageAt": ago(100)}
    )
    told = await outside.bound_to("media.erased")
    for number, each in enumerate((gone[0], young)):
        buried = letter(INGEST, id=str(number), event=received_again(each))
        await outside.channel.default_exchange.publish(buried, INGEST.dead_letters)

    done = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {
        "attachments": 3,
        "files, with their previews": 2,
        "files kept, as other attachments have the same content": 1,
        "files that could not be deleted now": 0,
        "conversations in which nothing was left": 1,
        "dead letters": 1,
    }
    assert await ids(place) == {"m4", "m-twin"}
    kept = [each.media.storage.original for each in (shared, young)]
    assert {key for key in place.files() if key.startswith("incoming")} == {each.key for each in kept if each}
    assert await place.database["conversations"].count_documents({"_id": "c-empty"}) == 0
    heard = [MediaErased.model_validate_json((await outside.take(told)).body).id for _ in range(3)]
    assert sorted(heard) == ["m1", "m2", "m3"]
    tombstones = Tombstones(place.database, [SecretStr(KEY)])
    assert [await tombstones.cover(received_again(each)) for each in (*gone, young)] == [True, True, False]
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (audit,) = [line for line in lines if line["event"] == "retention.applied"]
    assert (audit["documents"], audit["files"], audit["kinds"]) == (3, 2, "all")
    check = await place.typed("storage", "check", "--all")
    assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout
    again = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")
    assert "there is nothing to remove" in again.stdout


FAILED = make_failure(stage=FailureStage.INGEST, code=ErrorCode.MEDIA_EXPIRED)
NO_PREVIEW = make_failure(stage=FailureStage.PREVIEW, code=ErrorCode.PREVIEW_TIMEOUT)
STATES: dict[str, tuple[dict[str, Any], bool]] = {
    "ready": ({"status": MediaStatus.READY}, True),
    "without a preview": ({"status": MediaStatus.FAILED, "failure": NO_PREVIEW, "deadline": ago(-3)}, True),
    "failed, Meta has deleted it": ({"status": MediaStatus.FAILED, "failure": FAILED, "deadline": ago(1)}, True),
    "failed, Meta still has it": ({"status": MediaStatus.FAILED, "failure": FAILED, "deadline": ago(-1)}, False),
    "failed for ever": ({"status": MediaStatus.FAILED, "failure": FAILED, "deadline": None}, True),
    "skipped, Meta has deleted it": ({"status": MediaStatus.SKIPPED, "deadline": ago(1)}, True),
    "skipped, Meta still has it": ({"status": MediaStatus.SKIPPED, "deadline": ago(-1)}, False),
    "pending and forgotten": ({"status": MediaStatus.PENDING, "deadline": ago(9), "wake_at": ago(2)}, True),
    "an attempt under way": ({"status": MediaStatus.PENDING, "deadline": ago(9), "wake_at": ago(-0.01)}, False),
    "pending by hand": ({"status": MediaStatus.PENDING, "deadline": ago(9), "wake_at": None}, False),
    "pending": ({"status": MediaStatus.PENDING, "deadline": ago(-1), "wake_at": ago(2)}, False),
    "previews under way": ({"status": MediaStatus.STORED, "wake_at": ago(2)}, False),
}


async def test_only_what_is_at_rest_goes(place: Place) -> None:
    for name, (media, _) in STATES.items():
        (made,) = await old(place, name)
        changed = made.model_copy(update={"media": made.media.model_copy(update=media)})
        await place.database["messages"].replace_one({"_id": name}, changed.to_document())

    done = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert await ids(place) == {name for name, (_, goes) in STATES.items() if not goes}
    staying = sum(1 for _, goes in STATES.values() if not goes)
    assert f"{staying} attachments of this age stay, as they are under way or Meta still has their file." in done.stdout


async def test_kinds_and_numbers_are_chosen(place: Place) -> None:
    await old(place, "m-image")
    await old(place, "m-video", kind=MediaKind.VIDEO)
    await old(place, "m-voice", kind=MediaKind.VOICE)
    await old(place, "m-other", kind=MediaKind.VIDEO, phone_number_id=OTHER_NUMBER)

    command = ("retention", "--older-than", "90d", "--kind", "video,voice", "--number", NUMBER, "--apply", "--yes")
    assert (await place.typed(*command)).returncode == 0
    assert await ids(place) == {"m-image", "m-other"}


WRONG: tuple[tuple[list[str], str], ...] = (
    (["--older-than", "90"], "'90' is no duration; write a whole number and s, m, h or d: 90s, 15m, 12h, 30d"),
    (["--older-than", "90s"], "less than a day is most likely a slip"),
    ([], "Missing option '--older-than'"),
    (["--older-than", "90d", "--kind", "picture"], "'picture' is no kind; the kinds are image, video"),
    (["--older-than", "90d", "--kind", ""], "it is empty; leave it out for all"),
    (["--older-than", "90d", "--number", "+1 555"], "a number is its phone number id at Meta, in digits"),
    (["--older-than", "90d", "--apply"], "nobody can be asked here; say --yes"),
)


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[" ".join(each) for each, _ in WRONG])
def test_what_is_typed_wrong_is_told(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    said = subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, "retention", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env={"COLUMNS": "300", "PATH": ""},
    )

    assert said.returncode == 2
    assert sentence in said.stderr, said.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
async def test_when_it_is_stopped_nothing_is_half_done_and_the_same_command_goes_on(
    place: Place, how: signal.Signals
) -> None:
    await old(place, *(f"m{n:04}" for n in range(600)))
    process = await asyncio.create_subprocess_exec(
        *place.command("retention", "--older-than", "90d", "--apply", "--yes"),
        env=place.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )

    async def in_the_middle() -> bool:
        return await place.database["messages"].count_documents({}) < 550

    reading = asyncio.create_task(process.communicate())  # or it would wait for somebody to read its log
    await until(in_the_middle)
    process.send_signal(how)
    _, stderr = await reading

    left = len(await ids(place))
    assert 0 < left < 550
    if how is signal.SIGINT:
        assert process.returncode == 1
        assert b"Stopped; what was begun is done. The same command goes on with the rest." in stderr
        check = await place.typed("storage", "check")
        assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout
    again = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")
    assert again.returncode == 0, again.stderr
    assert await ids(place) == set()
    if how is signal.SIGINT:
        assert place.files() == {}
    else:  # what it had in hand is in the rows; an ingestor removes it, as here
        later = Release(
            database=place.database, store=FilesystemStore(place.folder), clock=lambda: system_clock() + DAYS
        )
        await later.resume()
        assert place.files() == {}


async def test_new_references_and_retries_while_it_goes_on(place: Place, broker_url: str) -> None:
    """Each of the contents is linked anew, by an attachment that comes in at any moment of the removal."""
    made = await old(place, *(f"m{n:03}" for n in range(100)))
    blobs = BlobRepository(place.database)
    store = FilesystemStore(place.folder)
    linked: set[str] = set()

    async def link(each: Attachment) -> None:
        """As the ingestor does: refer to the bytes, then look whether they are live; else take it back, and again."""
        original = each.media.storage.original
        assert original is not None
        newer = each.model_copy(update={"id": f"{each.id}-newer", "sent_at": ago(0)})
        while True:
            await place.database["messages"].insert_one(newer.to_document())
            if await blobs.is_live(original.sha256):
                linked.add(newer.id)
                return
            await place.database["messages"].delete_one({"_id": newer.id})
            if not await place.database["blobs"].count_documents({"_id": original.sha256}):
                return  # gone: the ingestor would store them anew

    async with running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())) as broker:
        eraser = Eraser(
            database=place.database,
            tombstones=Tombstones(place.database, [SecretStr(KEY)]),
            release=Release(database=place.database, store=store, clock=system_clock),
            publisher=Publisher(broker),
            clock=system_clock,
        )
        removed = Removed()
        wanted = Wanted(sent_before=ago(90), now=system_clock())

        async def others() -> None:
            for each in reversed(made):
                await link(each)

        await asyncio.gather(Retention(database=place.database, eraser=eraser).remove(wanted, into=removed), others())

    assert removed.documents == 100
    assert removed.files + removed.files_shared + removed.files_left == 100  # left: linked anew in that instant
    assert await ids(place) == linked
    for each in made:
        original = each.media.storage.original
        assert original is not None
        assert ((place.folder / original.key).exists()) == (f"{each.id}-newer" in linked)
    check = await place.typed("storage", "check", "--all")
    assert check.stdout.endswith("Nothing is wrong.\n"), check.stdout


async def test_what_is_retried_before_its_turn_stays(place: Place, broker_url: str) -> None:
    made = await old(place, *(f"m{n:03}" for n in range(80)))
    expired = ExpiredMedia(place.database)
    wanted = Wanted(sent_before=ago(90), now=system_clock())
    assert await expired.count(wanted) == 80
    late = made[-1].id

    async with running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())) as broker:
        eraser = Eraser(
            database=place.database,
            tombstones=Tombstones(place.database, [SecretStr(KEY)]),
            release=Release(database=place.database, store=FilesystemStore(place.folder), clock=system_clock),
            publisher=Publisher(broker),
            clock=system_clock,
        )
        removed, calls = Removed(), list[asyncio.Future[Any]]()

        def retried() -> None:
            change = {"$set": {"media.status": "stored"}}
            calls.append(asyncio.ensure_future(place.database["messages"].update_one({"_id": late}, change)))

        await Retention(database=place.database, eraser=eraser).remove(wanted, into=removed, between=retried)
        await asyncio.gather(*calls)

    assert await ids(place) == {late}
    assert not await Tombstones(place.database, [SecretStr(KEY)]).cover(received_again(made[-1]))
    assert removed.documents == 79


AHEAD = """
import datetime

class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(days=400)

datetime.datetime = Ahead
"""


async def test_a_clock_that_is_wrong_removes_nothing(place: Place, outside: Onlooker, tmp_path: Path) -> None:
    await old(place, "m-young", days=1)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(AHEAD)
    ahead = {"PYTHONPATH": str(tmp_path / "site")}

    for command in (("--apply", "--yes"), ()):
        refused = await place.typed("retention", "--older-than", "90d", *command, **ahead)

        assert refused.returncode == 1
        assert "this machine's clock says" in refused.stderr
        assert f"MongoDB's says {system_clock():%Y-%m-%d}" in refused.stderr
        assert "make doctor" in refused.stderr
    assert await ids(place) == {"m-young"}


async def test_a_message_that_came_lately_stays_whatever_its_sender_dates_it(place: Place, outside: Onlooker) -> None:
    await old(place, "m-just-came", sent_at=ago(20_000), received_at=ago(1))
    await old(place, "m-old")

    done = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert await ids(place) == {"m-just-came"}


async def test_a_size_that_was_changed_by_hand_is_not_counted(place: Place, outside: Onlooker) -> None:
    await old(place, "m-a", "m-b")
    by_hand = {"media.storage.original.sizeBytes": "many", "media.storage.renditions.thumb.sizeBytes": "some"}
    await place.database["messages"].update_one({"_id": "m-a"}, {"$set": by_hand})

    done = await place.typed("retention", "--older-than", "90d", "--apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert await ids(place) == set()


async def test_what_mongodb_refuses_is_not_called_silence(place: Place, outside: Onlooker) -> None:
    await old(place, "m-a")
    await place.database["messages"].update_one({"_id": "m-a"}, {"$set": {"media.storage.renditions": "by hand"}})

    refused = await place.typed("retention", "--older-than", "90d")

    assert refused.returncode == 1
    assert "MongoDB refuses what it was asked (OperationFailure" in refused.stderr
    assert "does not answer" not in refused.stderr


async def test_it_is_found_by_an_index(place: Place) -> None:
    wanted = Wanted(sent_before=ago(90), now=system_clock(), kinds=frozenset({MediaKind.VIDEO}))

    plan = await place.database["messages"].find(wanted.at_rest).sort([("sentAt", 1), ("_id", 1)]).explain()

    assert "COLLSCAN" not in json.dumps(plan["queryPlanner"]["winningPlan"], default=str)
