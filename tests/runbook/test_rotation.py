"""Every secret is rotated as the operations guide says, while customers write: nothing is lost, the promise is kept."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from tests.contract.webhooks import signed
from tests.e2e.world import JSON, World, running_world
from tests.infrastructure import TestServers
from tests.runbook.rotations import customers, settings_of, start_anew
from tests.runbook.runner import Runbook
from whatsapp_simulator import DEMO_NUMBER
from whatsapp_simulator.webhooks import body_of

NEW_APP_SECRET = "0123456789abcdef0123456789abcdef"
GATEWAY, MEDIA_SERVER, INGESTOR = "webhook-gateway", "media-server", "ingestor"

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def world(servers: TestServers, tmp_path: Path) -> AsyncIterator[World]:
    """One for each test: services are started anew with other secrets."""
    async with running_world(servers, tmp_path / "data") as world:
        yield world


@pytest.fixture
def runbook(world: World, runbook_of: Callable[[World], Runbook]) -> Runbook:
    return runbook_of(world)


async def answer_to(world: World, *, app_secret: str) -> int:
    """What the gateway says to a webhook that is signed with this secret."""
    media = world.simulator.add_sample("photo")
    body = body_of([world.simulator.message(world.simulator.attachment(media))])
    hook = f"{world.stack.url(GATEWAY)}/webhooks/whatsapp"
    async with (
        aiohttp.ClientSession() as session,
        session.post(hook, data=body, headers=signed(body, app_secret)) as response,
    ):
        return response.status


async def status_of(world: World, path: str, token: str) -> int:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(world.stack.url(MEDIA_SERVER) + path) as response,
    ):
        return response.status


async def test_both_app_secrets_are_accepted_until_the_old_one_is_removed(world: World, runbook: Runbook) -> None:
    old = world.settings["WHATSAPP_APP_SECRET"]
    (runbook.folder / "app-secret.txt").write_text(f"{NEW_APP_SECRET}\n")

    async with customers(world):
        await runbook.run("app-secret-add")
        await start_anew(world, runbook, GATEWAY)
        assert await answer_to(world, app_secret=NEW_APP_SECRET) == 200
        assert await answer_to(world, app_secret=old) == 200

    await runbook.run("app-secret-remove")
    await start_anew(world, runbook, GATEWAY)
    assert await answer_to(world, app_secret=NEW_APP_SECRET) == 200
    assert await answer_to(world, app_secret=old) == 401
    assert settings_of(runbook)["WHATSAPP_APP_SECRET"] == NEW_APP_SECRET
    assert not (runbook.folder / "app-secret.txt").exists()


async def test_a_new_verify_token_does_not_stop_webhooks(world: World, runbook: Runbook) -> None:
    async with customers(world):
        await runbook.run("token")
        await start_anew(world, runbook, GATEWAY)

    await runbook.run("verify-token-check")
    hook = f"{world.stack.url(GATEWAY)}/webhooks/whatsapp"
    assert not await world.simulator.subscribe(hook), "Meta still has the old one"
    assert await world.simulator.subscribe(hook, verify_token=settings_of(runbook)["WHATSAPP_VERIFY_TOKEN"])


async def test_old_tokens_of_the_api_are_refused_and_the_new_ones_work(world: World, runbook: Runbook) -> None:
    paths = {"OPERATOR_TOKEN": "/api/conversations", "ADMIN_TOKEN": "/api/whatsapp-instances"}
    for name, path in paths.items():
        assert await status_of(world, path, world.settings[name]) == 200

    async with customers(world):
        for name in paths:
            await runbook.run("token", replace={"WHATSAPP_VERIFY_TOKEN": name})
        await start_anew(world, runbook, MEDIA_SERVER)

    for name, path in paths.items():
        assert await status_of(world, path, world.settings[name]) == 401
        assert await status_of(world, path, settings_of(runbook)[name]) == 200


async def test_old_links_live_out_their_time_when_the_secret_is_rotated_in_good_order(
    world: World, runbook: Runbook
) -> None:
    before = await link(world)

    async with customers(world):
        await runbook.run("signing-secret")
        await start_anew(world, runbook, MEDIA_SERVER)
        assert (await world.fetched(before))[0] == 200

    after = await link(world)
    assert (await world.fetched(after))[0] == 200
    assert after != before
    # and once more: only the newest two are ever known
    await runbook.run("signing-secret")
    await start_anew(world, runbook, MEDIA_SERVER)
    assert [(await world.fetched(each))[0] for each in (before, after)] == [403, 200]
    # and when the time of the links is over
    await runbook.run("signing-secret-remove")
    await start_anew(world, runbook, MEDIA_SERVER)
    assert "FILES_SIGNING_SECRET_PREVIOUS" not in settings_of(runbook)
    assert [(await world.fetched(each))[0] for each in (after, await link(world))] == [403, 200]


async def test_old_links_end_at_once_after_a_leak(world: World, runbook: Runbook) -> None:
    before = await link(world)

    async with customers(world):
        await runbook.run("signing-secret-now")
        await start_anew(world, runbook, MEDIA_SERVER)

    status, body, _ = await world.fetched(before)
    assert status == 403
    assert b"bad_signature" in body
    assert (await world.fetched(await link(world)))[0] == 200


async def test_after_reencrypting_the_old_key_can_go(world: World, runbook: Runbook) -> None:
    old = world.settings["CREDENTIALS_ENCRYPTION_KEY"]
    readers = (INGESTOR, MEDIA_SERVER)
    version = instance(world)["version"]

    async with customers(world):
        await runbook.run("encryption-key-add")
        await start_anew(world, runbook, *readers)
        await runbook.run("reencrypt")
        await runbook.run("encryption-key-remove")
        await start_anew(world, runbook, *readers)

    new = settings_of(runbook)["CREDENTIALS_ENCRYPTION_KEY"]
    assert new != old
    assert "," not in new
    saved = Fernet(new).decrypt(instance(world)["accessToken"]).decode()
    assert saved == world.settings["WHATSAPP_ACCESS_TOKEN"]
    assert instance(world)["version"] == version, "nothing heals that was not broken"
    assert not [line for line in world.stack.log_entries(INGESTOR) if line.get("event") == "media.healed"]


async def link(world: World) -> str:
    """The link of an attachment, as the API hands it out now."""
    document = world.messages.find_one({"media.status": "ready"})
    if document is None:
        document = await world.ended((await world.send("photo")).id)
    # what the API is asked with may have been rotated, but not in these tests
    shown = await world.shown(document["_id"])
    url: str = shown["media"]["original"]["url"]
    return url


def instance(world: World) -> JSON:
    instances = world.database[world.database_name]["whatsapp_instances"]
    found: JSON | None = instances.find_one({"_id": DEMO_NUMBER.phone_number_id})
    assert found is not None
    return found
