"""`attache reencrypt`: after it, only the first key is needed, and nobody else notices."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database, connect
from shared.repository.sealed import Opens, SealedTexts
from shared.repository.tombstones import Tombstones

ATTACHE = Path(sys.executable).with_name("attache")
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
TOKEN = "EAAmade-up-access-token-1234"
ERASED = "sender:wa:15550102030"


@pytest_asyncio.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    """Two numbers and a tombstone, encrypted with the old key."""
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    instances = InstanceRepository(database, [SecretStr(OLD)])
    for number in ("1", "2"):
        await instances.save(number, display_name="", access_token=SecretStr(f"{TOKEN}-{number}"), is_default=False)
    await Tombstones(database, [SecretStr(OLD)]).lay([ERASED], before=datetime(2026, 9, 21, tzinfo=UTC))
    yield database
    client.close()


@pytest.fixture
def settings(mongodb_uri: str, mongodb_database: str) -> dict[str, str]:
    """RabbitMQ is not needed."""
    return {
        "PATH": os.environ["PATH"],
        "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1/",
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": mongodb_database,
    }


def reencrypted(settings: dict[str, str], *keys: str) -> subprocess.CompletedProcess[str]:
    environment = settings | {"CREDENTIALS_ENCRYPTION_KEY": ",".join(keys)}
    return subprocess.run([ATTACHE, "reencrypt"], env=environment, capture_output=True, text=True, timeout=30)  # noqa: S603


async def test_all_is_opened_by_the_new_key_alone_and_nothing_else_changes(
    database: Database, settings: dict[str, str]
) -> None:
    before = [instance async for instance in InstanceRepository(database, [SecretStr(OLD)]).all()]

    first, again = reencrypted(settings, NEW, OLD), reencrypted(settings, NEW)

    assert first.returncode == 0, first.stderr
    assert "3 found: 3 encrypted anew, 0 had the first key already." in first.stdout
    assert "can be removed" in first.stdout
    assert again.returncode == 0, again.stderr
    assert "3 found: 0 encrypted anew, 3 had the first key already." in again.stdout
    instances = InstanceRepository(database, [SecretStr(NEW)])
    # the same versions: else every attachment that failed would be tried again
    assert [instance async for instance in instances.all()] == before
    assert (await instances.credentials("2")).access_token.get_secret_value() == f"{TOKEN}-2"
    assert await Tombstones(database, [SecretStr(NEW)]).cover_any([ERASED])
    for text in (TOKEN, OLD, NEW):
        assert text not in first.stdout + first.stderr


async def test_what_no_key_opens_is_named_and_the_rest_is_done(database: Database, settings: dict[str, str]) -> None:
    other = InstanceRepository(database, [SecretStr(OTHER)])
    await other.save("3", display_name="", access_token=SecretStr(TOKEN), is_default=False)

    done = reencrypted(settings, NEW, OLD)

    assert done.returncode == 1
    assert "4 found: 3 encrypted anew" in done.stdout
    assert "can be removed" not in done.stdout
    assert "access token of number 3" in done.stderr
    assert "make instance-set NUMBER=3" in done.stderr
    assert (await other.credentials("3")).access_token.get_secret_value() == TOKEN, "it is left as it is"
    assert reencrypted(settings, NEW, OTHER).returncode == 0


async def test_a_sealed_tombstone_key_is_named(database: Database, settings: dict[str, str]) -> None:
    done = reencrypted(settings, NEW)

    assert done.returncode == 1
    assert "key of the tombstones" in done.stderr
    assert '"The encryption key is lost" in docs/operations.md' in done.stderr


async def test_a_token_that_is_saved_meanwhile_is_not_taken_back(database: Database) -> None:
    keys = [SecretStr(NEW), SecretStr(OLD)]
    texts, instances = SealedTexts(database, keys), InstanceRepository(database, [SecretStr(OLD)])
    seen = [sealed async for sealed in texts.all()]
    # by a service that has the old key only
    await instances.save("1", display_name="", access_token=SecretStr(f"{TOKEN}-newer"), is_default=False)
    await instances.delete("2")

    renewed = [await texts.renew(sealed) for sealed in seen]

    assert renewed == [True, True, True]
    newest = await InstanceRepository(database, [SecretStr(NEW)]).credentials("1")
    assert newest.access_token.get_secret_value() == f"{TOKEN}-newer"
    assert [sealed.opens async for sealed in texts.all()] == [Opens.FIRST, Opens.FIRST]


async def test_a_row_that_somebody_made_by_hand_is_named(database: Database, settings: dict[str, str]) -> None:
    await database["whatsapp_instances"].update_one({"_id": "2"}, {"$unset": {"accessToken": ""}})

    done = reencrypted(settings, NEW, OLD)

    assert done.returncode == 1
    assert "There is no access token of number 2" in done.stderr
    assert "No listed key" not in done.stderr


def test_without_mongodb_it_says_so(settings: dict[str, str]) -> None:
    done = reencrypted(settings | {"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"}, NEW)

    assert done.returncode == 1
    assert "MongoDB does not answer" in done.stderr


def test_without_a_key_it_is_a_wrong_setting(settings: dict[str, str]) -> None:
    done = subprocess.run([ATTACHE, "reencrypt"], env=settings, capture_output=True, text=True, timeout=30)  # noqa: S603

    assert done.returncode == 2
    assert "CREDENTIALS_ENCRYPTION_KEY" in done.stderr


async def test_what_others_keep_beside_the_key_of_the_tombstones_is_left_alone(
    database: Database, settings: dict[str, str]
) -> None:
    await database["secrets"].insert_one({"_id": "other", "value": 1})

    done = reencrypted(settings, NEW, OLD)

    assert done.returncode == 0, done.stderr
    assert "3 found: 3 encrypted anew" in done.stdout
