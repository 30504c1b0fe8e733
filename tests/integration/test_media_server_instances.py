"""`/api/whatsapp-instances` on a real MongoDB and a real RabbitMQ, with a simulated Meta."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from media_server.api.schemas import Verification, WhatsAppInstance, WhatsAppInstancePage
from media_server.app import build_app
from media_server.settings import Settings
from shared.broker.topology import EXCHANGE
from shared.clock import system_clock
from shared.errors import CredentialError, ErrorCode
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.refusals import Refusals
from tests.builders import NUMBER
from tests.unit.media_server.server import ADMIN, Client, authorization, make_settings
from whatsapp_simulator import Simulator

TOKEN, OTHER_TOKEN = "EAAGexampleAccessToken1234", "EAAGanotherAccessToken5678"
PATH = f"/api/whatsapp-instances/{NUMBER}"


@pytest.fixture
async def meta() -> AsyncIterator[Simulator]:
    """Takes `TOKEN` for its number."""
    async with Simulator(app_secret="secret", verify_token="verify", access_token=TOKEN) as simulator:
        yield simulator


@pytest.fixture
def settings(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path, meta: Simulator) -> Settings:
    settings = make_settings(
        storage_url=str(tmp_path), mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, rabbitmq_url=broker_url
    )
    return settings.model_copy(update={"whatsapp_graph_url": meta.base_url})


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """As admin."""
    async with TestClient(TestServer(build_app(settings)), headers=authorization(ADMIN)) as client:
        async with asyncio.timeout(15):
            while (await client.get("/readyz")).status != 200:  # noqa: ASYNC110 - a probe is asked, it does not tell
                await asyncio.sleep(0.05)
        yield client


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    client = connect(settings.mongodb_uri)
    yield client[settings.mongodb_database]
    client.close()


@pytest.fixture
def instances(database: Database, settings: Settings) -> InstanceRepository:
    return InstanceRepository(database, settings.credentials_encryption_key)


@pytest.fixture
async def heard(broker_url: str, client: Client) -> AsyncIterator[aio_pika.abc.AbstractQueue]:
    """What is told to ingestors."""
    async with await aio_pika.connect(broker_url) as connection:
        queue = await (await connection.channel()).declare_queue(exclusive=True)
        await queue.bind(EXCHANGE, "instance.updated")
        yield queue


async def told(heard: aio_pika.abc.AbstractQueue) -> list[dict[str, Any]]:
    """Every event so far."""
    events = []
    while (message := await heard.get(fail=False)) is not None:
        await message.ack()
        events.append(message.body)
    return [json.loads(body) for body in events]


async def put(client: Client, number: str = NUMBER, *, status: int = 200, **body: Any) -> dict[str, Any]:
    response = await client.put(f"/api/whatsapp-instances/{number}", json=body)
    answer: dict[str, Any] = await response.json()
    assert response.status == status, answer
    return answer


async def got(client: Client, path: str, *, status: int = 200) -> Any:
    response = await client.get(path)
    assert response.status == status
    return await response.json()


async def test_a_saved_number_is_shown_without_its_token(client: Client, instances: InstanceRepository) -> None:
    saved = await put(client, displayName="Support", accessToken=TOKEN, isDefault=False)

    assert WhatsAppInstance.model_validate(saved).to_json() == saved
    assert {name: saved[name] for name in ("phoneNumberId", "displayName", "tokenHint", "isDefault")} == {
        "phoneNumberId": NUMBER,
        "displayName": "Support",
        "tokenHint": "…1234",
        "isDefault": False,
    }
    assert await got(client, PATH) == saved
    page = await got(client, "/api/whatsapp-instances")
    assert WhatsAppInstancePage.model_validate(page).to_json()["items"] == page["items"]
    assert page == {"items": [saved], "nextCursor": None}
    assert TOKEN not in str(page)
    assert (await instances.credentials(NUMBER)).access_token.get_secret_value() == TOKEN


async def test_the_first_number_is_the_default_and_named_by_itself(client: Client) -> None:
    first = await put(client, "1", accessToken=TOKEN)
    second = await put(client, "2", accessToken=TOKEN)

    assert (first["displayName"], first["isDefault"]) == ("1", True)
    assert second["isDefault"] is False


async def test_without_a_token_a_known_number_is_renamed_or_made_the_default_and_keeps_its_token(
    client: Client, instances: InstanceRepository
) -> None:
    await put(client, "1", accessToken=TOKEN)
    before = await put(client, "2", accessToken=OTHER_TOKEN)

    renamed = await put(client, "2", displayName="Second")
    default = await put(client, "2", isDefault=True)

    assert (renamed["displayName"], renamed["isDefault"]) == ("Second", False)
    assert (default["displayName"], default["isDefault"]) == ("Second", True)
    assert renamed["version"] == default["version"] == before["version"]
    assert (await instances.credentials("2")).access_token.get_secret_value() == OTHER_TOKEN
    assert (await got(client, "/api/whatsapp-instances/1"))["isDefault"] is False


async def test_without_a_token_an_unknown_number_is_400_and_not_saved(client: Client) -> None:
    problem = await put(client, status=400, displayName="Support")

    assert problem["code"] == "bad_request"
    assert "accessToken is missing; expected" in problem["detail"]
    await got(client, PATH, status=404)


async def test_an_answer_can_be_sent_back(client: Client) -> None:
    saved = await put(client, accessToken=TOKEN)

    again = await put(client, **saved)

    assert {name: value for name, value in again.items() if name != "updatedAt"} == {
        name: value for name, value in saved.items() if name != "updatedAt"
    }


async def test_a_new_token_is_another_version_and_told_to_the_ingestors(
    client: Client, heard: aio_pika.abc.AbstractQueue
) -> None:
    first = await put(client, accessToken=TOKEN)
    second = await put(client, accessToken=OTHER_TOKEN)

    assert second["version"] != first["version"]
    assert await told(heard) == [
        {"phoneNumberId": NUMBER, "instanceVersion": version} for version in (first["version"], second["version"])
    ]


async def test_a_deleted_number_is_gone_and_that_is_told(client: Client, heard: aio_pika.abc.AbstractQueue) -> None:
    await put(client, accessToken=TOKEN)
    await told(heard)

    deleted = await client.delete(PATH)
    again = await client.delete(PATH)

    assert (deleted.status, await deleted.read(), again.status) == (204, b"", 404)
    await got(client, PATH, status=404)
    assert [event["phoneNumberId"] for event in await told(heard)] == [NUMBER]


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("DELETE", PATH), ("POST", f"{PATH}/verify")])
async def test_an_unknown_number_is_404(client: Client, method: str, path: str) -> None:
    response = await client.request(method, path)

    assert (response.status, (await response.json())["code"]) == (404, "not_found")


async def test_many_numbers_come_page_by_page(client: Client) -> None:
    for number in ("1", "2", "3"):
        await put(client, number, accessToken=TOKEN)

    first = await got(client, "/api/whatsapp-instances?limit=2")
    second = await got(client, f"/api/whatsapp-instances?limit=2&cursor={first['nextCursor']}")

    assert [each["phoneNumberId"] for each in first["items"]] == ["1", "2"]
    assert ([each["phoneNumberId"] for each in second["items"]], second["nextCursor"]) == (["3"], None)
    await got(client, "/api/whatsapp-instances?limit=0", status=400)
    await got(client, "/api/whatsapp-instances?cursor=nope", status=400)


async def test_without_the_broker_a_number_is_saved_all_the_same(settings: Settings) -> None:
    away = settings.model_copy(update={"rabbitmq_url": SecretStr("amqp://guest:guest@127.0.0.1:1/")})
    async with TestClient(TestServer(build_app(away)), headers=authorization(ADMIN)) as client:
        saved = await put(client, accessToken=TOKEN)

        assert await got(client, PATH) == saved


# verify


async def verified(client: Client, number: str) -> dict[str, Any]:
    response = await client.post(f"/api/whatsapp-instances/{number}/verify")
    answer: dict[str, Any] = await response.json()
    assert response.status == 200, answer
    assert Verification.model_validate(answer).to_json() == answer
    return answer


async def test_a_token_that_meta_takes_is_ok(client: Client, meta: Simulator) -> None:
    number = meta.number.phone_number_id
    await put(client, number, accessToken=TOKEN)

    assert await verified(client, number) == {"ok": True}


async def test_a_token_that_meta_refuses_is_not_ok_and_says_what_to_do(client: Client, meta: Simulator) -> None:
    number = meta.number.phone_number_id
    await put(client, number, accessToken=OTHER_TOKEN)

    answer = await verified(client, number)

    assert (answer["ok"], answer["code"]) == (False, "provider_auth")
    assert "instance-set" in answer["message"]
    assert OTHER_TOKEN not in str(answer)


async def test_a_meta_that_does_not_answer_is_told(client: Client, settings: Settings) -> None:
    away = settings.model_copy(update={"whatsapp_graph_url": "http://127.0.0.1:1"})
    await put(client, accessToken=TOKEN)
    async with TestClient(TestServer(build_app(away)), headers=authorization(ADMIN)) as without_meta:
        answer = await verified(without_meta, NUMBER)

    assert (answer["ok"], answer["code"]) == (False, "provider_unavailable")


async def test_a_token_that_cannot_be_decrypted_is_told(client: Client, database: Database) -> None:
    await put(client, accessToken=TOKEN)
    await database["whatsapp_instances"].update_one({"_id": NUMBER}, {"$set": {"accessToken": b"junk"}})

    answer = await verified(client, NUMBER)

    assert answer["ok"] is False
    assert "CREDENTIALS_ENCRYPTION_KEY" in answer["message"]


async def test_a_refused_number_says_so_and_heals_at_once_when_meta_takes_it_again(
    client: Client, meta: Simulator, database: Database, heard: aio_pika.abc.AbstractQueue
) -> None:
    number = meta.number.phone_number_id
    saved = await put(client, number, accessToken=TOKEN)
    refusals = Refusals(database)
    error = CredentialError("Meta refuses it", code=ErrorCode.PROVIDER_PERMISSION, provider_status=403)
    await refusals.refused(
        number, error, attachment_id="m1", certain=True, version=saved["version"], now=system_clock()
    )
    shown = await got(client, f"/api/whatsapp-instances/{number}")
    await told(heard)

    answer = await verified(client, number)

    assert (shown["refused"]["code"], shown["refused"]["providerStatus"]) == ("provider_permission", 403)
    assert WhatsAppInstance.model_validate(shown).to_json() == shown
    assert answer == {"ok": True}
    refusal = await refusals.get(number)
    assert refusal is not None
    assert refusal.probe_at <= system_clock()
    assert [event["phoneNumberId"] for event in await told(heard)] == [number]


async def test_what_was_refused_with_another_token_is_not_held_against_the_new_one(
    client: Client, database: Database
) -> None:
    saved = await put(client, accessToken=TOKEN)
    error = CredentialError("Meta refuses it", code=ErrorCode.PROVIDER_AUTH)
    await Refusals(database).refused(
        NUMBER, error, attachment_id="m1", certain=True, version=saved["version"], now=system_clock()
    )

    again = await put(client, accessToken=OTHER_TOKEN)

    assert "refused" not in again


async def test_of_many_that_become_the_default_at_once_one_stays_it(client: Client, database: Database) -> None:
    await ensure_indexes(database)
    numbers = [str(number) for number in range(1, 9)]
    await asyncio.gather(*(put(client, number, accessToken=TOKEN, isDefault=True) for number in numbers))
    await asyncio.gather(*(put(client, number, isDefault=True) for number in numbers))

    items = (await got(client, "/api/whatsapp-instances"))["items"]

    assert [each["phoneNumberId"] for each in items] == numbers
    assert [each["isDefault"] for each in items].count(True) == 1
