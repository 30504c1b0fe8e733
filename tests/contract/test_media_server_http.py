"""Section 2 of the contract, media-server: the API of the real process answers as the table says."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.contract.documents import ORIGINAL, SENT_AT, document, failure, in_database
from tests.contract.recorded_run import Run
from tests.contract.webhooks import CAPTION, FILE_NAME, NAME, PHONE, USERNAME, media_message, signed, webhook
from tests.e2e.world import JSON, World
from whatsapp_simulator import Fault, FaultName

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NUMBER = "309900000000001"
LISTS = ("/api/conversations", "/api/messages", "/api/conversations/{conversation}/messages")
CODES = {
    *("provider_auth", "provider_permission", "provider_not_found", "provider_rate_limited"),
    *("provider_unavailable", "provider_rejected", "media_expired", "media_too_large", "media_corrupt"),
    *("download_timeout", "host_not_allowed", "storage_full", "storage_unavailable"),
    *("preview_timeout", "preview_out_of_memory", "preview_unreadable", "preview_crashed"),
    *("no_instance", "undecodable_event", "internal"),
}
OPERATOR_ROUTES = (
    ("GET", "/api/conversations"),
    ("GET", "/api/conversations/{conversation}/messages"),
    ("GET", "/api/messages"),
    ("GET", "/api/messages/{id}"),
    ("POST", "/api/messages/{id}/retry"),
    ("GET", "/api/messages/{id}/content/original"),
    ("GET", "/api/events"),
)


async def asked(client: aiohttp.ClientSession, path: str, *, method: str = "GET", **options: Any) -> tuple[int, Any]:
    """Status and JSON of the answer."""
    async with client.request(method, path, allow_redirects=False, **options) as response:
        return response.status, await response.json(content_type=None)


async def got(client: aiohttp.ClientSession, path: str) -> Any:
    """The JSON of an answer that is 200."""
    status, answer = await asked(client, path)
    assert status == 200, answer
    return answer


def filled(path: str, run: Run) -> str:
    """The path with ids that exist."""
    shown = run.document("ready")
    return path.replace("{id}", shown["_id"]).replace("{conversation}", shown["conversationId"])


def is_problem(answer: Any, *, status: int, code: str) -> bool:
    """Whether this is the contract's error."""
    texts = {"code", "title", "detail"}
    return bool(
        set(answer) >= texts | {"status"}
        and all(isinstance(answer[name], str) and answer[name] for name in texts)
        and (answer["status"], answer["code"]) == (status, code)
    )


def walked(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every node of a JSON answer with the keys that lead to it."""
    yield path, value
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from walked(inner, (*path, key))
    for inner in value if isinstance(value, list) else ():
        yield from walked(inner, path)


async def everything(run: Run) -> list[Any]:
    """An answer of each kind."""
    api, paths = run.world.api, (*LISTS, *(f"/api/messages/{run.document(what)['_id']}" for what in run.wamids))
    return [await got(api, filled(path, run)) for path in paths]


async def test_names_are_camel_case(run: Run) -> None:
    keys = {path[-1] for answer in await everything(run) for path, _ in walked(answer) if path}

    assert [key for key in keys if not re.fullmatch(r"[a-z][A-Za-z0-9]*", key)] == []


async def test_absent_optional_fields_are_left_out(run: Run) -> None:
    nulls = {path[-1] for answer in await everything(run) for path, value in walked(answer) if value is None}

    assert nulls <= {"nextCursor"}


async def test_times_are_rfc_3339_utc_with_z_and_milliseconds(run: Run) -> None:
    times = [
        value
        for answer in await everything(run)
        for path, value in walked(answer)
        if path and (path[-1] in {"at", "deadline"} or path[-1].endswith("At"))
    ]

    assert times
    assert [time for time in times if not TIME.fullmatch(time)] == []


async def test_openapi_3_1_at_api_openapi_json(stranger: aiohttp.ClientSession) -> None:
    specification = await got(stranger, "/api/openapi.json")

    assert re.fullmatch(r"3\.1\.\d+", specification["openapi"])
    paths = {(method.upper(), path) for path, methods in specification["paths"].items() for method in methods}
    assert {
        ("GET", "/api/conversations"),
        ("GET", "/api/conversations/{conversationId}/messages"),
        ("GET", "/api/messages"),
        ("GET", "/api/messages/{id}"),
        ("POST", "/api/messages/{id}/retry"),
        ("GET", "/api/messages/{id}/content/{name}"),
        ("GET", "/api/events"),
        ("GET", "/media/{token}/{fileName}"),
        ("HEAD", "/media/{token}/{fileName}"),
    } <= paths


@pytest.mark.parametrize("path", LISTS)
async def test_lists_are_items_and_next_cursor(run: Run, path: str) -> None:
    answer = await got(run.world.api, filled(path, run))

    assert set(answer) == {"items", "nextCursor"}
    assert isinstance(answer["items"], list)
    assert answer["nextCursor"] is None or isinstance(answer["nextCursor"], str)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "ten", "1.5", ""])
@pytest.mark.parametrize("path", LISTS)
async def test_a_limit_outside_1_to_200_is_400_bad_request(run: Run, path: str, limit: str) -> None:
    status, answer = await asked(run.world.api, filled(path, run), params={"limit": limit})

    assert status == 400
    assert is_problem(answer, status=400, code="bad_request")


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_of_nobody_is_400_bad_request(run: Run, path: str) -> None:
    status, answer = await asked(run.world.api, filled(path, run), params={"cursor": "nobody's"})

    assert (status, answer["code"]) == (400, "bad_request")


async def test_the_limit_is_50_when_left_out_and_200_at_most(world: World) -> None:
    documents = [document(phone_number_id=NUMBER) for _ in range(201)]

    with in_database(world, *documents):
        usual = await got(world.api, f"/api/messages?phoneNumberId={NUMBER}")
        most = await got(world.api, f"/api/messages?phoneNumberId={NUMBER}&limit=200")

    assert (len(usual["items"]), len(most["items"])) == (50, 200)
    assert usual["nextCursor"]
    assert most["nextCursor"]


async def test_messages_are_ordered_by_sent_at_and_id_descending_page_by_page(world: World) -> None:
    documents = [
        document(phone_number_id=NUMBER, sentAt=SENT_AT + timedelta(milliseconds=n // 3), conversationId="cordered")
        for n in range(10)
    ]
    expected = [d["_id"] for d in sorted(documents, key=lambda d: (d["sentAt"], d["_id"]), reverse=True)]
    seen, cursor = [], ""

    with in_database(world, *documents):
        while True:
            page = await got(world.api, f"/api/messages?phoneNumberId={NUMBER}&limit=3{cursor}")
            seen += [item["id"] for item in page["items"]]
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"

    assert seen == expected


async def test_conversations_are_ordered_by_last_message_at_descending(run: Run) -> None:
    """Two customers, two numbers: the run left several conversations."""
    items = (await got(run.world.api, "/api/conversations?limit=200"))["items"]

    times = [item["lastMessageAt"] for item in items]
    assert len(times) >= 2
    assert times == sorted(times, reverse=True)


async def test_a_conversation_has_the_fields_of_the_contract(run: Run) -> None:
    items = (await got(run.world.api, "/api/conversations?limit=200"))["items"]
    conversation = next(item for item in items if item["id"] == run.document("ready")["conversationId"])

    assert set(conversation) == {
        "id",
        "phoneNumberId",
        "participants",
        "lastMessageAt",
        "messageCount",
        "failedCount",
    }
    assert conversation["phoneNumberId"] == run.phone_number_id
    assert {"waId": PHONE, "name": NAME, "username": USERNAME} in conversation["participants"]
    documents = list(run.world.messages.find({"conversationId": conversation["id"]}))
    assert conversation["messageCount"] == len(documents)
    assert conversation["failedCount"] == sum(d["media"]["status"] == "failed" for d in documents)


@pytest.mark.parametrize("what", ["ready", "document", "skipped", "refused", "broken", "rejected"])
async def test_a_message_is_the_document_with_links_in_place_of_storage(run: Run, what: str) -> None:
    kept = run.document(what)
    shown = await got(run.world.api, f"/api/messages/{kept['_id']}")

    assert set(shown) == set(kept) - {"_id"} | {"id"}
    assert shown["id"] == kept["_id"]
    for name in ("conversationId", "messageId", "direction", "phoneNumberId", "sender", "kind"):
        assert shown[name] == kept[name]
    kept_media = {"facts": {}} | kept["media"]
    assert set(shown["media"]) - {"original"} == set(kept_media) - {"storage", "wakeAt"} | {"renditions"}
    for name in ("status", "revision", "attempts", "declared", "facts"):
        assert shown["media"][name] == kept_media[name]


async def test_original_is_absent_until_stored(run: Run) -> None:
    for what in ("skipped", "refused", "rejected"):
        assert "original" not in (await run.world.shown(run.document(what)["_id"]))["media"]


async def test_original_and_renditions_have_the_fields_of_the_contract(run: Run) -> None:
    media = (await run.world.shown(run.document("ready")["_id"]))["media"]

    assert set(media["original"]) == {"url", "mimeType", "sizeBytes", "sha256", "expiresAt"}
    assert set(media["renditions"]["thumb"]) == {"url", "mimeType", "width", "height", "sizeBytes", "expiresAt"}
    for link in (media["original"]["url"], media["renditions"]["thumb"]["url"]):
        assert link.startswith("/media/"), "path-absolute"


async def test_provider_status_and_provider_code_are_integers(run: Run) -> None:
    failures = [
        (await run.world.shown(run.document(what)["_id"]))["media"]["failure"] for what in ("refused", "rejected")
    ]

    assert failures[0]["providerStatus"] == 401
    assert isinstance(failures[0]["providerCode"], int)
    assert failures[1]["providerCode"] == 131052


async def test_a_conversations_messages_come_newest_first_each_with_fresh_signed_links(run: Run) -> None:
    page = await got(run.world.api, filled("/api/conversations/{conversation}/messages?limit=200", run))

    order = [(item["sentAt"], item["id"]) for item in page["items"]]
    assert order == sorted(order, reverse=True)
    shown = next(item for item in page["items"] if item["messageId"] == run.wamids["ready"])
    assert (await run.world.fetched(shown["media"]["original"]["url"]))[0] == 200


async def test_messages_are_filtered_by_status_number_and_code(run: Run) -> None:
    path = f"/api/messages?status=failed&phoneNumberId={run.phone_number_id}&code=provider_auth&limit=200"

    items = (await got(run.world.api, path))["items"]

    assert run.wamids["refused"] in {item["messageId"] for item in items}
    assert {(item["media"]["status"], item["media"]["failure"]["code"]) for item in items} == {
        ("failed", "provider_auth")
    }


async def test_statuses_and_error_codes_are_those_of_the_contract(stranger: aiohttp.ClientSession) -> None:
    specification = await got(stranger, "/api/openapi.json")
    parameters = specification["paths"]["/api/messages"]["get"]["parameters"]
    known = {each["name"]: set(each["schema"].get("enum", ())) for each in parameters}

    assert known["status"] == {"pending", "stored", "ready", "skipped", "failed"}
    assert known["code"] == CODES


@pytest.mark.parametrize("query", ["status=lost", "code=bad_luck"])
async def test_a_status_or_code_that_does_not_exist_is_400_bad_request(world: World, query: str) -> None:
    status, answer = await asked(world.api, f"/api/messages?{query}")

    assert (status, answer["code"]) == (400, "bad_request")


@pytest.mark.parametrize(("method", "path"), OPERATOR_ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer nobodys-token-1234", "Basic b3BlcmF0b3I6", "Bearer "])
async def test_no_or_bad_bearer_is_401_unauthorized(
    run: Run, stranger: aiohttp.ClientSession, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    status, answer = await asked(stranger, filled(path, run), method=method, headers=headers)

    assert status == 401
    assert is_problem(answer, status=401, code="unauthorized")


@pytest.mark.parametrize("path", [path for method, path in OPERATOR_ROUTES[:4] if method == "GET"])
async def test_admin_may_do_all_that_operator_may(run: Run, stranger: aiohttp.ClientSession, path: str) -> None:
    headers = {"Authorization": f"Bearer {run.world.settings['ADMIN_TOKEN']}"}

    status, _ = await asked(stranger, filled(path, run), headers=headers)

    assert status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/messages/mnobody"),
        ("POST", "/api/messages/mnobody/retry"),
        ("GET", "/api/messages/mnobody/content/original"),
        ("GET", "/api/conversations/cnobody/messages"),
        ("GET", "/api/nothing"),
    ],
)
async def test_an_unknown_id_is_404_not_found(world: World, method: str, path: str) -> None:
    status, answer = await asked(world.api, path, method=method)

    assert status == 404
    assert is_problem(answer, status=404, code="not_found")


async def test_errors_are_application_problem_json(run: Run, stranger: aiohttp.ClientSession) -> None:
    for client, path in (
        (stranger, "/api/messages"),
        (run.world.api, "/api/messages/mnobody"),
        (stranger, "/media/x/y"),
    ):
        async with client.get(path) as response:
            assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("what", ["refused", "skipped"])
async def test_retry_answers_202_with_the_message_for_failed_and_skipped(world: World, what: str) -> None:
    reason = "provider_auth" if what == "refused" else "media_too_large"
    media: JSON = {"status": "failed" if what == "refused" else "skipped", "storage": {"renditions": {}}}
    number = world.simulator.number.phone_number_id
    each = document(phone_number_id=number, media=media | {"failure": failure("ingest", reason)})

    with in_database(world, each):
        status, answer = await asked(world.api, f"/api/messages/{each['_id']}/retry", method="POST")
        await world.ended(each["messageId"])

    assert status == 202
    assert (answer["id"], answer["media"]["status"]) == (each["_id"], "pending")
    assert answer["media"]["revision"] > 3


async def test_retry_answers_202_for_one_that_waits_for_a_later_attempt(world: World) -> None:
    fault = Fault(name=FaultName.RATE_LIMITED, times=1, retry_after_seconds=3)
    message = await world.send("photo", seed=9201, faults=[fault])
    waiting = await world.until(lambda: _waiting(world.document(message.id)))

    status, answer = await asked(world.api, f"/api/messages/{waiting['_id']}/retry", method="POST")

    assert status == 202
    assert answer["media"]["status"] == "pending"
    assert (await world.ended(message.id))["media"]["status"] == "ready"


def _waiting(found: JSON | None) -> JSON | None:
    return found if found is not None and "nextAttemptAt" in found["media"] else None


async def test_retry_answers_409_nothing_to_retry_otherwise(run: Run) -> None:
    path = f"/api/messages/{run.document('ready')['_id']}/retry"

    status, answer = await asked(run.world.api, path, method="POST")

    assert status == 409
    assert is_problem(answer, status=409, code="nothing_to_retry")


async def test_past_the_deadline_one_attempt_is_made(world: World) -> None:
    message = await world.send("photo", seed=9202, faults=[Fault(name=FaultName.UNAUTHORIZED)])
    failed = await world.ended(message.id)
    media = world.simulator.media[-1]
    world.simulator.faults.put(media.id, Fault(name=FaultName.SERVER_ERROR))
    world.messages.update_one({"_id": failed["_id"]}, {"$set": {"media.deadline": SENT_AT - timedelta(days=365)}})
    asked_before = world.simulator.requests.metadata(media.id)

    status, _ = await asked(world.api, f"/api/messages/{failed['_id']}/retry", method="POST")
    await world.until(lambda: _failed_with(world.document(message.id), 503))

    assert status == 202
    assert world.simulator.requests.metadata(media.id) == asked_before + 1


def _failed_with(found: JSON | None, provider_status: int) -> JSON | None:
    assert found is not None
    media = found["media"]
    has_it = media["status"] == "failed" and media["failure"].get("providerStatus", 0) // 100 == provider_status // 100
    return found if has_it else None


@pytest.mark.parametrize(
    ("media", "name", "status", "code"),
    [
        ({"status": "pending", "storage": {"renditions": {}}}, "original", 404, "not_ready"),
        ({"status": "stored", "storage": {"original": ORIGINAL, "renditions": {}}}, "original", 302, None),
        ({"status": "ready"}, "original", 302, None),
        ({"status": "ready"}, "thumb", 302, None),
        ({"status": "ready"}, "nothing-of-that-name", 404, "not_found"),
        (
            {"status": "skipped", "storage": {"renditions": {}}, "failure": failure("ingest", "media_too_large")},
            "original",
            410,
            "media_too_large",
        ),
        (
            {"status": "failed", "storage": {"renditions": {}}, "failure": failure("ingest", "media_expired")},
            "original",
            410,
            "media_expired",
        ),
        (
            {
                "status": "failed",
                "storage": {"original": ORIGINAL, "renditions": {}},
                "failure": failure("preview", "preview_timeout"),
            },
            "original",
            302,
            None,
        ),
    ],
    ids=lambda value: value["status"] if isinstance(value, dict) else str(value),
)
async def test_content_answers_as_in_the_state_table(
    world: World, media: JSON, name: str, status: int, code: str | None
) -> None:
    each = document(phone_number_id=NUMBER, media=media)

    with in_database(world, each):
        async with world.api.get(f"/api/messages/{each['_id']}/content/{name}", allow_redirects=False) as response:
            assert response.status == status
            if status == 302:
                assert response.headers["Location"].startswith("/media/")
            else:
                assert is_problem(await response.json(content_type=None), status=status, code=str(code))
            if code == "not_ready":
                assert int(response.headers["Retry-After"]) > 0


async def test_names_captions_and_file_names_are_shown_to_the_operator(run: Run) -> None:
    """They belong into the API: the opposite would make the test of logs worth nothing."""
    shown = await run.world.shown(run.document("document")["_id"])

    assert (shown["caption"], shown["fileName"]) == (CAPTION, FILE_NAME)
    assert shown["sender"] == {"waId": PHONE, "name": NAME, "username": USERNAME}


async def test_a_number_without_an_instance_uses_the_default(run: Run) -> None:
    assert run.document("other number")["media"]["status"] == "ready"


async def test_larger_than_media_max_original_bytes_is_skipped(run: Run) -> None:
    media = run.document("skipped")["media"]

    assert (media["status"], media["failure"]["code"], media["failure"]["stage"]) == (
        "skipped",
        "media_too_large",
        "ingest",
    )


async def test_ids_are_m_for_messages_and_c_for_conversations(run: Run) -> None:
    for what in run.wamids:
        shown = await run.world.shown(run.document(what)["_id"])
        assert re.fullmatch(r"m[A-Za-z0-9_-]+", shown["id"])
        assert re.fullmatch(r"c[A-Za-z0-9_-]+", shown["conversationId"])
        assert shown["messageId"] == run.wamids[what], "the wamid, unchanged"


async def test_a_group_has_one_conversation_with_its_group_id(world: World, gateway: aiohttp.ClientSession) -> None:
    media = world.simulator.add_sample("zip", size_bytes=40_000, seed=9203)
    message = media_message(media) | {"group_id": "Y29udHJhY3QtZ3JvdXA="}
    body = webhook(message, phone_number_id=world.simulator.number.phone_number_id)
    headers = signed(body, world.settings["WHATSAPP_APP_SECRET"])

    async with gateway.post("/webhooks/whatsapp", data=body, headers=headers) as response:
        assert response.status == 200
    document_ = await world.ended(message["id"])

    items = (await got(world.api, "/api/conversations?limit=200"))["items"]
    conversation = next(item for item in items if item["id"] == document_["conversationId"])
    assert conversation["groupId"] == "Y29udHJhY3QtZ3JvdXA="
    assert (await world.shown(document_["_id"]))["groupId"] == "Y29udHJhY3QtZ3JvdXA="
