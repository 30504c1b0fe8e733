"""docs/api.md names every route, role, error and state that there is, and its inbox page asks for no other route."""

import re
from http import HTTPStatus
from pathlib import Path

import pytest

from media_server.api.openapi import specification
from media_server.api.routes import API_ROUTES
from media_server.problems import _CODES
from media_server.settings import Settings
from media_server.signing import LinkProblem
from shared.media import MediaStatus

DOCS = Path(__file__).parents[3] / "docs"
SOURCES = Path(__file__).parents[3] / "services" / "media-server" / "media_server"
PAGE = (DOCS / "api.md").read_text(encoding="utf-8")
INBOX = (DOCS / "inbox.html").read_text(encoding="utf-8")
PARAMETER = re.compile(r"\{\w+\}")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading."""
    table = re.search(r"\|---.*\n((?:\|.*\n)+)", PAGE.split(f" {heading}\n")[1])
    assert table is not None
    return [line.strip("| ").split(" | ") for line in table[1].splitlines()]


def test_the_routes_are_those_that_there_are_each_with_its_role() -> None:
    named = {
        (method, path, role.strip())
        for what, role, *_ in rows("Routes")
        for path in re.findall(r"(/\S+)`", what)
        for method in re.findall(r"[A-Z]{3,}", what)
    }

    forbidden = str(int(HTTPStatus.FORBIDDEN))
    expected = set()
    for path, methods in specification()["paths"].items():
        for method, said in methods.items():
            if path == "/api/openapi.json" or method == "head":
                continue
            admin = "ADMIN_TOKEN" in said["responses"].get(forbidden, {}).get("description", "")
            role = ("admin" if admin else "operator") if "security" in said else "none"
            expected.add((method.upper(), path, role))
    assert named == expected
    assert {route.path for route in API_ROUTES} <= {"/api/openapi.json", *(path for _, path, _ in expected)}


def test_every_code_of_an_error_is_explained() -> None:
    in_sources = {
        code
        for source in SOURCES.rglob("*.py")
        for code in re.findall(r"Problem\(\s*HTTPStatus\.\w+,\s*\"(\w+)\"", source.read_text(encoding="utf-8"))
    }

    explained = {code for row in rows("Errors") for code in re.findall(r"`([a-z_]+)`", row[1])}

    assert in_sources | set(_CODES.values()) | set(LinkProblem) <= explained


def test_every_state_is_told_how_to_show() -> None:
    assert [row[0].strip("`") for row in rows("What to show")] == [each.value for each in MediaStatus]


def test_the_life_of_a_link_is_the_default() -> None:
    assert f"`FILES_URL_TTL_SECONDS` ({Settings.model_fields['files_url_ttl_seconds'].default})" in PAGE


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_links_lead_somewhere(link: str) -> None:
    name, _, anchor = link.partition("#")
    target = DOCS / name if name else DOCS / "api.md"

    assert target.is_file()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_inbox_asks_for_routes_that_there_are() -> None:
    known = {PARAMETER.sub("{}", route.path) for route in API_ROUTES}

    asked = {re.sub(r"\$\{[^}]+\}", "{}", path) for path in re.findall(r"api\([\"`]([^?\"`]+)", INBOX)}

    assert {f"/api/{path}" for path in asked} == known & {
        "/api/conversations",
        "/api/conversations/{}/messages",
        "/api/messages/{}/retry",
    }


def test_the_inbox_makes_no_markup_of_what_strangers_wrote() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|eval\(", INBOX)
