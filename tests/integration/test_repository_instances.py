"""WhatsApp instances: which token a number is called with, and what the database shows of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.errors import CredentialError, ErrorCode
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from tests.builders import NUMBER

TOKEN = SecretStr("EAAGexampleAccessToken1234")
OTHER = SecretStr("EAAGanotherAccessToken5678")
OLD_KEY, NEW_KEY = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def instances(database: Database) -> InstanceRepository:
    return InstanceRepository(database, [OLD_KEY])


async def save(
    instances: InstanceRepository, number: str = NUMBER, token: SecretStr = TOKEN, *, default: bool = False
) -> int:
    saved = await instances.save(number, display_name="Support", access_token=token, is_default=default)
    return saved.version


async def test_a_token_is_encrypted_at_rest(instances: InstanceRepository, database: Database) -> None:
    await save(instances)

    document = await database["whatsapp_instances"].find_one({"_id": NUMBER})

    assert TOKEN.get_secret_value() not in str(document)
    assert (await instances.credentials(NUMBER)).access_token == TOKEN


async def test_no_text_form_shows_a_token(instances: InstanceRepository) -> None:
    saved = await instances.save(NUMBER, display_name="Support", access_token=TOKEN, is_default=False)
    credentials = await instances.credentials(NUMBER)

    for shown in (repr(saved), str(saved.to_json()), repr(credentials), str(credentials.to_json())):
        assert TOKEN.get_secret_value() not in shown
    assert saved.token_hint == "…1234"


async def test_a_short_token_has_no_hint(instances: InstanceRepository) -> None:
    saved = await instances.save(NUMBER, display_name="", access_token=SecretStr("short"), is_default=False)

    assert saved.token_hint == "…"


async def test_each_save_is_a_new_version(instances: InstanceRepository) -> None:
    versions = [await save(instances), await save(instances), await save(instances, token=OTHER)]

    assert versions == [1, 2, 3]
    assert (await instances.credentials(NUMBER)).version == 3


async def test_a_number_without_an_instance_uses_the_default_one(instances: InstanceRepository) -> None:
    await save(instances, "1", TOKEN, default=True)
    await save(instances, "2", OTHER)

    assert (await instances.credentials("2")).access_token == OTHER
    assert (await instances.credentials("3")).access_token == TOKEN


async def test_without_any_that_fits_there_is_no_instance(instances: InstanceRepository) -> None:
    await save(instances, "2", OTHER)

    with pytest.raises(CredentialError) as raised:
        await instances.credentials("3")

    assert raised.value.code is ErrorCode.NO_INSTANCE


async def test_there_is_one_default_and_the_newest_is_it(instances: InstanceRepository) -> None:
    await save(instances, "1", TOKEN, default=True)
    await save(instances, "2", OTHER, default=True)

    defaults = [instance.id async for instance in instances.all() if instance.is_default]

    assert defaults == ["2"]
    assert (await instances.credentials("3")).access_token == OTHER


async def test_keys_are_rotated_by_putting_the_new_one_first(database: Database, instances: InstanceRepository) -> None:
    await save(instances, "1", TOKEN)
    rotated = InstanceRepository(database, [NEW_KEY, OLD_KEY])
    await save(rotated, "2", OTHER)

    assert (await rotated.credentials("1")).access_token == TOKEN
    assert (await InstanceRepository(database, [NEW_KEY]).credentials("2")).access_token == OTHER


async def test_a_lost_key_is_told_with_the_way_out(database: Database, instances: InstanceRepository) -> None:
    await save(instances)

    with pytest.raises(CredentialError, match="CREDENTIALS_ENCRYPTION_KEY") as raised:
        await InstanceRepository(database, [NEW_KEY]).credentials(NUMBER)

    assert raised.value.code is ErrorCode.NO_INSTANCE


async def test_the_seed_becomes_the_default_instance_once(instances: InstanceRepository) -> None:
    assert await instances.seed_default(NUMBER, TOKEN)
    assert await instances.seed_default(NUMBER, TOKEN)

    (seeded,) = [instance async for instance in instances.all()]
    assert (seeded.id, seeded.is_default, seeded.version) == (NUMBER, True, 1)


async def test_many_ingestors_may_seed_at_once(instances: InstanceRepository) -> None:
    assert all(await asyncio.gather(*(instances.seed_default(NUMBER, TOKEN) for _ in range(10))))

    assert (await instances.credentials("anything")).access_token == TOKEN


async def test_the_database_wins_over_a_seed_that_differs(instances: InstanceRepository) -> None:
    await save(instances, token=OTHER, default=True)

    assert not await instances.seed_default(NUMBER, TOKEN)

    assert (await instances.credentials(NUMBER)).access_token == OTHER


async def test_a_seed_takes_the_default_from_nobody(instances: InstanceRepository) -> None:
    await save(instances, "1", OTHER, default=True)

    await instances.seed_default("2", TOKEN)

    assert (await instances.credentials("3")).access_token == OTHER
    assert (await instances.credentials("2")).access_token == TOKEN


async def test_a_seed_that_cannot_be_compared_differs(database: Database, instances: InstanceRepository) -> None:
    await save(instances)

    assert not await InstanceRepository(database, [NEW_KEY]).seed_default(NUMBER, TOKEN)


async def test_another_name_or_default_keeps_token_and_version(instances: InstanceRepository) -> None:
    await save(instances, "1", default=True)
    version = await save(instances, "2", OTHER)

    described = await instances.describe("2", display_name="Second", is_default=True)

    assert described is not None
    assert (described.display_name, described.is_default, described.version) == ("Second", True, version)
    assert (await instances.credentials("2")).access_token == OTHER
    assert [(each.id, each.is_default) async for each in instances.all()] == [("1", False), ("2", True)]


async def test_describing_a_number_that_is_not_there_changes_nothing(instances: InstanceRepository) -> None:
    await save(instances, "1", default=True)

    assert await instances.describe("2", display_name="Second", is_default=True) is None

    assert [(each.id, each.is_default) async for each in instances.all()] == [("1", True)]


async def test_versions_are_of_their_own_over_all_instances_and_all_time(instances: InstanceRepository) -> None:
    versions = [await save(instances, "1", default=True), await save(instances, "2")]
    assert await instances.delete("2")
    versions += [await save(instances, "2"), await save(instances, "1", default=True)]

    assert versions == [1, 2, 3, 4]
    assert not await instances.delete("3")


async def test_versions_go_on_above_those_of_before(database: Database, instances: InstanceRepository) -> None:
    await save(instances, "1")
    await database["whatsapp_instances"].update_one({"_id": "1"}, {"$set": {"version": 7}})
    await database["counters"].delete_many({})

    assert await save(instances, "2") == 8


async def test_a_numbers_effective_version_changes_exactly_with_its_credentials(instances: InstanceRepository) -> None:
    assert (await instances.effective()).version("3") is None
    await save(instances, "1", default=True)
    await save(instances, "2")

    before = await instances.effective()
    assert [before.version(number) for number in ("1", "2", "3")] == [1, 2, 1]

    await save(instances, "4", OTHER, default=True)
    after = await instances.effective()
    assert [after.version(number) for number in ("1", "2", "3")] == [1, 2, 3]
    await instances.delete("2")
    assert (await instances.effective()).version("2") == 3


async def test_an_instance_whose_token_cannot_be_decrypted_does_not_work(
    database: Database, instances: InstanceRepository
) -> None:
    await save(instances, "1")
    rotated = InstanceRepository(database, [NEW_KEY])
    await save(rotated, "2")

    effective = await rotated.effective()

    assert (effective.works("1"), effective.works("2"), effective.works("3")) == (False, True, False)
