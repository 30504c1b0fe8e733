"""What the containers have written through all that the tests before have done to them."""

import json

import pytest

from tests.compose.project import service_of
from tests.compose.site import Site
from tests.log_scan import Scanner

pytestmark = pytest.mark.asyncio(loop_scope="session")

_OURS = ("webhook-gateway", "ingestor", "previewer", "media-server", "nginx")


async def test_no_log_shows_a_secret_a_link_or_what_customers_wrote(site: Site) -> None:
    project = site.project
    texts = {
        service: await project.logs(service)
        for service in {service_of(container) for container in project.containers(ended=True)}
    }
    secrets = {file.name: file.read_text().strip() for file in (project.folder / "secrets").iterdir() if file.is_file()}

    scanner = Scanner().after(site.told).knowing("an access token", [site.access_token])
    for name, value in secrets.items():
        scanner = scanner.knowing(name, value.split(","))

    assert scanner.leaks({service: text for service, text in texts.items() if text}) == []


async def test_each_line_of_ours_is_one_json_object(site: Site) -> None:
    async with site.api.get("/api/conversations"):
        pass  # one line at least, in each of those that may have been made anew

    for service in _OURS:
        lines = (await site.project.logs(service)).splitlines()
        assert lines, service
        for line in lines:
            entry = json.loads(line)
            assert {"event", "timestamp", "service"} <= entry.keys(), line
