"""Redirects and links that lead elsewhere: what a client must follow, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.whatsapp_simulator.peers import Client
from whatsapp_simulator import SAMPLES, Fault, FaultName, Media, Simulator, Step, Target

PDF = SAMPLES["pdf"].read()


@pytest.fixture
def media(sim: Simulator) -> Media:
    return sim.add_sample("pdf")


def redirect(target: Target = Target.SAME_HOST, **options: Any) -> Fault:
    return Fault(name=FaultName.REDIRECT, target=target, **options)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_same_host_leads_to_the_file(client: Client, media: Media, status: int) -> None:
    first = await client.download(media, redirect(status=status))
    second = await client.get(first.headers["Location"])

    assert (first.status, first.body) == (status, b"")
    assert (second.status, second.body) == (200, PDF)


async def test_a_chain_has_so_many_hops(client: Client, media: Media) -> None:
    answer, hops = await client.download(media, redirect(hops=4)), 0
    while answer.status == 302:
        answer, hops = await client.get(answer.headers["Location"]), hops + 1

    assert (hops, answer.body) == (4, PDF)
    assert client.sim.requests.statuses(Step.DOWNLOAD, media.id) == {302: 4, 200: 1}


async def test_a_loop_leads_to_itself(client: Client, media: Media) -> None:
    first = await client.download(media, redirect(Target.LOOP, times=1))
    second = await client.get(first.headers["Location"])
    third = await client.get(second.headers["Location"])

    assert [answer.status for answer in (first, second, third)] == [302, 302, 302]
    assert second.headers["Location"] == third.headers["Location"]


async def test_another_host_serves_without_a_token_and_the_log_tells_whether_one_came(
    client: Client, media: Media
) -> None:
    first = await client.download(media, redirect(Target.OTHER_HOST))
    location = first.headers["Location"]
    answers = [await client.get(location), await client.get(location, headers={"Authorization": ""})]

    assert location.startswith("http://localhost:")
    assert [answer.body for answer in answers] == [PDF, PDF]
    seen = client.sim.requests.seen(media.id)
    assert [(one.host.split(":")[0], one.status) for one in seen] == [
        ("127.0.0.1", 200),
        ("127.0.0.1", 302),
        ("localhost", 200),
        ("localhost", 200),
    ]
    assert all(one.with_token for one in seen)


@pytest.mark.parametrize(
    ("target", "begin"),
    [
        (Target.FORBIDDEN_HOST, "https://media.attacker.example/"),
        (Target.LOOKALIKE_HOST, "https://lookaside.fbsbx.com.attacker.example/"),
        (Target.DISGUISED_HOST, "https://lookaside.fbsbx.com@media.attacker.example/"),
        (Target.HTTP, "http://simulated.fbsbx.com/"),
        (Target.PORT, "https://simulated.fbsbx.com:8443/"),
        (Target.IP, "https://127.0.0.1/"),
        (Target.IPV6, "https://[::1]/"),
        (Target.IP_NUMBER, "https://2130706433/"),
        (Target.USER_INFO, "http://meta:secret@127.0.0.1:"),
        (Target.FILE, "file:///etc/hostname"),
        (Target.NOT_A_URL, "https://[not a url"),
    ],
)
async def test_links_and_redirects_lead_where_nobody_should_go(
    client: Client, media: Media, target: Target, begin: str
) -> None:
    metadata = await client.metadata(media, Fault(name=FaultName.WRONG_URL, target=target))
    client.sim.faults.clear()
    download = await client.download(media, redirect(target))
    hop = await client.metadata(media, redirect(target, at=Step.METADATA))

    assert metadata.json["url"].startswith(begin)
    assert download.headers["Location"].startswith(begin)
    assert hop.headers["Location"].startswith(begin)


async def test_any_place_can_be_given_with_a_path_that_works(client: Client, media: Media) -> None:
    url = "https://media.fbcdn.net{path}"

    metadata = await client.metadata(media, Fault(name=FaultName.WRONG_URL, url=url))
    client.sim.faults.clear()
    link = metadata.json["url"].replace("https://media.fbcdn.net", client.sim.base_url)
    with_token, without = await client.get(link), await client.get(link, headers={"Authorization": ""})
    elsewhere = await client.download(media, redirect(url=url))

    assert (with_token.body, without.status) == (PDF, 401)
    assert elsewhere.headers["Location"].startswith("https://media.fbcdn.net/whatsapp_business/attachments/?mid=")
    public = elsewhere.headers["Location"].replace("https://media.fbcdn.net", client.sim.base_url)
    assert (await client.get(public, headers={"Authorization": ""})).body == PDF


async def test_a_redirect_can_lead_nowhere(client: Client, media: Media) -> None:
    answer = await client.download(media, redirect(Target.NONE))

    assert answer.status == 302
    assert "Location" not in answer.headers


async def test_metadata_can_be_redirected_and_is_right_after_that(client: Client, media: Media) -> None:
    first = await client.metadata(media, redirect(at=Step.METADATA))
    second = await client.get(first.headers["Location"])

    assert (first.status, second.json["id"]) == (302, media.id)
