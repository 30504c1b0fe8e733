"""An erasure and ingestors take turns by lot, one call to the database each, and some are killed and begin again.

Whatever the order: what was sent before is gone, and what was sent after it is in a conversation that people see.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from cryptography.fernet import Fernet
from pydantic import SecretStr

from ingestor.attempts import Attempts
from ingestor.register import Register
from shared.clock import system_clock
from shared.erase import Eraser
from shared.events import MediaReceived
from shared.media import Customer, Sender
from shared.release import Release
from shared.repository.conversations import ConversationRepository
from shared.repository.erasure import ErasureRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.tombstones import Tombstones
from shared.storage.filesystem import FilesystemStore
from shared.updates import Announcer
from tests.builders import make_media_received
from tests.integration.test_identities import Overheard
from tests.turns import Stepwise, Turns

ROUNDS = 40
PHONE = "15550102030"
COLLECTIONS = ("messages", "conversations", "blobs", "tombstones", "secrets")
KEYS = [SecretStr(Fernet.generate_key().decode())]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """An ingestor and an eraser whose every call to the database is one step."""

    register: Register
    eraser: Eraser
    erasure: ErasureRepository

    @classmethod
    def on(cls, database: Database, turns: Turns | None, folder: Path) -> "Cast":
        steps: Any = database
        if turns is not None:
            steps = {name: Stepwise(database[name], turns.step) for name in COLLECTIONS}
        steps = cast(Database, steps)
        overheard = Overheard()
        tombstones, messages = Tombstones(steps, KEYS), MessageRepository(steps)
        eraser = Eraser(
            database=steps,
            tombstones=tombstones,
            release=Release(database=steps, store=FilesystemStore(folder), clock=system_clock),
            publisher=overheard,
            clock=system_clock,
        )
        register = Register(
            messages=messages,
            conversations=ConversationRepository(steps),
            announcer=Announcer(overheard, service="ingestor"),
            tombstones=tombstones,
            eraser=eraser,
            attempts=Attempts(),
            lifetime=timedelta(days=7),
        )
        return cls(register=register, eraser=eraser, erasure=ErasureRepository(steps))

    async def handle(self, event: MediaReceived) -> None:
        await self.register.registered(event, attempt=1, now=system_clock())

    async def erase(self) -> None:
        await self.eraser.erase(await self.erasure.sender(phone=PHONE))


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lines that say nothing here."""
    with structlog.testing.capture_logs():
        yield


def sent(name: str, *, ahead: timedelta) -> MediaReceived:
    at = system_clock() + ahead
    return make_media_received(
        message_id=name,
        customer=Customer(wa_id=PHONE),
        sender=Sender(wa_id=PHONE, name="Ada"),
        sent_at=at,
        received_at=at,
    )


@pytest.mark.parametrize("deaths", [0, 3])
@pytest.mark.parametrize("known", [False, True], ids=["a stranger", "a known customer"])
async def test_what_was_sent_before_is_gone_and_what_was_sent_after_is_seen(
    database: Database, tmp_path: Path, known: bool, deaths: int
) -> None:
    for seed in range(ROUNDS):
        for name in COLLECTIONS:
            await database[name].delete_many({})
        earlier, before, after = (
            sent(name, ahead=ahead)
            for name, ahead in (
                ("earlier", -timedelta(hours=2)),
                ("before", -timedelta(hours=1)),
                ("after", timedelta(hours=1)),
            )
        )
        if known:
            await Cast.on(database, None, tmp_path).handle(earlier)
        turns = Turns(seed, deaths=deaths)
        players = Cast.on(database, turns, tmp_path)

        await turns.play([partial(players.handle, before), partial(players.handle, after), players.erase])

        documents = [each async for each in database["messages"].find()]
        assert [each["_id"] for each in documents] == [after.media_id], f"seed {seed}"
        (shown,) = (await Listing(database).conversations(limit=10)).items
        assert shown.id == documents[0]["conversationId"], f"seed {seed}"
        assert shown.participants == [Sender(wa_id=PHONE, name="Ada")], f"seed {seed}"
        assert await database["conversations"].count_documents({}) == 1, f"seed {seed}"


@pytest.mark.parametrize("deaths", [0, 3])
async def test_nothing_is_left_of_what_was_sent_before(database: Database, tmp_path: Path, deaths: int) -> None:
    for seed in range(ROUNDS):
        for name in COLLECTIONS:
            await database[name].delete_many({})
        event = sent("before", ahead=-timedelta(hours=1))
        turns = Turns(seed, deaths=deaths)
        players = Cast.on(database, turns, tmp_path)

        await turns.play([partial(players.handle, event), partial(players.handle, event), players.erase])

        assert await database["messages"].count_documents({}) == 0, f"seed {seed}"
        assert await database["conversations"].count_documents({}) == 0, f"seed {seed}"
