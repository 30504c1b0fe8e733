"""Every secret of the Compose project is rotated as the operations guide says, while customers write."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
import pytest

from tests.compose.site import Sent, Site
from tests.contract.webhooks import signed
from tests.runbook.runner import Runbook
from whatsapp_simulator.webhooks import body_of

NEW_APP_SECRET = "0123456789abcdef0123456789abcdef"
_PAUSE_SECONDS = 0.5

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def customers(site: Site, *, seed: int) -> AsyncIterator[None]:
    """They write all the time, and Meta repeats what is not accepted. In the end every attachment is ready."""
    sent: list[Sent] = []
    stop = asyncio.Event()

    async def write() -> None:
        for number in count(seed):
            sent.append(await site.send("photo", seed=number))
            if stop.is_set():
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        stop.set()
        await writing
    ended = await site.ended(sent, seconds=90)
    assert Counter(shown["media"]["status"] for shown in ended) == {"ready": len(sent)}


async def answer_to(site: Site, *, app_secret: str) -> int:
    """What the gateway says to a webhook that is signed with this secret."""
    media = site.meta.add_sample("photo")
    body = body_of([site.meta.message(site.meta.attachment(media))])
    hook = f"{site.project.url}/webhooks/whatsapp"
    async with (
        aiohttp.ClientSession() as session,
        session.post(hook, data=body, headers=signed(body, app_secret)) as response,
    ):
        return response.status


async def link(site: Site) -> str:
    """The link of the newest attachment that is ready, as the API hands it out now."""
    async with site.api.get("/api/messages?status=ready&limit=1") as response:
        assert response.status == 200, await response.text()
        [shown] = (await response.json())["items"]
    url: str = shown["media"]["original"]["url"]
    return url


async def status_of(site: Site, path: str) -> int:
    """Followed as a browser does, by nginx and without a token."""
    async with aiohttp.ClientSession(site.project.url) as browser, browser.get(path) as response:
        return response.status


async def test_the_app_secret(site: Site, runbook: Runbook) -> None:
    old = site.project.secret("whatsapp_app_secret")
    file = site.project.folder / "app-secret.txt"
    file.write_text(f"{NEW_APP_SECRET}\n")

    async with customers(site, seed=91_000):
        await runbook.run("compose-app-secret-add")
        assert await answer_to(site, app_secret=NEW_APP_SECRET) == 200
        assert await answer_to(site, app_secret=old) == 200

    await runbook.run("compose-app-secret-remove")
    assert await answer_to(site, app_secret=NEW_APP_SECRET) == 200
    assert await answer_to(site, app_secret=old) == 401
    # and back: Meta goes on with the one that it has had all along
    file.write_text(f"{old}\n")
    await runbook.run("compose-app-secret-add")
    assert await answer_to(site, app_secret=old) == 200


async def test_the_verify_token(site: Site, runbook: Runbook) -> None:
    async with customers(site, seed=92_000):
        await runbook.run("compose-token")

    await runbook.run("compose-verify-token-check")


async def test_a_token_of_the_api(site: Site, runbook: Runbook) -> None:
    old = site.project.secret("operator_token")

    async with customers(site, seed=93_000):
        await runbook.run(
            "compose-token", replace={"whatsapp_verify_token": "operator_token", "webhook-gateway": "media-server"}
        )
        site.api.headers["Authorization"] = f"Bearer {site.project.secret('operator_token')}"

    async with site.api.get("/api/conversations", headers={"Authorization": f"Bearer {old}"}) as response:
        assert response.status == 401
    async with site.api.get("/api/conversations") as response:
        assert response.status == 200


async def test_the_secret_of_the_links(site: Site, runbook: Runbook) -> None:
    async with customers(site, seed=94_000):
        pass
    before = await link(site)

    async with customers(site, seed=94_500):
        await runbook.run("compose-signing-secret")
        assert await status_of(site, before) == 200

    await runbook.run("compose-signing-secret-remove")
    assert [await status_of(site, each) for each in (before, await link(site))] == [403, 200]

    between = await link(site)
    await runbook.run("compose-signing-secret-now")
    assert [await status_of(site, each) for each in (before, between, await link(site))] == [403, 403, 200]


async def test_the_encryption_key(site: Site, runbook: Runbook) -> None:
    old = site.project.secret("credentials_encryption_key")

    async with customers(site, seed=95_000):
        await runbook.run("compose-encryption-key-add")
        await runbook.run("reencrypt")
        await runbook.run("compose-encryption-key-remove")

    new = site.project.secret("credentials_encryption_key")
    assert new != old
    assert "," not in new


async def test_the_passwords_of_rabbitmq_and_mongodb(site: Site, runbook: Runbook) -> None:
    before = {name: site.project.secret(name) for name in ("rabbitmq_password", "mongodb_password")}

    async with customers(site, seed=96_000):
        await runbook.run("compose-rabbitmq-password")
        await runbook.run("compose-mongodb-password")

    assert all(site.project.secret(name) != password for name, password in before.items())
    ask = ("docker", "compose", "exec", "--no-TTY", "rabbitmq", "rabbitmqctl", "authenticate_user", "attache")
    await site.project.ran(*ask, stdin=f"{site.project.secret('rabbitmq_password')}\n")
    assert (await site.project.ran(*ask, stdin=f"{before['rabbitmq_password']}\n", code=None)).code != 0


async def test_the_password_of_mongodb_s_root(site: Site, runbook: Runbook) -> None:
    before = site.project.secret("mongodb_root_password")

    async with customers(site, seed=97_000):
        await runbook.run("compose-mongodb-root-password")

    now = site.project.secret("mongodb_root_password")
    assert now != before
    assert not (site.project.folder / "secrets/mongodb_root_password.new").exists()
    assert (site.project.folder / "secrets/mongodb_root_password").stat().st_mode & 0o777 == 0o600
    assert await is_root_with(site, now)
    assert not await is_root_with(site, before)
    assert "the user attache has the password" in await site.project.compose(
        *("exec", "--no-TTY", "mongodb", "mongosh", "--quiet", "--nodb", "/attache/user.js")
    )


async def is_root_with(site: Site, password: str) -> bool:
    """Whether MongoDB lets root in with it; it goes in by standard input."""
    log_in = (
        "const pwd = require('fs').readFileSync('/dev/stdin', 'utf8');"
        "print(new Mongo('mongodb://127.0.0.1/').getDB('admin').auth('root', pwd).ok)"
    )
    asked = ("exec", "--no-TTY", "mongodb", "mongosh", "--quiet", "--nodb", "--eval", log_in)
    return (await site.project.compose(*asked, stdin=password, code=None)).strip() == "1"


async def test_the_doctor_finds_nothing_wrong_afterwards(site: Site, runbook: Runbook) -> None:
    ran = await runbook.run("doctor")

    assert "✗" not in ran.stdout
    assert "kinds of events reach their queue" in ran.stdout
