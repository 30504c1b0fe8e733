"""Tombstones and their key: however keys are rotated, what was erased is known, or it is said that it is not."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.repository.erased_names import of_conversation, of_media
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.tombstones import FOR_EVER, Tombstones, TombstonesSealed
from tests.builders import NOW, NUMBER, WA_ID, make_media_received

ONE, TWO = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
NAMES = [*of_conversation(NUMBER, [f"wa:{WA_ID}"])]
EVENT = make_media_received()


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


async def test_only_what_was_sent_before_is_covered(database: Database) -> None:
    tombstones = Tombstones(database, [ONE])
    assert not await tombstones.cover(EVENT)

    await tombstones.lay(NAMES, before=NOW + timedelta(seconds=1))

    assert await tombstones.cover(EVENT)
    assert not await tombstones.cover(EVENT.model_copy(update={"sent_at": NOW + timedelta(seconds=1)}))


async def test_a_later_tombstone_counts_and_an_earlier_one_takes_nothing_back(database: Database) -> None:
    tombstones = Tombstones(database, [ONE])
    await tombstones.lay(NAMES, before=NOW + timedelta(hours=2))

    await tombstones.lay(NAMES, before=NOW - timedelta(hours=2))

    assert await tombstones.cover(EVENT)


async def test_many_are_laid_at_once(database: Database) -> None:
    tombstones = Tombstones(database, [ONE])

    await tombstones.lay([of_media(f"m{number}") for number in range(2500)], before=FOR_EVER)

    assert await database["tombstones"].count_documents({}) == 2500


async def test_the_first_key_of_several_processes_is_everybodys(database: Database) -> None:
    early, late = Tombstones(database, [ONE]), Tombstones(database, [ONE])
    await late.open()  # nothing was erased yet

    await early.lay(NAMES, before=FOR_EVER)

    assert await late.cover(EVENT)


async def test_after_a_rotation_the_tombstones_work_and_the_old_key_is_not_needed_any_more(database: Database) -> None:
    await Tombstones(database, [ONE]).lay(NAMES, before=FOR_EVER)

    await Tombstones(database, [TWO, ONE]).open()

    newest = Tombstones(database, [TWO])
    await newest.open()
    assert await newest.cover(EVENT)


async def test_without_its_key_nothing_is_said_to_be_not_erased(database: Database) -> None:
    await Tombstones(database, [ONE]).lay(NAMES, before=FOR_EVER)
    other = Tombstones(database, [TWO])

    for ask in (other.open(), other.cover(EVENT), other.check(), other.lay(NAMES, before=NOW)):
        with pytest.raises(TombstonesSealed, match="add the earlier key to the list"):
            await ask

    assert await database["tombstones"].count_documents({}) == len(NAMES)


async def test_the_database_alone_does_not_tell_who_was_erased(database: Database) -> None:
    await Tombstones(database, [ONE]).lay(NAMES, before=FOR_EVER)

    kept = [*await database["tombstones"].find().to_list(None), *await database["secrets"].find().to_list(None)]

    assert WA_ID not in str(kept)
