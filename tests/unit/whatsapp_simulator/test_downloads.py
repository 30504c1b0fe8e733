"""Reference section 3.3."""

from __future__ import annotations

import hashlib
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from whatsapp_simulator import (
    SAMPLES,
    BusinessNumber,
    Fault,
    FaultName,
    Kind,
    Media,
    Simulator,
    Step,
    SyntheticContent,
)

PDF = SAMPLES["pdf"].read()


async def link(session: aiohttp.ClientSession, sim: Simulator, media: Media) -> str:
    async with session.get(f"{sim.base_url}/v25.0/{media.id}") as response:
        url: str = (await response.json())["url"]
        return url


async def get(session: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, bytes, CIMultiDictProxy[str]]:
    async with session.get(url, **options) as response:
        return response.status, await response.read(), response.headers


async def test_the_file_comes_with_metas_headers(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = sim.add_sample("pdf")

    status, body, headers = await get(session, await link(session, sim, media))

    assert (status, body) == (200, PDF)
    assert headers["Content-Type"] == "application/pdf"
    assert headers["Content-Length"] == str(len(PDF))
    assert headers["Content-Disposition"] == (
        "inline;filename=Vertr_ge_2026___final__1_.pdf;"
        "filename*=UTF-8''Vertr%C3%A4ge%202026%20%E2%80%93%20final%20%281%29.pdf"
    )
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"] == "private"
    assert headers["ETag"].startswith('"')
    assert headers["Content-Digest"] == f"adler32={media.content.adler32}"


async def test_requests_are_counted_by_media_id(sim: Simulator, session: aiohttp.ClientSession) -> None:
    first, second = sim.add_sample("photo"), sim.add_sample("photo")

    await get(session, await link(session, sim, first))

    assert (sim.requests.metadata(first.id), sim.requests.downloads(first.id)) == (1, 1)
    assert (sim.requests.metadata(second.id), sim.requests.downloads(second.id)) == (0, 0)
    assert sim.requests.downloads() == 1


async def test_a_link_dies_after_five_minutes_and_a_fresh_one_works(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    media = sim.add_sample("photo")
    url = await link(session, sim, media)

    sim.clock.advance(299)
    alive, _, _ = await get(session, url)
    sim.clock.advance(1)
    dead, _, _ = await get(session, url)
    refreshed, _, _ = await get(session, await link(session, sim, media))

    assert (alive, dead, refreshed) == (200, 404, 200)


async def test_a_changed_link_is_dead(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = sim.add_sample("photo")
    url = await link(session, sim, media)

    status, _, _ = await get(session, url.replace("ext=1790000300", "ext=1999999999"))

    assert status == 404


async def test_the_url_in_a_webhook_works_one_second_longer(sim: Simulator, session: aiohttp.ClientSession) -> None:
    url = sim.attachment(sim.add_sample("photo"), with_url=True).url
    assert url is not None

    sim.clock.advance(300)
    alive, _, _ = await get(session, url)
    sim.clock.advance(1)
    dead, _, _ = await get(session, url)

    assert "source=webhook&ext=1790000301&" in url
    assert (alive, dead) == (200, 404)


async def test_without_a_token_the_media_host_answers_authentication_error(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    media = sim.add_sample("photo")
    other = BusinessNumber(phone_number_id="200300400500601")
    sim.add_number(other, access_token="other-token")
    url = await link(session, sim, media)

    async with aiohttp.ClientSession() as stranger:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer other-token"}):
            status, body, _ = await get(stranger, url, headers=headers)

            assert status == 401
            assert body == b'{"title":"Authentication Error","detail":"Authentication Error","status":401}'


async def test_without_a_user_agent_a_page_comes_in_place_of_the_file(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    url = await link(session, sim, sim.add_sample("photo"))

    status, body, headers = await get(session, url, skip_auto_headers=["User-Agent"])

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<html>" in body


@pytest.mark.parametrize(
    ("header", "status", "start", "end"),
    [
        ("bytes=100-", 206, 100, len(PDF)),
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-99999", 206, 10, len(PDF)),
        ("bytes=99999-", 200, 0, len(PDF)),
        ("lines=1-2", 200, 0, len(PDF)),
    ],
)
async def test_a_download_can_be_resumed(
    sim: Simulator, session: aiohttp.ClientSession, header: str, status: int, start: int, end: int
) -> None:
    url = await link(session, sim, sim.add_sample("pdf"))

    answered, body, _ = await get(session, url, headers={"Range": header})

    assert (answered, body) == (status, PDF[start:end])


async def test_a_large_file_is_generated_while_it_is_sent(sim: Simulator, session: aiohttp.ClientSession) -> None:
    content = SyntheticContent(size_bytes=8 * 1024 * 1024 + 1, seed=7)
    media = sim.add_media(content, kind=Kind.DOCUMENT, mime_type="application/octet-stream")

    _, body, _ = await get(session, await link(session, sim, media))

    assert hashlib.sha256(body).hexdigest() == media.sha256


async def test_a_corrupt_file_has_the_right_size_and_heals(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = sim.add_sample("pdf", faults=[Fault(name=FaultName.CORRUPT, times=2)])
    url = await link(session, sim, media)

    bodies = [(await get(session, url))[1] for _ in range(3)]

    assert [len(body) for body in bodies] == [len(PDF)] * 3
    assert [body == PDF for body in bodies] == [False, False, True]
    assert sim.requests.downloads(media.id) == 3


async def test_a_truncated_file_is_a_complete_answer_with_half_of_it(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    media = sim.add_sample("pdf", faults=[Fault(name=FaultName.TRUNCATED, times=1)])

    status, body, _ = await get(session, await link(session, sim, media))

    assert (status, body) == (200, PDF[: len(PDF) // 2])


async def test_a_reset_comes_in_the_middle_of_the_body(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = sim.add_sample("pdf", faults=[Fault(name=FaultName.RESET, times=1)])
    url = await link(session, sim, media)

    with pytest.raises(aiohttp.ClientError):
        await get(session, url)
    status, body, _ = await get(session, url)

    assert (status, body) == (200, PDF)


async def test_a_slow_file_comes_late_but_right(sim: Simulator, session: aiohttp.ClientSession) -> None:
    media = sim.add_sample("pdf", faults=[Fault(name=FaultName.SLOW, times=1, delay_seconds=0.3)])
    url = await link(session, sim, media)

    with pytest.raises(TimeoutError):
        await get(session, url, timeout=aiohttp.ClientTimeout(total=0.1))
    status, body, _ = await get(session, url)

    assert (status, body) == (200, PDF)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (FaultName.EXPIRED, 404),
        (FaultName.UNAUTHORIZED, 401),
        (FaultName.RATE_LIMITED, 429),
        (FaultName.SERVER_ERROR, 503),
        (FaultName.HTML, 200),
    ],
)
async def test_faults_can_strike_at_the_download(
    sim: Simulator, session: aiohttp.ClientSession, name: FaultName, status: int
) -> None:
    media = sim.add_sample("pdf", faults=[Fault(name=name, at=Step.DOWNLOAD, times=1)])
    url = await link(session, sim, media)

    faulty, wrong, _ = await get(session, url)
    healed, right, _ = await get(session, url)

    assert (faulty, healed) == (status, 200)
    assert wrong != right == PDF
