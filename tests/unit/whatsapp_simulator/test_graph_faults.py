"""Reference section 3.7, and what metadata may lie about."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import aiohttp
import pytest

from tests.unit.whatsapp_simulator.peers import Client
from whatsapp_simulator import BodyForm, Fault, FaultName, Kind, Media, RetryAfterForm, Shape, Simulator, Step, Target


@pytest.fixture
def media(sim: Simulator) -> Media:
    return sim.add_media(b"demo-image", kind=Kind.IMAGE, mime_type="image/jpeg")


def graph_error(**options: Any) -> Fault:
    return Fault(name=FaultName.GRAPH_ERROR, **options)


@pytest.mark.parametrize(
    ("code", "subcode", "status"),
    [
        (190, None, 401),
        (190, 463, 401),
        (190, 467, 401),
        (0, None, 401),
        (104, None, 401),
        (200, None, 403),
        (3, None, 403),
        (10, None, 403),
        (294, None, 403),
        (131005, None, 403),
        (100, 33, 400),
        (100, None, 400),
        (33, None, 400),
        (131008, None, 400),
        (131009, None, 400),
        (4, None, 400),
        (80007, None, 400),
        (130429, None, 400),
        (131056, None, 400),
        (131048, None, 400),
        (1, None, 500),
        (2, None, 503),
        (131000, None, 500),
        (131016, None, 500),
        (131057, None, 500),
        (368, None, 403),
        (131031, None, 403),
        (131045, None, 500),
        (133010, None, 400),
        (131052, None, 400),
        (131053, None, 400),
        (424242, None, 400),
    ],
)
async def test_each_code_comes_with_its_status_and_as_graph_writes_it(
    client: Client, media: Media, code: int, subcode: int | None, status: int
) -> None:
    answer = await client.metadata(media, graph_error(code=code, subcode=subcode))

    error = answer.json["error"]
    assert answer.status == status
    assert (error["code"], error.get("error_subcode")) == (code, subcode)
    assert error["type"] == ("GraphMethodException" if subcode == 33 else "OAuthException")
    assert error["message"]
    assert error["fbtrace_id"].startswith("A")
    assert ("error_data" in error) == (130000 < code < 140000)


async def test_everything_about_an_error_can_be_told(client: Client, media: Media) -> None:
    fault = graph_error(code=200, status=500, message="Provide a valid access token", is_transient=True)

    answer = await client.metadata(media, fault)

    assert answer.status == 500
    assert (
        answer.json["error"].items()
        >= {
            "code": 200,
            "message": "Provide a valid access token",
            "is_transient": True,
        }.items()
    )


async def test_an_error_can_come_at_the_download_too(client: Client, media: Media) -> None:
    answer = await client.download(media, graph_error(code=190, at=Step.DOWNLOAD))

    assert (answer.status, answer.json["error"]["code"]) == (401, 190)


@pytest.mark.parametrize(
    ("form", "content_type", "body"),
    [
        (BodyForm.EMPTY, "application/json", b""),
        (BodyForm.HTML, "text/html", b"<!DOCTYPE html>"),
        (BodyForm.TEXT, "application/json", b"Sorry"),
        (BodyForm.CUT_JSON, "application/json", b'{"error":{'),
        (BodyForm.WRONG_TYPES, "application/json", b'{"error":{"message":5'),
        (BodyForm.JSON, "application/json", b'{"error":{"message":"'),
    ],
)
@pytest.mark.parametrize("name", [FaultName.GRAPH_ERROR, FaultName.SERVER_ERROR, FaultName.RATE_LIMITED])
async def test_a_refusal_has_any_body(
    client: Client, media: Media, name: FaultName, form: BodyForm, content_type: str, body: bytes
) -> None:
    answer = await client.metadata(media, Fault(name=name, body=form))

    assert answer.status in {429, 500, 503}
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.body.startswith(body)
    assert bool(answer.body) == bool(body)
    if form is BodyForm.CUT_JSON:
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)


@pytest.mark.parametrize(
    ("form", "header"),
    [
        (RetryAfterForm.SECONDS, "30"),
        (RetryAfterForm.DATE, "Mon, 21 Sep 2026 14:13:50 GMT"),
        (RetryAfterForm.FRACTION, "30.5"),
        (RetryAfterForm.NEGATIVE, "-30"),
        (RetryAfterForm.JUNK, "soon"),
    ],
)
@pytest.mark.parametrize("at", list(Step))
@pytest.mark.parametrize("name", [FaultName.RATE_LIMITED, FaultName.SERVER_ERROR])
async def test_retry_after_has_each_form(
    client: Client, media: Media, name: FaultName, at: Step, form: RetryAfterForm, header: str
) -> None:
    fault = Fault(name=name, at=at, retry_after_seconds=30, retry_after_form=form)

    answer = await (client.metadata if at is Step.METADATA else client.download)(media, fault)

    assert answer.headers["Retry-After"] == header


async def test_only_a_rate_limit_has_retry_after_by_itself(client: Client, media: Media) -> None:
    limited = await client.metadata(media, Fault(name=FaultName.RATE_LIMITED))
    unlimited = await client.metadata(media, Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=None))
    broken = await client.metadata(media, Fault(name=FaultName.SERVER_ERROR))

    assert [answer.headers.get("Retry-After") for answer in (limited, unlimited, broken)] == ["1", None, None]


@pytest.mark.parametrize(
    ("code", "header"),
    [(4, "X-App-Usage"), (80007, "X-Business-Use-Case-Usage"), (130429, "X-Business-Use-Case-Usage")],
)
async def test_a_rate_limit_shows_in_the_usage_header_of_its_code(
    client: Client, media: Media, code: int, header: str
) -> None:
    answer = await client.metadata(media, Fault(name=FaultName.RATE_LIMITED, code=code))

    assert (answer.status, answer.json["error"]["code"]) == (429, code)
    assert '"call_count": 100' in answer.headers[header]


async def test_a_rate_limit_says_in_minutes_when_access_returns(client: Client, media: Media) -> None:
    fault = Fault(name=FaultName.RATE_LIMITED, code=80007, status=400, regain_access_minutes=7)

    answer = await client.metadata(media, fault)

    (usage,) = json.loads(answer.headers["X-Business-Use-Case-Usage"]).values()
    assert answer.status == 400
    assert usage[0] == {
        "type": "whatsapp",
        "call_count": 100,
        "total_cputime": 5,
        "total_time": 7,
        "estimated_time_to_regain_access": 7,
    }


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        (Fault(name=FaultName.WRONG_SIZE), {"file_size": 11}),
        (Fault(name=FaultName.WRONG_SIZE, size_bytes=5), {"file_size": 5}),
        (Fault(name=FaultName.TEXT_SIZE), {"file_size": "10"}),
        (Fault(name=FaultName.NO_SIZE), {"file_size": None}),
        (Fault(name=FaultName.WRONG_DIGEST), {"sha256": hashlib.sha256(b"another file").hexdigest()}),
        (Fault(name=FaultName.BASE64_DIGEST), {"sha256": "EnT8FwdwvowzSN7ca4ym4/8E+UT86GbBqWvEIrpjUQY="}),
        (Fault(name=FaultName.JUNK_DIGEST), {"sha256": "not a digest"}),
        (Fault(name=FaultName.NO_DIGEST), {"sha256": None}),
        (Fault(name=FaultName.WRONG_MIME), {"mime_type": "application/octet-stream"}),
        (Fault(name=FaultName.WRONG_TYPES), {"mime_type": ["image/jpeg"], "sha256": 7, "file_size": True, "id": None}),
        (Fault(name=FaultName.WRONG_TYPES, shape=Shape.URL), {"url": 7}),
        (Fault(name=FaultName.WRONG_TYPES, shape=Shape.NO_URL), {"url": None}),
        (Fault(name=FaultName.WRONG_URL, target=Target.NONE), {"url": None}),
    ],
)
async def test_metadata_lies_about_one_thing_only(
    client: Client, media: Media, fault: Fault, changes: dict[str, object]
) -> None:
    right = (await client.metadata(media)).json

    answer = (await client.metadata(media, fault)).json

    changed = {key for key in right if right[key] != answer.get(key)}
    assert answer.keys() <= right.keys()
    assert changed == set(changes)
    assert {key: answer.get(key) for key in changes} == changes


@pytest.mark.parametrize(
    ("shape", "kind"),
    [(Shape.EMPTY_OBJECT, dict), (Shape.ARRAY, list), (Shape.TEXT, str), (Shape.NUMBER, int), (Shape.NULL, type(None))],
)
async def test_metadata_is_json_of_another_form(client: Client, media: Media, shape: Shape, kind: type) -> None:
    answer = await client.metadata(media, Fault(name=FaultName.WRONG_TYPES, shape=shape))

    assert answer.status == 200
    assert isinstance(answer.json, kind)


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (Fault(name=FaultName.EMPTY), b""),
        (Fault(name=FaultName.NOT_JSON), b"Sorry, something went wrong."),
        (Fault(name=FaultName.NOT_JSON, body=BodyForm.CUT_JSON), b'{"messaging_product":"'),
        (Fault(name=FaultName.HTML, at=Step.METADATA), b"<!DOCTYPE html>"),
    ],
)
async def test_a_success_has_a_body_that_is_none(client: Client, media: Media, fault: Fault, body: bytes) -> None:
    answer = await client.metadata(media, fault)

    assert answer.status == 200
    assert answer.body.startswith(body)
    assert bool(answer.body) == bool(body)
    assert answer.headers["facebook-api-version"] == "v25.0"


async def test_metadata_can_be_forbidden(client: Client, media: Media) -> None:
    answer = await client.metadata(media, Fault(name=FaultName.FORBIDDEN, at=Step.METADATA))

    assert (answer.status, answer.json["error"]["code"]) == (403, 10)


async def test_a_reset_of_metadata_can_wait_for_some_bytes(
    client: Client, media: Media, session: aiohttp.ClientSession
) -> None:
    client.sim.faults.put(media.id, Fault(name=FaultName.RESET, at=Step.METADATA, after_bytes=5))

    async with session.get(client.metadata_url(media)) as response:
        with pytest.raises(aiohttp.ClientError):
            await response.read()

    assert response.status == 200
