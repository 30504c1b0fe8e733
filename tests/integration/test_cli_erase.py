"""`attache erase`, as an operator types it, beside a gateway and an ingestor that are at work."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr

import ingestor.app
import ingestor.settings
import webhook_gateway.app
import webhook_gateway.settings
from shared.broker.letters import reading
from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST, PREVIEW, REVOCATIONS, UNREADABLE
from shared.clock import system_clock
from shared.events import MediaReceived, MessageRevoked
from shared.media import Attachment, Customer, Declared, Sender
from shared.repository.mongo import Database, connect
from shared.repository.tombstones import Tombstones
from shared.requeue import received_again
from tests import images
from tests.amqp import Onlooker, onlooker, running_broker, until
from tests.builders import make_media_received
from tests.letters import letter
from tests.unit.webhook_gateway.payloads import APP_SECRET, change, escaped, message, signed, webhook
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, Kind, Simulator

ATTACHE = Path(sys.executable).with_name("attache")
PATH = "/webhooks/whatsapp"
NUMBER = DEMO_NUMBER.phone_number_id
PHONE, OTHER_PHONE = "15550102030", "15550109999"
PICTURE = images.jpeg(40, 30)
Client = TestClient[web.Request, web.Application]


@dataclass(kw_only=True)
class World:
    """Both services, Meta, and an operator's shell."""

    meta: Simulator
    gateway: Client
    database: Database
    folder: Path
    publisher: Publisher
    outside: Onlooker
    settings: ingestor.settings.Settings
    environment: dict[str, str]
    events: dict[str, MediaReceived] = field(default_factory=dict)

    def attache(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [ATTACHE, *arguments],
            env=self.environment | changed,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    async def typed(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(self.attache, *arguments, **changed)

    def sent(self, phone: str = PHONE, *, ago: timedelta = timedelta(hours=1), **fields: Any) -> MediaReceived:
        media = self.meta.add_media(PICTURE, kind=Kind.IMAGE, mime_type="image/jpeg")
        now = system_clock()
        return make_media_received(
            **{
                "phone_number_id": NUMBER,
                "message_id": f"wamid.{media.id}",
                "provider_media_id": media.id,
                "customer": Customer(wa_id=phone),
                "sender": Sender(wa_id=phone, name="Ada"),
                "sent_at": now - ago,
                "received_at": now - ago,
                "declared": Declared(mime_type="image/jpeg", sha256=media.sha256),
            }
            | fields
        )

    async def publish(self, *events: MediaReceived | MessageRevoked, attempt: int = 1) -> None:
        await self.publisher.publish(events, correlation_id="abc", attempt=attempt)

    async def are(self, *statuses: str) -> None:
        """Wait until there are exactly these documents."""

        async def so() -> bool:
            found = [each["media"]["status"] async for each in self.database["messages"].find()]
            return sorted(found) == sorted(statuses)

        await until(so)

    async def letters(self, count: int) -> None:
        """Wait until there are as many dead letters of the ingestor."""
        source = await self.outside.channel.get_queue(INGEST.dead_letters, ensure=False)

        async def so() -> bool:
            declared = await self.outside.channel.declare_queue(source.name, passive=True)
            return declared.declaration_result.message_count == count

        await until(so)

    async def everything_is_handled(self) -> None:
        """What was queued before has been worked off: a message that came after it has become a document."""
        marker = self.sent(OTHER_PHONE)
        await self.publish(marker)

        async def here() -> bool:
            found = await self.database["messages"].find_one({"_id": marker.media_id})
            return found is not None and found["media"]["status"] == "stored"

        await until(here)
        await self.database["messages"].delete_one({"_id": marker.media_id})

    async def ids(self) -> set[str]:
        return {each["_id"] async for each in self.database["messages"].find()}


@pytest.fixture(params=["keep"])
def on_revoke(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def world(
    broker_url: str, mongodb_uri: str, mongodb_database: str, tmp_path: Path, on_revoke: Any
) -> AsyncIterator[World]:
    key, folder = Fernet.generate_key().decode(), tmp_path / "uploads"
    async with AsyncExitStack() as stack:
        meta = await stack.enter_async_context(Simulator(app_secret=APP_SECRET))
        settings = ingestor.settings.Settings(
            rabbitmq_url=SecretStr(broker_url),
            mongodb_uri=SecretStr(mongodb_uri),
            mongodb_database=mongodb_database,
            storage_url=str(folder),
            storage_min_free_bytes=0,
            whatsapp_graph_url=meta.base_url,
            whatsapp_access_token=SecretStr(DEMO_ACCESS_TOKEN),
            whatsapp_phone_number_id=NUMBER,
            whatsapp_on_revoke=on_revoke,
            credentials_encryption_key=(SecretStr(key),),
            media_retry_delays=(1,),
            reconcile_seconds=1,
            prefetch=1,
        )
        await stack.enter_async_context(TestClient(TestServer(ingestor.app.build_app(settings))))
        gateway = await stack.enter_async_context(
            TestClient(
                TestServer(
                    webhook_gateway.app.build_app(
                        webhook_gateway.settings.Settings(
                            rabbitmq_url=SecretStr(broker_url),
                            whatsapp_app_secret=(SecretStr(APP_SECRET),),
                            whatsapp_verify_token=SecretStr("verify-me"),
                            whatsapp_on_revoke=on_revoke,
                        )
                    )
                )
            )
        )
        client = connect(SecretStr(mongodb_uri))
        stack.callback(client.close)
        broker = await stack.enter_async_context(running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())))
        yield World(
            meta=meta,
            gateway=gateway,
            database=client[mongodb_database],
            folder=folder,
            publisher=Publisher(broker),
            outside=await stack.enter_async_context(onlooker(broker_url)),
            settings=settings,
            environment={
                "PATH": os.environ["PATH"],
                "COLUMNS": "160",
                "RABBITMQ_URL": broker_url,
                "MONGODB_URI": mongodb_uri,
                "MONGODB_DATABASE": mongodb_database,
                "STORAGE_URL": str(folder),
                "CREDENTIALS_ENCRYPTION_KEY": key,
            },
        )


def rows(output: str) -> dict[str, int]:
    """The table: what → how many."""
    cells = [[cell.strip() for cell in line.split("│")] for line in output.splitlines() if line.startswith("│")]
    return {what: int(count) for _, count, what, _ in cells}


async def test_a_sender_is_erased_and_nothing_brings_them_back(world: World) -> None:
    stored, failing, theirs = world.sent(), world.sent(), world.sent(OTHER_PHONE)
    await world.publish(stored, theirs)
    await world.are("stored", "stored")
    world.meta.tokens.replace(NUMBER, "EAAGanotherTokenOfThisNumber")
    failing = failing.model_copy(update={"declared": Declared(mime_type="image/jpeg")})  # nothing to link it by
    await world.publish(failing)
    await world.are("stored", "stored", "failed")
    await world.letters(1)
    letter = await world.outside.peek(INGEST.dead_letters)
    buried = aio_pika.Message(letter.body, headers=dict(letter.headers), type=letter.type, message_id=letter.message_id)
    await letter.nack(requeue=True)
    reconciled = received_again(
        Attachment.model_validate(await world.database["messages"].find_one({"_id": stored.media_id}))
    )

    dry = await world.typed("erase", "--sender", PHONE, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert rows(dry.stdout) == {
        "attachments": 2,
        "files, with their previews": 0,
        "files that stay, as attachments of others have the same content": 1,
        "dead letters": 1,
    }
    await world.are("stored", "stored", "failed")

    done = await world.typed("erase", "--sender", f"+{PHONE[0]} {PHONE[1:]}", "--yes")

    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {
        "attachments": 2,
        "files, with their previews": 0,
        "files kept, as attachments of others have the same content": 1,
        "files that could not be deleted now": 0,
        "conversations": 1,
        "dead letters": 1,
    }
    assert PHONE not in done.stdout + done.stderr
    assert await world.ids() == {theirs.media_id}
    await world.letters(0)

    world.meta.tokens.replace(NUMBER, DEMO_ACCESS_TOKEN)
    await world.outside.channel.default_exchange.publish(buried, INGEST.dead_letters)
    await world.letters(1)
    replayed = await world.typed("dlq", "replay")
    assert "1" in replayed.stdout, replayed.stderr
    await world.publish(stored, failing)
    await world.publish(reconciled, failing, attempt=2)
    await world.publish(world.sent())  # a late webhook
    await world.everything_is_handled()
    await world.letters(0)
    assert await world.ids() == {theirs.media_id}

    later = world.sent(ago=timedelta())
    await world.publish(later)
    await world.are("stored", "stored")
    assert await world.ids() == {theirs.media_id, later.media_id}

    again = await world.typed("erase", "--sender", PHONE, "--yes")
    assert rows(again.stdout)["attachments"] == 1


async def test_asking_again_is_no_mistake_but_an_unknown_id_is(world: World) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")
    conversation = (await world.database["conversations"].find_one() or {})["_id"]

    assert (await world.typed("erase", "--conversation", conversation, "--yes")).returncode == 0
    assert (await world.typed("erase", "--conversation", conversation, "--yes")).returncode == 0
    assert [*world.folder.rglob("*.jpg")] == []

    unknown = await world.typed("erase", "--id", "mnobody", "--yes")
    assert unknown.returncode == 1
    assert "nothing was erased" in unknown.stderr


async def test_a_sender_of_whom_nothing_is_stored_may_be_mistyped_so_that_is_said(world: World) -> None:
    event = world.sent()

    for arguments in (["--dry-run"], ["--dry-run", "--yes"]):
        asked = await world.typed("erase", "--sender", PHONE, *arguments)

        assert (asked.returncode, asked.stdout) == (1, "")
        assert "Nothing of this sender is stored here, and nothing was erased." in asked.stderr
        assert "--yes keeps out what they sent until now" in asked.stderr
        assert PHONE not in asked.stderr
    assert await world.database["tombstones"].count_documents({}) == 0

    await world.publish(event)
    await world.are("stored")


async def test_a_sender_who_is_still_to_come_is_kept_out_only_by_a_yes_and_every_time_that_is_said(
    world: World,
) -> None:
    late = world.sent()

    for _ in range(2):
        confirmed = await world.typed("erase", "--sender", PHONE, "--yes")
        assert (confirmed.returncode, confirmed.stdout) == (1, "")
        assert "What they sent until now is kept out all the same" in confirmed.stderr

    await world.publish(late)
    await world.everything_is_handled()
    assert await world.ids() == set()
    later = world.sent(ago=timedelta())
    await world.publish(later)
    await world.are("stored")
    assert await world.ids() == {later.media_id}


async def test_a_sender_who_is_only_among_the_participants_of_a_group_is_known(world: World) -> None:
    ours = world.sent(OTHER_PHONE, group_id="g1", customer=Customer())
    theirs = world.sent(group_id="g1", customer=Customer())
    await world.publish(ours, theirs)
    await world.are("stored", "stored")
    assert (await world.typed("erase", "--id", theirs.media_id, "--yes")).returncode == 0

    done = await world.typed("erase", "--sender", PHONE, "--yes")

    assert done.returncode == 0, done.stderr
    group = await world.database["conversations"].find_one({"groupId": "g1"})
    assert group is not None
    assert [each["waId"] for each in group["participants"]] == [OTHER_PHONE]
    again = await world.typed("erase", "--sender", PHONE, "--yes")
    assert again.returncode == 0, "it was erased before, so asking again is no mistake"


async def test_a_sender_who_is_only_in_a_dead_letter_is_known(world: World) -> None:
    world.folder.mkdir()
    buried = letter(INGEST, id="1", event=world.sent())
    await world.outside.channel.default_exchange.publish(buried, INGEST.dead_letters)
    await world.letters(1)

    done = await world.typed("erase", "--sender", PHONE, "--yes")

    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)["dead letters"] == 1
    await world.letters(0)


async def test_what_keeps_an_erasure_from_beginning_is_told_with_the_next_step(world: World) -> None:
    async with reading(SecretStr(world.environment["RABBITMQ_URL"]), INGEST):
        held = await world.typed("erase", "--sender", PHONE, "--dry-run")
    away = await world.typed("erase", "--sender", PHONE, "--yes", RABBITMQ_URL="amqp://127.0.0.1:1/")

    assert held.returncode == away.returncode == 1
    assert "Nothing was erased. The dead letters of ingestor.media-received are being read" in held.stderr
    assert "give the same command again." in held.stderr
    assert "RabbitMQ does not answer" in away.stderr
    assert "nothing was changed. Is it running, is RABBITMQ_URL right?" in away.stderr


async def test_parked_webhooks_are_named_and_not_removed(world: World) -> None:
    await world.publish(world.sent())
    await world.are("stored")
    bodies = [
        escaped(webhook(change(message(image={"mime_type": "image/jpeg"}) | {"from": PHONE}))),  # no media id
        escaped(webhook(change(message(image={"mime_type": "image/jpeg"}) | {"from": OTHER_PHONE}))),
        b'{"broken": ',
    ]
    for body in bodies:
        async with world.gateway.post(PATH, data=body, headers=signed(body)) as response:
            assert response.status == 200

    done = await world.typed("erase", "--sender", PHONE, "--yes", PATH="/usr/bin:/bin")

    assert done.returncode == 0, done.stderr
    assert "2 dead letters are left for you to judge" in done.stdout
    async with reading(SecretStr(world.environment["RABBITMQ_URL"]), UNREADABLE) as reader:
        assert reader.total == 3
    lines = done.stdout.splitlines()
    (place,) = [place for place, line in enumerate(lines) if "mentions it" in line]
    assert f"{ATTACHE} dlq show" in lines[place], "a command that can be typed as it stands there"
    purge = lines[place + 1].partition("attache ")[2]
    removed = await world.typed(*purge.split(), "--yes")
    assert removed.returncode == 0, removed.stderr
    async with reading(SecretStr(world.environment["RABBITMQ_URL"]), UNREADABLE) as reader:
        assert reader.total == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--sender", PHONE, "--id", "m1"),
        ("--sender", "Ada Lovelace"),
        ("--sender", ""),
        ("--sender", PHONE),  # nobody can be asked
    ],
)
def test_wrong_usage(broker_url: str, mongodb_uri: str, mongodb_database: str, arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [ATTACHE, "erase", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "RABBITMQ_URL": broker_url,
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": mongodb_database,
            "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2, ended.stdout + ended.stderr


async def test_with_another_key_nothing_is_erased(world: World) -> None:
    first, second = world.sent(), world.sent(OTHER_PHONE)
    await world.publish(first, second)
    await world.are("stored", "stored")
    assert (await world.typed("erase", "--id", first.media_id, "--yes")).returncode == 0

    other = Fernet.generate_key().decode()
    refused = await world.typed("erase", "--id", second.media_id, "--yes", CREDENTIALS_ENCRYPTION_KEY=other)

    assert refused.returncode == 1
    assert "CREDENTIALS_ENCRYPTION_KEY does not open the key of the tombstones" in refused.stderr
    assert await world.ids() == {second.media_id}


async def test_an_ingestor_with_another_key_takes_nothing_and_says_what_to_do(world: World) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")
    assert (await world.typed("erase", "--id", event.media_id, "--yes")).returncode == 0
    settings = world.settings.model_copy(
        update={"credentials_encryption_key": (SecretStr(Fernet.generate_key().decode()),)}
    )

    async with TestClient(TestServer(ingestor.app.build_app(settings))) as other:

        async def says_so() -> bool:
            answer = await other.get("/readyz")
            error = (await answer.json())["checks"]["tombstones"].get("error", "")
            return answer.status == 503 and "add the earlier key to the list" in error

        await until(says_so)


async def test_the_wrong_storage_folder_stops_it(world: World, tmp_path: Path) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")

    refused = await world.typed("erase", "--id", event.media_id, "--yes", STORAGE_URL=str(tmp_path / "elsewhere"))

    assert refused.returncode == 1
    assert await world.ids() == {event.media_id}


async def test_while_somebody_reads_the_dead_letters_the_rest_is_erased_and_it_says_so(world: World) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")

    async with reading(SecretStr(world.environment["RABBITMQ_URL"]), INGEST):
        ended = await world.typed("erase", "--id", event.media_id, "--yes")

    assert ended.returncode == 1
    assert "not all dead letters were looked through" in ended.stderr
    assert rows(ended.stdout)["attachments"] == 1
    assert await world.ids() == set()
    assert (await world.typed("erase", "--id", event.media_id, "--yes")).returncode == 0


async def test_kept_when_it_is_revoked(world: World) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")

    await world.publish(MessageRevoked(phone_number_id=NUMBER, message_id=event.message_id, revoked_at=system_clock()))
    await world.everything_is_handled()

    assert await world.ids() == {event.media_id}


@pytest.mark.parametrize("on_revoke", ["erase"], indirect=True)
async def test_erased_when_it_is_revoked_before_and_after_it_came(world: World) -> None:
    event, late = world.sent(), world.sent()
    await world.publish(event)
    await world.are("stored")
    body = escaped(
        webhook(
            change(
                *(
                    message(image=None, type="revoke", revoke={"original_message_id": each.message_id})
                    for each in (event, late)
                ),
                metadata={"display_phone_number": "15550100001", "phone_number_id": NUMBER},
            )
        )
    )

    async with world.gateway.post(PATH, data=body, headers=signed(body)) as response:
        assert response.status == 200
    await world.are()
    tombstones = Tombstones(world.database, [SecretStr(world.environment["CREDENTIALS_ENCRYPTION_KEY"])])

    async def is_laid() -> bool:
        return await tombstones.cover(late)

    await until(is_laid)
    await world.publish(late)
    await world.everything_is_handled()
    assert await world.ids() == set()


async def test_the_revocation_of_an_erased_message_goes_from_the_dead_letters(world: World) -> None:
    event = world.sent()
    await world.publish(event)
    await world.are("stored")
    revoked = MessageRevoked(
        phone_number_id=event.phone_number_id, message_id=event.message_id, revoked_at=system_clock()
    )
    for each in (revoked, revoked.model_copy(update={"message_id": "wamid.of-another"})):
        await world.outside.channel.default_exchange.publish(
            letter(REVOCATIONS, id=each.message_id, event=each), REVOCATIONS.dead_letters
        )
    document = await world.database["messages"].find_one({})
    assert document is not None

    planned = await world.typed("erase", "--conversation", document["conversationId"], "--dry-run")
    erased = await world.typed("erase", "--conversation", document["conversationId"], "--yes")

    for said in (planned, erased):
        assert said.returncode == 0, said.stderr
        assert ["1", "dead letters"] in [
            [cell.strip() for cell in line.strip("│ ").split("│")] for line in said.stdout.splitlines()
        ]
