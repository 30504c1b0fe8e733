"""What the world can reach, and what it cannot."""

import aiohttp
import pytest
from yarl import URL

from local_stack.ports import LOOPBACK
from tests.compose.project import Project, service_of
from tests.compose.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_only_nginx_is_published_and_only_on_loopback(project: Project) -> None:
    published = {
        (service_of(container), binding["HostIp"], binding["HostPort"])
        for container in project.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }

    assert published == {("nginx", LOOPBACK, project.environment["HTTP_PORT"])}


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics/", "/healthz", "/readyz"),
        *("/webhooks/../metrics", "/api/../metrics", "/media/%2e%2e/metrics", "/media/..%2fmetrics", "//metrics"),
        *("/webhooks/metrics", "/api/metrics", "/media/readyz", "/webhooks/readyz"),
        *("/api/../readyz", "/webhooks/whatsapp/../../readyz"),
    ],
)
async def test_what_is_for_the_monitoring_is_not_published(site: Site, path: str) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(URL(site.project.url + path, encoded=True), allow_redirects=False) as answer,
    ):
        body = await answer.text()

    assert answer.status in {400, 401, 403, 404}, (answer.status, body)
    assert "attache_" not in body
    assert '"checks"' not in body


async def test_what_nginx_refuses_itself_is_told_as_the_services_tell_it(site: Site) -> None:
    async with aiohttp.ClientSession(site.project.url) as stranger:
        async with stranger.post("/media/anything", data=b"x" * 2000) as answer:
            large = (answer.status, answer.content_type, (await answer.json(content_type=None))["code"])
        async with stranger.get("/api/" + "x" * 17_000) as answer:
            long = (answer.status, answer.content_type, (await answer.json(content_type=None))["code"])

    assert large == (413, "application/problem+json", "payload_too_large")
    assert long == (414, "application/problem+json", "uri_too_long")


async def test_the_store_is_not_published_beside_the_links(site: Site) -> None:
    [shown] = await site.ended([await site.send("photo", seed=201)])
    digest = shown["media"]["original"]["sha256"]
    key = f"incoming/{digest[:2]}/{digest}.jpg"
    inside = _internal_locations((site.project.folder / "deploy" / "nginx" / "nginx.conf").read_text())

    async with aiohttp.ClientSession(site.project.url) as stranger:
        answers = {}
        for prefix in ("/", "/media/", "/uploads/", "/data/media/", *inside):
            async with stranger.get(f"{prefix.rstrip('/')}/{key}") as answer:
                answers[prefix] = answer.status

    assert inside, "nginx has an internal location for X-Accel-Redirect"
    assert set(answers.values()) <= {401, 403, 404}, answers


async def test_the_api_and_its_specification_are_published(site: Site) -> None:
    async with site.api.get("/api/openapi.json") as answer:
        specification = await answer.json()

    assert answer.status == 200
    assert specification["openapi"].startswith("3.1")


async def test_the_api_asks_for_a_token_and_the_screen_is_told_live_only_with_one(site: Site) -> None:
    async with aiohttp.ClientSession(site.project.url) as stranger:
        async with stranger.get("/api/conversations") as answer:
            pass
        async with stranger.get("/api/events", headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as events:
            pass

    assert answer.status == 401
    assert events.status in {400, 401, 403, 426}


def _internal_locations(configuration: str) -> list[str]:
    found, location = [], ""
    for line in configuration.splitlines():
        words = line.split()
        if words[:1] == ["location"]:
            location = words[-2]
        if words[:1] == ["internal;"]:
            found.append(location)
    return found
