"""What the API says before it looks anything up."""

import json
import re
from typing import Any

import pytest

from media_server.api.openapi import specification
from tests.unit.media_server.server import ADMIN, OPERATOR, Client, authorization

PROTECTED = [
    ("GET", "/api/conversations"),
    ("GET", "/api/conversations/c1/messages"),
    ("GET", "/api/messages"),
    ("GET", "/api/messages/m1"),
    ("POST", "/api/messages/m1/retry"),
    ("GET", "/api/messages/m1/content/original"),
    ("GET", "/api/events"),
]
ADMINS_ONLY = [
    ("GET", "/api/whatsapp-instances"),
    ("GET", "/api/whatsapp-instances/1"),
    ("PUT", "/api/whatsapp-instances/1"),
    ("DELETE", "/api/whatsapp-instances/1"),
    ("POST", "/api/whatsapp-instances/1/verify"),
    ("GET", "/api/dead-letters"),
    ("DELETE", "/api/dead-letters?queue=ingestor.media-received"),
    ("POST", "/api/dead-letters/replay"),
]


@pytest.mark.parametrize(("method", "path"), [*PROTECTED, *ADMINS_ONLY])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {OPERATOR}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}"},
        {"Authorization": "Bearer \udcff"},  # a byte that is no UTF-8
    ],
)
async def test_nobody_gets_in_without_a_token(client: Client, method: str, path: str, headers: dict[str, str]) -> None:
    response = await client.request(method, path, headers=headers)

    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.content_type == "application/problem+json"
    assert (await response.json())["code"] == "unauthorized"


@pytest.mark.parametrize(("method", "path"), ADMINS_ONLY)
async def test_an_operator_is_not_an_admin(client: Client, method: str, path: str) -> None:
    response = await client.request(method, path, headers=authorization(OPERATOR))

    assert (response.status, (await response.json())["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "JSON object"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ("\udcff", "JSON object"),
        ('{"accessToken": "short"}', "accessToken is not right; expected an access token"),
        ('{"accessToken": "sixteen and more characters"}', "accessToken is not right"),
        ('{"accessToken": "sechzehn-zeichen-ü"}', "accessToken is not right"),
        ('{"accessToken": 1234567890123456}', "accessToken is not right"),
        ('{"displayName": ""}', "displayName is not right; expected one line"),
        ('{"displayName": "two\\nlines"}', "displayName is not right"),
        ('{"isDefault": "yes"}', "isDefault is not right; expected true or false"),
        ('{"isDefault": 1, "displayName": 2}', "displayName is not right; expected one line"),
        ('{"acessToken": "short-secret-token"}', "known are displayName, accessToken, isDefault"),
    ],
)
async def test_a_wrong_body_is_told_what_would_be_right_and_not_what_was_sent(
    client: Client, body: str, says: str
) -> None:
    response = await client.put(
        "/api/whatsapp-instances/1", data=body.encode("utf-8", "surrogateescape"), headers=authorization(ADMIN)
    )

    problem = await response.json()
    assert (response.status, problem["code"]) == (400, "bad_request")
    assert says in problem["detail"]
    for sent in ("short-secret", "sixteen and", "sechzehn", "1234567890123456"):
        assert sent not in str(problem)


@pytest.mark.parametrize("number", ["+49151", "12a", "1" * 33, "²"])
async def test_a_number_that_is_none_is_told_so(client: Client, number: str) -> None:
    response = await client.put(f"/api/whatsapp-instances/{number}", json={}, headers=authorization(ADMIN))

    assert response.status == 400
    assert "digits" in (await response.json())["detail"]


async def test_a_token_in_the_query_is_no_token(client: Client) -> None:
    response = await client.get("/api/messages", params={"token": OPERATOR, "access_token": OPERATOR})

    assert response.status == 401


@pytest.mark.parametrize("token", [OPERATOR, ADMIN])
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/messages?limit=0", "1 to 200"),
        ("/api/messages?limit=201", "1 to 200"),
        ("/api/messages?limit=-1", "1 to 200"),
        ("/api/messages?limit=\N{SUPERSCRIPT TWO}", "1 to 200"),
        ("/api/messages?limit=", "1 to 200"),
        ("/api/conversations?limit=ten", "1 to 200"),
        ("/api/messages?status=lost", "pending, stored, ready, skipped, failed"),
        ("/api/messages?code=nope", "provider_auth"),
        ("/api/messages?cursor=nope", "cursor"),
        ("/api/conversations?cursor=W10", "cursor"),
        ("/api/messages?cursor=WzEsIDJd", "cursor"),
        (f"/api/messages?cursor={'W1tb' * 2000}", "cursor"),
    ],
)
async def test_a_wrong_query_is_told_what_would_be_right(client: Client, token: str, path: str, says: str) -> None:
    response = await client.get(path, headers=authorization(token))

    problem = await response.json()
    assert (response.status, problem["code"]) == (400, "bad_request")
    assert says in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/api/session", 404, "not_found"),
        ("POST", "/api/conversations/c1/uploads", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/media/only-one-part", 404, "not_found"),
        ("DELETE", "/api/messages/m1", 405, "method_not_allowed"),
        ("GET", "/api/messages/m1/retry", 405, "method_not_allowed"),
        ("OPTIONS", "/api/messages", 405, "method_not_allowed"),
    ],
)
async def test_what_does_not_exist_is_a_problem_too(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path, headers=authorization(ADMIN))

    problem = await response.json()
    assert response.content_type == "application/problem+json"
    assert (response.status, problem["code"], problem["status"]) == (status, code, status)


async def test_answers_are_not_cached_and_open_to_no_other_site(client: Client) -> None:
    response = await client.get("/api/openapi.json", headers={"Origin": "https://elsewhere.example"})

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert not [name for name in response.headers if name.startswith("Access-Control-")]


async def test_the_specification_describes_exactly_the_routes_that_exist(client: Client) -> None:
    document = await (await client.get("/api/openapi.json")).json()

    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert client.app is not None
    served = {
        (route.method, route.resource.canonical)
        for route in client.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(("/api/", "/media/"))
    }
    # HEAD comes with every GET; it is only worth describing for files
    assert described == {each for each in served if each[0] != "HEAD" or each[1].startswith("/media/")}
    assert document["openapi"].startswith("3.1")


def test_every_reference_and_path_parameter_of_the_specification_exists() -> None:
    document = specification()
    text = json.dumps(document)

    for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text):
        assert reference in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert set(re.findall(r"{(\w+)}", path)) == names_in_path(operation)
            assert operation["responses"]


def names_in_path(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
