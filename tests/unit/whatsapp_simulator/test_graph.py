"""Reference sections 3.1, 3.2, 3.5 and 3.7."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from whatsapp_simulator import BusinessNumber, Fault, FaultName, Kind, Media, Simulator, SizeForm, Step

SEVEN_DAYS = 7 * 24 * 3600


def add(sim: Simulator, **options: Any) -> Media:
    return sim.add_media(b"demo-image", kind=Kind.IMAGE, mime_type="image/jpeg", **options)


async def get(
    session: aiohttp.ClientSession, sim: Simulator, media_id: str, **options: Any
) -> tuple[int, Any, dict[str, str]]:
    async with session.get(f"{sim.base_url}/v25.0/{media_id}", **options) as response:
        return response.status, await response.json(), dict(response.headers)


async def test_metadata_is_what_meta_answers(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = add(sim)

    async with session.get(f"{sim.base_url}/v25.0/{media.id}?phone_number_id=200300400500600") as response:
        raw, answer = await response.read(), await response.json()

    assert response.status == 200
    assert response.headers["facebook-api-version"] == "v25.0"
    assert response.headers["Date"] == "Mon, 21 Sep 2026 14:13:20 GMT"
    assert rb'"mime_type":"image\/jpeg"' in raw
    url = answer.pop("url")
    assert url.startswith(
        f"{sim.base_url}/whatsapp_business/attachments/?mid={media.id}&source=getMedia&ext=1790000300&"
    )
    assert answer == {
        "messaging_product": "whatsapp",
        "mime_type": "image/jpeg",
        "sha256": "1274fc170770be8c3348dedc6b8ca6e3ff04f944fce866c1a96bc422ba635106",
        "file_size": 10,
        "id": media.id,
    }


async def test_the_order_of_keys_varies(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = add(sim)

    _, first, _ = await get(session, sim, media.id)
    _, second, _ = await get(session, sim, media.id)

    assert list(first) != list(second)
    assert first == second


@pytest.mark.parametrize(("form", "size"), [(SizeForm.TEXT, "10"), (SizeForm.INTEGER, 10), (SizeForm.ABSENT, None)])
async def test_the_size_comes_in_each_form(
    sim: Simulator, session: aiohttp.ClientSession, form: SizeForm, size: object
) -> None:
    media = add(sim, size_form=form)

    _, answer, _ = await get(session, sim, media.id)

    assert answer.get("file_size") == size


@pytest.mark.parametrize(
    "authorization", [{}, {"Authorization": "Bearer other"}, {"Authorization": "demo-access-token"}]
)
async def test_without_an_issued_token_the_answer_is_190(sim: Simulator, authorization: dict[str, str]) -> None:
    media = add(sim)

    async with aiohttp.ClientSession(headers=authorization) as stranger:
        status, answer, _ = await get(stranger, sim, media.id)

    assert status == 401
    assert answer["error"]["code"] == 190
    assert answer["error"]["type"] == "OAuthException"


async def test_a_replaced_token_has_expired_and_the_new_one_works(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    media = add(sim)

    sim.tokens.replace(media.number.phone_number_id, "new-token")

    status, answer, _ = await get(session, sim, media.id)
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (401, 190, 463)
    status, _, _ = await get(session, sim, media.id, headers={"Authorization": "Bearer new-token"})
    assert status == 200


async def test_media_of_another_number_does_not_exist(sim: Simulator, session: aiohttp.ClientSession) -> None:
    other = BusinessNumber(phone_number_id="200300400500601")
    sim.add_number(other, access_token="other-token")
    theirs = add(sim, number=other)
    mine = add(sim)

    answers = [
        await get(session, sim, theirs.id),
        await get(session, sim, mine.id, params={"phone_number_id": other.phone_number_id}),
        await get(session, sim, "700000000000099"),
    ]

    for status, answer, _ in answers:
        assert status == 400
        assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)
        assert answer["error"]["type"] == "GraphMethodException"


async def test_media_ids_live_seven_days(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = add(sim)

    sim.clock.advance(SEVEN_DAYS - 1)
    alive, _, _ = await get(session, sim, media.id)
    sim.clock.advance(1)
    expired, answer, _ = await get(session, sim, media.id)

    assert (alive, expired) == (200, 400)
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)


@pytest.mark.parametrize("path", ["/700000000000001", "/25.0/700000000000001", "/v25/700000000000001", "/v25.0"])
async def test_unversioned_paths_are_refused(sim: Simulator, session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(sim.base_url + path) as response:
        answer = await response.json()

    assert (response.status, answer["error"]["code"]) == (400, 2500)


async def test_a_dead_version_is_served_by_the_oldest_living_one(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    media = add(sim)

    async with session.get(f"{sim.base_url}/v19.0/{media.id}") as response:
        assert response.headers["facebook-api-version"] == "v21.0"


async def test_deleted_media_is_gone(sim: Simulator, session: aiohttp.ClientSession) -> None:
    url = f"{sim.base_url}/v25.0/{add(sim).id}"

    async with session.delete(url) as first, session.delete(url) as second, session.get(url) as third:
        assert (first.status, await first.json()) == (200, {"success": True})
        assert (second.status, (await second.json())["error"]["code"]) == (400, 100)
        assert third.status == 400


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(name=FaultName.EXPIRED), 400, 100),
        (Fault(name=FaultName.UNAUTHORIZED), 401, 190),
        (Fault(name=FaultName.RATE_LIMITED), 429, 4),
        (Fault(name=FaultName.SERVER_ERROR, status=500), 500, 2),
    ],
)
async def test_metadata_faults_answer_as_graph_does(
    sim: Simulator, session: aiohttp.ClientSession, fault: Fault, status: int, code: int
) -> None:
    media = add(sim, faults=[fault])

    answered, answer, _ = await get(session, sim, media.id)

    assert (answered, answer["error"]["code"]) == (status, code)
    assert sim.requests.statuses(Step.METADATA, media.id) == {status: 1}


async def test_a_rate_limit_says_when_to_come_back(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = add(sim, faults=[Fault(name=FaultName.RATE_LIMITED, times=1, retry_after_seconds=30)])

    _, _, headers = await get(session, sim, media.id)
    status, _, _ = await get(session, sim, media.id)

    assert headers["Retry-After"] == "30"
    assert '"call_count": 100' in headers["X-App-Usage"]
    assert status == 200


async def test_metadata_can_be_a_page_or_a_reset(sim: Simulator, session: aiohttp.ClientSession) -> None:
    page = Fault(name=FaultName.HTML, at=Step.METADATA, times=1)
    reset = Fault(name=FaultName.RESET, at=Step.METADATA)
    media = add(sim, faults=[page, reset])
    url = f"{sim.base_url}/v25.0/{media.id}"

    async with session.get(url) as response:
        assert (response.status, response.content_type) == (200, "text/html")
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(url)
