"""An access token is refused: seen, replaced, healed; numbers are added, renamed, checked and forgotten."""

import pytest

from tests.e2e.world import World
from tests.runbook.runner import Runbook
from tests.runbook.scenes import NUMBER, metric, number_with_token, ready, said, send
from whatsapp_simulator.webhooks import BusinessNumber

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, NEW = "EAAoldAccessTokenOfThisNumber", "EAAnewAccessTokenOfThisNumber"


async def test_a_new_token_heals_what_failed_without_a_restart(live: World, runbook: Runbook) -> None:
    number = await number_with_token(live, "200300400500911", OLD)
    live.simulator.tokens.replace(number.phone_number_id, NEW)
    refused = [await send(live, number, seed=71_100 + each) for each in range(3)]
    for message in refused:
        assert (await live.ended(message.id))["media"]["failure"]["code"] == "provider_auth"
    await said(live, "ingestor", "instance.refused", phoneNumberId=number.phone_number_id)
    series = f'attache_instance_healthy{{phone_number_id="{number.phone_number_id}"}}'
    await metric(live, "ingestor", series, lambda value: value == 0)
    await runbook.run("instances", replace={})
    (runbook.folder / "token.txt").write_text(NEW)

    ran = await runbook.run("instance-set", replace={NUMBER: number.phone_number_id})

    assert NEW not in ran.seen
    assert not (runbook.folder / "token.txt").exists()
    for message in refused:
        assert (await ready(live, message.id))["media"]["attempts"] == 1
    await said(live, "ingestor", "media.healed")
    await runbook.run("healed")
    await metric(live, "ingestor", series, lambda value: value == 1)
    assert "Refused by Meta" not in (await runbook.run("instances", shown=False)).stdout
    fresh = await send(live, number, seed=71_110)
    document = await ready(live, fresh.id)
    lines = await live.logged(fresh.id, revision=document["media"]["revision"])
    assert (lines[-1]["event"], lines[-1]["status"]) == ("message_media_updated", "ready")


async def test_a_number_of_its_own_mends_what_the_default_could_not_fetch(live: World, runbook: Runbook) -> None:
    number = BusinessNumber(phone_number_id="200300400500912", display_phone_number="15550100912")
    live.simulator.add_number(number, access_token=NEW + "912")
    message = await send(live, number, seed=71_120)
    refused = await live.ended(message.id)
    assert refused["media"]["status"] == "failed", "the default instance's token cannot read this number's media"
    (runbook.folder / "token.txt").write_text(NEW + "912")

    await runbook.run("instance-set", replace={NUMBER: number.phone_number_id}, shown=False)
    async with live.api.post(f"/api/messages/{refused['_id']}/retry") as response:
        assert response.status in {202, 409}, "409: it has healed by itself already"

    assert (await ready(live, message.id))["phoneNumberId"] == number.phone_number_id


async def test_a_refusal_names_the_command_that_replaces_the_token(live: World) -> None:
    number = await number_with_token(live, "200300400500913", OLD)
    live.simulator.tokens.replace(number.phone_number_id, NEW)
    message = await send(live, number, seed=71_130)

    failure = (await live.ended(message.id))["media"]["failure"]

    assert (failure["code"], failure["providerStatus"], failure["providerCode"]) == ("provider_auth", 401, 190)
    assert "make instance-set" in failure["message"]
    line = await said(live, "ingestor", "Failed to ingest WhatsApp media", messageId=message.id)
    assert (line["providerStatus"], line["willRetry"]) == (401, False)


async def test_a_number_is_saved_and_checked_over_http(live: World, runbook: Runbook) -> None:
    number = BusinessNumber(phone_number_id="200300400500914", display_phone_number="15550100914")
    live.simulator.add_number(number, access_token=NEW + "914")

    ran = await runbook.run("instance-http", replace={NUMBER: number.phone_number_id, "EAAexampletoken": NEW + "914"})

    assert NEW not in ran.seen
    await ready(live, (await send(live, number, seed=71_140)).id)


async def test_a_forgotten_number_uses_the_default_instance(live: World, runbook: Runbook) -> None:
    number = await number_with_token(live, "200300400500915", OLD)

    await runbook.run("instance-delete", replace={NUMBER: number.phone_number_id})

    assert number.phone_number_id not in (await runbook.run("instances", shown=False)).stdout
