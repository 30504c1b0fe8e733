"""Section 2 of the contract, signed links: taken apart and put together with PyJWT alone."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import aiohttp
import jwt
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from yarl import URL

from tests.contract.processes import ServiceProcess, closed_port, service
from tests.contract.recorded_run import Run
from tests.contract.webhooks import FILE_NAME

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


async def fetched(base_url: str, link: str, *, method: str = "GET", **headers: str) -> Answer:
    """As a browser does it: without a bearer token. The link is used as it stands."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = URL(base_url + link, encoded=True)
    async with aiohttp.ClientSession() as browser, browser.request(method, url, headers=named) as response:
        body = await response.read()
        is_json = method == "GET" and response.content_type.endswith("json")
        return Answer(
            status=response.status,
            headers=response.headers.copy(),
            body=body,
            json=await response.json(content_type=None) if is_json else None,
        )


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of the run's PDF, and what is needed to make others like it."""

    base_url: str
    url: str
    expires_at: str
    secret: str
    content: bytes
    key: str

    @property
    def token(self) -> str:
        return self.url.split("/")[2]

    @property
    def claims(self) -> dict[str, Any]:
        return dict(jwt.decode(self.token, self.secret, algorithms=["HS256"], options={"verify_aud": False}))

    def remade(self, *, secret: str | None = None, **claims: Any) -> str:
        """The same link with these claims, properly signed with our secret or with another."""
        token = jwt.encode(self.claims | claims, secret or self.secret, algorithm="HS256")
        return f"/media/{token}/file.pdf"


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def link(run: Run) -> Link:
    document = run.document("document")
    original = (await run.world.shown(document["_id"]))["media"]["original"]
    key = document["media"]["storage"]["original"]["key"]
    return Link(
        base_url=run.world.stack.url("media-server"),
        url=original["url"],
        expires_at=original["expiresAt"],
        secret=run.world.settings["FILES_SIGNING_SECRET"],
        content=(run.world.uploads / key).read_bytes(),
        key=key,
    )


def alone(run: Run, **changed: str) -> dict[str, str]:
    """The settings of a media-server on the run's files, with neither MongoDB nor RabbitMQ."""
    return {
        "RABBITMQ_URL": f"amqp://somebody:pa55word@127.0.0.1:{closed_port()}/",
        "MONGODB_URI": f"mongodb://somebody:pa55word@127.0.0.1:{closed_port()}/",
        "STORAGE_URL": str(run.world.uploads),
        "CREDENTIALS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "FILES_SIGNING_SECRET": "a-new-signing-secret-of-thirty-two-bytes",
        "OPERATOR_TOKEN": "operator-token-of-contract",
        "ADMIN_TOKEN": "admin-token-of-contract",
    } | changed


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def rotated(run: Run, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceProcess]:
    """With a new secret and the old one as PREVIOUS, both from files."""
    folder = tmp_path_factory.mktemp("rotated")
    (folder / "secret").write_text("a-new-signing-secret-of-thirty-two-bytes\n")
    (folder / "previous").write_text(run.world.settings["FILES_SIGNING_SECRET"] + "\n")
    environment = alone(run) | {
        "FILES_SIGNING_SECRET_FILE": str(folder / "secret"),
        "FILES_SIGNING_SECRET_PREVIOUS_FILE": str(folder / "previous"),
    }
    del environment["FILES_SIGNING_SECRET"]
    async with service("media_server", environment, folder) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def behind_nginx(run: Run, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceProcess]:
    """With a new secret only, and nginx to send the bytes."""
    environment = alone(run, MEDIA_ACCEL_REDIRECT="/_files/")
    async with service("media_server", environment, tmp_path_factory.mktemp("behind-nginx")) as process:
        yield process


async def test_the_link_itself_opens_the_file(link: Link) -> None:
    answer = await fetched(link.base_url, link.url)

    assert (answer.status, answer.body) == (200, link.content)
    assert answer.headers["Content-Type"] == "application/pdf"


async def test_the_token_is_a_jwt_hs256(link: Link) -> None:
    assert jwt.get_unverified_header(link.token)["alg"] == "HS256"
    assert link.claims["exp"]


async def test_a_link_lives_at_most_files_url_ttl_seconds(link: Link) -> None:
    assert 0 < link.claims["exp"] - time.time() <= 900


async def test_expires_at_is_when_the_token_expires(link: Link) -> None:
    stated = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(link.claims["exp"]))

    assert link.expires_at == stated


async def test_head_tells_the_same_without_the_bytes(link: Link) -> None:
    whole, head = await fetched(link.base_url, link.url), await fetched(link.base_url, link.url, method="HEAD")

    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]


async def test_ranges_are_served(link: Link) -> None:
    answer = await fetched(link.base_url, link.url, Range="bytes=10-19")

    assert (answer.status, answer.body) == (206, link.content[10:20])
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(link.content)}"


async def test_a_range_behind_the_end_is_416(link: Link) -> None:
    answer = await fetched(link.base_url, link.url, Range=f"bytes={len(link.content)}-")

    assert answer.status == 416
    assert answer.json["status"] == 416
    assert "serverTime" in answer.json


async def test_an_etag_that_is_known_is_304(link: Link) -> None:
    tag = (await fetched(link.base_url, link.url)).headers["ETag"]

    answer = await fetched(link.base_url, link.url, If_None_Match=tag)

    assert (answer.status, answer.body) == (304, b"")


async def test_content_disposition_names_the_file(link: Link) -> None:
    assert FILE_NAME in (await fetched(link.base_url, link.url)).headers["Content-Disposition"]


async def test_the_shown_file_name_comes_from_the_token_and_the_one_in_the_path_is_decoration(link: Link) -> None:
    usual = (await fetched(link.base_url, link.url)).headers["Content-Disposition"]

    decorated = await fetched(link.base_url, f"/media/{link.token}/evil.html")

    assert unquote(link.url).endswith(FILE_NAME)
    assert decorated.status == 200
    assert decorated.headers["Content-Disposition"] == usual


async def test_an_ended_link_is_401_token_expired(link: Link) -> None:
    answer = await fetched(link.base_url, link.remade(exp=int(time.time()) - 1))

    assert (answer.status, answer.json["code"]) == (401, "token_expired")
    assert answer.json["serverTime"]


async def test_a_link_of_another_secret_is_403_bad_signature(link: Link) -> None:
    answer = await fetched(link.base_url, link.remade(secret="another-secret-of-thirty-two-bytes!!"))

    assert (answer.status, answer.json["code"]) == (403, "bad_signature")
    assert answer.json["serverTime"]


async def test_a_token_made_for_another_purpose_is_403_bad_signature(link: Link) -> None:
    answer = await fetched(link.base_url, link.remade(aud="another-purpose"))

    assert (answer.status, answer.json["code"]) == (403, "bad_signature")


async def test_an_unsigned_token_is_403(link: Link) -> None:
    token = jwt.encode(link.claims, "", algorithm="none")

    answer = await fetched(link.base_url, f"/media/{token}/file.pdf")

    assert (answer.status, answer.json["code"]) == (403, "bad_signature")


@pytest.mark.parametrize("token", ["x", "a.b.c", "not%20a%20token", "eyJhbGciOiJIUzI1NiJ9"])
async def test_what_is_no_token_is_403_malformed(link: Link, token: str) -> None:
    answer = await fetched(link.base_url, f"/media/{token}/file.pdf")

    assert (answer.status, answer.json["code"]) == (403, "malformed")
    assert answer.json["serverTime"]


async def test_a_link_whose_bytes_are_gone_is_404_not_found(link: Link) -> None:
    answer = await fetched(link.base_url, link.remade(key=f"incoming/00/{'0' * 64}.pdf"))

    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert answer.json["serverTime"]


async def test_tokens_are_redacted_in_access_logs(run: Run, link: Link) -> None:
    await fetched(link.base_url, link.url)
    await fetched(link.base_url, link.remade(secret="another-secret-of-thirty-two-bytes!!"))

    written = run.world.stack.log("media-server").read_text()

    assert link.token not in written
    assert link.token.split(".")[1] not in written, "nor its claims"


async def test_serving_a_link_needs_neither_mongodb_nor_rabbitmq(link: Link, rotated: ServiceProcess) -> None:
    answer = await fetched(rotated.url, link.url)

    assert (answer.status, answer.body) == (200, link.content)


async def test_the_previous_secret_lets_old_links_live_out_their_time(link: Link, rotated: ServiceProcess) -> None:
    """And both secrets may come from files: this process has no other."""
    new = link.remade(secret="a-new-signing-secret-of-thirty-two-bytes")

    assert (await fetched(rotated.url, link.url)).status == 200
    assert (await fetched(rotated.url, new)).status == 200
    assert (await fetched(rotated.url, link.remade(exp=int(time.time()) - 1))).status == 401


async def test_a_new_secret_makes_every_earlier_link_invalid_at_once(link: Link, behind_nginx: ServiceProcess) -> None:
    answer = await fetched(behind_nginx.url, link.url)

    assert (answer.status, answer.json["code"]) == (403, "bad_signature")


async def test_media_accel_redirect_lets_nginx_send_the_bytes(link: Link, behind_nginx: ServiceProcess) -> None:
    new = link.remade(secret="a-new-signing-secret-of-thirty-two-bytes")

    answer = await fetched(behind_nginx.url, new)

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == f"/_files/{link.key}"
    assert answer.headers["Content-Type"] == "application/pdf"


async def test_without_database_and_broker_readyz_is_503_and_says_which_without_their_passwords(
    rotated: ServiceProcess,
) -> None:
    async with aiohttp.ClientSession(rotated.url) as client, client.get("/readyz") as response:
        answer = await response.json()

    assert (response.status, answer["status"]) == (503, "not_ready")
    assert {name: check["ok"] for name, check in answer["checks"].items()} == {
        "rabbitmq": False,
        "mongodb": False,
        "storage": True,
    }
    assert all(check["error"] for check in answer["checks"].values() if not check["ok"])
    assert "pa55word" not in str(answer)
    assert "pa55word" not in rotated.stdout.read_text() + rotated.stderr.read_text()
