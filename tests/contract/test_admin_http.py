"""Section 2 of the contract, media-server: instances and dead letters, for the role admin alone."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.overheard import until
from tests.contract.recorded_run import Run
from tests.contract.test_media_server_http import asked, got, is_problem
from tests.e2e.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBER = "309900000000002"
INSTANCES, LETTERS = "/api/whatsapp-instances", "/api/dead-letters"
ONE = f"{INSTANCES}/{NUMBER}"
TOKEN = "EAAGaccessTokenOfTheContract"
ADMIN_ROUTES = (
    ("GET", INSTANCES),
    ("GET", ONE),
    ("PUT", ONE),
    ("DELETE", ONE),
    ("POST", f"{ONE}/verify"),
    ("GET", LETTERS),
    ("POST", f"{LETTERS}/replay"),
    ("DELETE", f"{LETTERS}?queue=webhook-gateway.unreadable"),
)
IDENTITY_CHANGED = "ingestor.identity-changed"


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def admin(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the media-server with ADMIN_TOKEN."""
    headers = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}
    async with aiohttp.ClientSession(world.stack.url("media-server"), headers=headers) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def saved(admin: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
    """An instance of our own, as PUT answered."""
    body = {"displayName": "Contract", "accessToken": TOKEN, "isDefault": False}
    status, answer = await asked(admin, ONE, method="PUT", json=body)
    assert status == 200, answer
    yield answer
    await asked(admin, ONE, method="DELETE")


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer nobodys-token-1234", "Bearer "])
async def test_no_or_bad_bearer_is_401_unauthorized(
    stranger: aiohttp.ClientSession, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    status, answer = await asked(stranger, path, method=method, headers=headers)

    assert is_problem(answer, status=401, code="unauthorized"), status


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
async def test_the_wrong_role_is_403_forbidden(world: World, method: str, path: str) -> None:
    status, answer = await asked(world.api, path, method=method)

    assert is_problem(answer, status=403, code="forbidden"), status


async def test_openapi_describes_the_routes_of_the_admin(stranger: aiohttp.ClientSession) -> None:
    paths = (await got(stranger, "/api/openapi.json"))["paths"]

    assert set(paths[INSTANCES]) == {"get"}
    assert set(paths[f"{INSTANCES}/{{phoneNumberId}}"]) == {"get", "put", "delete"}
    assert set(paths[f"{INSTANCES}/{{phoneNumberId}}/verify"]) == {"post"}
    assert set(paths[LETTERS]) == {"get", "delete"}
    assert set(paths[f"{LETTERS}/replay"]) == {"post"}


async def test_an_instance_has_a_hint_and_a_version_and_never_its_token(
    admin: aiohttp.ClientSession, saved: dict[str, Any]
) -> None:
    listed = await got(admin, INSTANCES)

    assert set(listed) == {"items", "nextCursor"}
    assert next(each for each in listed["items"] if each["phoneNumberId"] == NUMBER) == saved
    assert await got(admin, ONE) == saved
    assert (saved["displayName"], saved["isDefault"], saved["tokenHint"]) == ("Contract", False, "…ract")
    assert isinstance(saved["version"], int)
    assert TOKEN not in str(listed) + str(saved)


async def test_put_and_delete_tell_every_ingestor(run: Run, admin: aiohttp.ClientSession) -> None:
    known = len(run.heard)

    _, put = await asked(admin, ONE, method="PUT", json={"accessToken": TOKEN})
    async with admin.delete(ONE) as deleted:
        assert (deleted.status, await deleted.read()) == (204, b"")

    async def told() -> list[Any] | None:
        events = [each for each in run.heard[known:] if each.routing_key == "instance.updated"]
        return events if len(events) == 2 else None

    events = await until(told)
    assert [event.body["phoneNumberId"] for event in events] == [NUMBER, NUMBER]
    assert events[0].body["instanceVersion"] == put["version"]
    assert (await asked(admin, ONE))[0] == 404


async def test_put_without_a_token_renames_a_known_number_and_is_400_for_an_unknown_one(
    admin: aiohttp.ClientSession, saved: dict[str, Any]
) -> None:
    _, renamed = await asked(admin, ONE, method="PUT", json={"displayName": "Renamed"})
    status, problem = await asked(admin, f"{INSTANCES}/309900000000003", method="PUT", json={"displayName": "New"})

    assert (renamed["displayName"], renamed["version"], renamed["tokenHint"]) == (
        "Renamed",
        saved["version"],
        saved["tokenHint"],
    )
    assert is_problem(problem, status=400, code="bad_request"), status


@pytest.mark.parametrize(("method", "path"), [("GET", ONE), ("DELETE", ONE), ("POST", f"{ONE}/verify")])
async def test_an_unknown_number_is_404_not_found(admin: aiohttp.ClientSession, method: str, path: str) -> None:
    status, answer = await asked(admin, path, method=method)

    assert is_problem(answer, status=404, code="not_found"), status


async def test_verify_says_whether_meta_takes_the_token(
    run: Run, admin: aiohttp.ClientSession, saved: dict[str, Any]
) -> None:
    taken = await asked(admin, f"{INSTANCES}/{run.phone_number_id}/verify", method="POST")
    status, refused = await asked(admin, f"{ONE}/verify", method="POST")

    assert taken == (200, {"ok": True})
    assert (status, refused["ok"]) == (200, False)
    assert set(refused) == {"ok", "code", "message"}


async def test_dead_letters_are_listed_in_groups_with_count_times_and_the_newest_reason(
    run: Run, admin: aiohttp.ClientSession
) -> None:
    page = await got(admin, f"{LETTERS}?queue=ingestor.media-received")

    assert set(page) == {"items", "nextCursor"}
    refused = next(
        each
        for each in page["items"]
        if (each.get("code"), each.get("phoneNumberId")) == ("provider_auth", run.phone_number_id)
    )
    assert refused["queue"] == "ingestor.media-received"
    assert refused["count"] >= 1
    assert refused["firstFailedAt"] <= refused["lastFailedAt"]
    assert refused["reason"]


async def test_a_replay_that_fits_nothing_answers_with_its_four_counts(admin: aiohttp.ClientSession) -> None:
    status, answer = await asked(admin, f"{LETTERS}/replay", method="POST", json={"queue": IDENTITY_CHANGED})

    assert (status, answer) == (200, {"replayed": 0, "alreadyDone": 0, "expired": 0, "remaining": 0})


async def test_removing_the_letters_of_a_queue_is_204(admin: aiohttp.ClientSession) -> None:
    async with admin.delete(LETTERS, params={"queue": IDENTITY_CHANGED}) as response:
        assert (response.status, await response.read()) == (204, b"")


@pytest.mark.parametrize("path", [INSTANCES, LETTERS])
@pytest.mark.parametrize("limit", ["0", "-1", "201", "ten", ""])
async def test_a_limit_outside_1_to_200_is_400_bad_request(admin: aiohttp.ClientSession, path: str, limit: str) -> None:
    status, answer = await asked(admin, path, params={"limit": limit})

    assert is_problem(answer, status=400, code="bad_request"), status
