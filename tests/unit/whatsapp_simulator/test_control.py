from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.whatsapp_simulator.peers import Receiver
from whatsapp_simulator import Simulator


class Control:
    """The control API as a program in any language would use it."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession) -> None:
        self._base, self._session = f"{sim.base_url}/_control/", session

    async def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self._session.request(method, self._base + path, json=body) as response:
            return response.status, await response.json() if response.status != 204 else None


@pytest.fixture
async def control(sim: Simulator, session: aiohttp.ClientSession) -> Control:
    return Control(sim, session)


@pytest.fixture
async def received(sim: Simulator) -> AsyncIterator[list[Any]]:
    bodies: list[Any] = []

    async def receive(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as server:
        sim.webhook_url = str(server.make_url("/hook"))
        yield bodies


async def test_a_sample_is_added_sent_and_downloaded_over_http(
    sim: Simulator, session: aiohttp.ClientSession, control: Control, received: list[Any]
) -> None:
    status, media = await control("POST", "media", {"sample": "pdf", "faults": [{"name": "corrupt", "times": 1}]})
    assert status == 201

    order = {"messages": [{"mediaId": media["id"], "caption": "here"}, {"text": "and a word"}]}
    status, sent = await control("POST", "webhooks", order)

    assert (status, sent["accepted"], sent["statuses"], len(sent["messageIds"])) == (200, True, [200], 2)
    messages = received[0]["entry"][0]["changes"][0]["value"]["messages"]
    assert [message["id"] for message in messages] == sent["messageIds"]
    assert messages[0]["document"]["caption"] == "here"
    async with session.get(f"{sim.base_url}/v25.0/{media['id']}") as response:
        assert (await response.json())["sha256"] == media["sha256"]
    _, requests = await control("GET", "requests")
    assert requests == {"metadata": 1, "downloads": 0, "byMediaId": {media["id"]: {"metadata": {"200": 1}}}}


async def test_a_file_of_ones_own_and_a_sender_can_be_given(control: Control, received: list[Any]) -> None:
    data = base64.b64encode(b"demo-image").decode()
    _, media = await control("POST", "media", {"kind": "image", "mimeType": "image/jpeg", "base64": data})

    await control("POST", "webhooks", {"messages": [{"mediaId": media["id"], "sender": {"userId": "US.3"}}]})

    assert media["sha256"] == "1274fc170770be8c3348dedc6b8ca6e3ff04f944fce866c1a96bc422ba635106"
    assert received[0]["entry"][0]["changes"][0]["value"]["contacts"] == [{"user_id": "US.3"}]


async def test_a_large_file_is_a_padded_sample(control: Control) -> None:
    _, media = await control("POST", "media", {"sample": "photo", "sizeBytes": 1_000_000, "seed": 1})

    _, listed = await control("GET", "media")

    assert media["sizeBytes"] == 1_000_000
    assert listed == [media]


async def test_faults_change_while_it_runs(sim: Simulator, session: aiohttp.ClientSession, control: Control) -> None:
    media = sim.add_sample("photo")
    url = f"{sim.base_url}/v25.0/{media.id}"

    await control("PUT", f"faults/{media.id}", [{"name": "rate_limited", "retryAfterSeconds": None}])
    _, planned = await control("GET", "faults")
    async with session.get(url) as limited:
        assert limited.status == 429
        assert "Retry-After" not in limited.headers
    await control("PUT", f"faults/{media.id}", [])

    assert planned[media.id][0]["name"] == "rate_limited"
    async with session.get(url) as healed:
        assert healed.status == 200


async def test_the_clock_the_tokens_and_the_counts_are_under_control(
    sim: Simulator, session: aiohttp.ClientSession, control: Control
) -> None:
    media, before = sim.add_sample("photo"), sim.clock.now()

    await control("POST", "clock", {"advanceSeconds": 301})
    await control("PUT", f"numbers/{sim.number.phone_number_id}", {"accessToken": "new-token"})
    async with session.get(f"{sim.base_url}/v25.0/{media.id}") as response:
        assert response.status == 401
    assert sim.requests.metadata() == 1
    await control("DELETE", "requests")

    assert sim.clock.now() - before == pytest.approx(301)
    assert sim.requests.metadata() == 0


async def test_faults_for_all_come_and_go(sim: Simulator, session: aiohttp.ClientSession, control: Control) -> None:
    url = f"{sim.base_url}/v25.0/{sim.add_sample('photo').id}"

    await control("PUT", "faults", [{"name": "graph_error", "code": 131016, "per": "attachment"}])
    _, planned = await control("GET", "faults")
    async with session.get(url) as broken:
        assert broken.status == 500
    await control("DELETE", "faults")

    assert planned == {"*": [{"name": "graph_error", "code": 131016, "per": "attachment"}]}
    async with session.get(url) as healed:
        assert healed.status == 200
    _, requests = await control("GET", "requests")
    assert requests["faults"] == {"graph_error": 1}


async def test_a_limit_is_set_and_lifted(sim: Simulator, session: aiohttp.ClientSession, control: Control) -> None:
    url = f"{sim.base_url}/v25.0/{sim.add_sample('photo').id}"

    await control("PUT", "limit", {"requests": 0, "code": 80007})
    async with session.get(url) as refused:
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, 80007)
    await control("DELETE", "limit")

    async with session.get(url) as healed:
        assert healed.status == 200


async def test_kinds_are_sent_by_name(control: Control, received: list[Any]) -> None:
    status, sent = await control("POST", "webhooks", {"messages": [{"kind": "flow"}, {"kind": "edit", "caption": "x"}]})

    messages = received[0]["entry"][0]["changes"][0]["value"]["messages"]
    assert status == 200
    assert [message["type"] for message in messages] == ["interactive", "image", "edit"]
    assert [message["id"] for message in messages] == sent["messageIds"]


async def test_traffic_is_run_to_its_end(control: Control, received: list[Any]) -> None:
    order = {"kinds": ["photo", "text"], "count": 10, "batch": 5, "duplicates": 1, "reorder": True}

    status, sent = await control("POST", "traffic", order)

    assert status == 200
    assert len(received) == 4
    assert {key: sent[key] for key in ("posts", "updates", "attachments", "duplicates", "refused", "statuses")} == {
        "posts": 4,
        "updates": 10,
        "attachments": 5,
        "duplicates": 2,
        "refused": 0,
        "statuses": {"200": 4},
    }


async def test_a_receiver_is_subscribed_over_http(control: Control, receiver: Receiver) -> None:
    fine = await control("PUT", "subscription", {"url": receiver.url})
    wrong = await control("PUT", "subscription", {"url": receiver.url, "verifyToken": "another"})
    status, sent = await control("POST", "webhooks", {"messages": [{"text": "hi"}]})

    assert (fine, wrong) == ((200, {"verified": True}), (502, {"verified": False}))
    assert (status, sent["accepted"]) == (200, True)


async def test_the_outbox_shows_what_the_business_sent(
    sim: Simulator, session: aiohttp.ClientSession, control: Control
) -> None:
    words = {"messaging_product": "whatsapp", "to": "15550109999", "type": "text", "text": {"body": "hi"}}
    await session.post(f"{sim.base_url}/v25.0/{sim.number.phone_number_id}/messages", json=words)

    _, (message,) = await control("GET", "outbox")
    await control("DELETE", "outbox")

    assert message.items() >= {"to": "15550109999", "payload": words}.items()
    assert (await control("GET", "outbox"))[1] == []


async def test_names_can_be_asked_for(control: Control) -> None:
    _, kinds = await control("GET", "kinds")
    _, faults = await control("GET", "fault-names")

    assert kinds["flow"] == "a Flow reply with three files"
    assert faults["gone"] == "410"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "media", {"sample": "nothing"}, "'nothing' is none of photo"),
        ("POST", "media", {"sample": "photo", "sizeBytes": 3}, "sizeBytes"),
        ("POST", "media", {"sample": "photo", "sise": 3}, "unknown: sise"),
        ("POST", "media", {"kind": "image", "mimeType": "image/png"}, "base64: missing"),
        ("POST", "media", {"kind": "film", "mimeType": "video/mp4"}, "'film' is none of image"),
        ("POST", "media", {"sample": "photo", "phoneNumberId": "9"}, "'9' was never added"),
        ("PUT", "faults/7", [{"name": "tired"}], "'tired' is none of expired"),
        ("PUT", "faults/7", [{"name": "corrupt", "times": "two"}], "times: 'two' is not of type int"),
        ("PUT", "faults/7", [{"name": "server_error", "status": 404}], "404 is not a 5xx status"),
        ("PUT", "faults/7", {}, "expected a JSON array"),
        ("POST", "webhooks", {"messages": []}, "none given"),
        ("POST", "webhooks", {"messages": [{"mediaId": "9"}]}, "'9' is not held"),
        ("PUT", "faults", [{"name": "corrupt", "code": 4}], "code means nothing to it"),
        ("PUT", "limit", {"requests": -1}, "a limit needs"),
        ("POST", "webhooks", {"messages": [{"kind": "film"}]}, "'film' is none of image"),
        ("POST", "webhooks", {"messages": [{"kind": "text"}]}, "no receiver"),
        ("POST", "webhooks", {"messages": [{"text": "hi", "kid": 1}]}, "unknown: kid"),
        ("POST", "traffic", {"kinds": ["film"]}, "film: no such kind"),
        ("POST", "traffic", {"kinds": ["text"]}, "no receiver"),
        ("POST", "clock", {"advanceSeconds": -1}, "only be set forward"),
        ("POST", "clock", 5, "expected a JSON object"),
    ],
)
async def test_mistakes_are_named(control: Control, method: str, path: str, body: object, words: str) -> None:
    status, answer = await control(method, path, body)

    assert status == 400
    assert words in answer["error"]


async def test_a_web_page_cannot_control_it(sim: Simulator, session: aiohttp.ClientSession) -> None:
    async with session.post(f"{sim.base_url}/_control/clock", data='{"advanceSeconds": 9}') as response:
        assert response.status == 400
