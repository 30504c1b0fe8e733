"""What the contract promises and this version does not have: really absent, so that this table cannot rot.

A row that fails here has arrived: remove it, and add what the contract says of it to the tests of its section.
"""

import re
from pathlib import Path

import aiohttp
import pytest

from tests.contract.recorded_run import Run

ROOT = Path(__file__).parents[2]
LATER = "a step after 5"

NOT_YET_ROUTES = (
    ("GET", "/", LATER),
    ("POST", "/api/session", LATER),
    ("DELETE", "/api/session", LATER),
    ("POST", "/api/conversations/{conversation}/uploads", LATER),
)
NOT_YET_FILES = (("docs/asyncapi.yaml", LATER),)
NOT_YET_STORAGE = (("s3", LATER), ("gs", LATER), ("az", LATER))
"""`test_settings.py` shows that these stop a service with exit code 2."""


@pytest.mark.parametrize(("method", "path", "step"), NOT_YET_ROUTES)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_route_that_does_not_exist_yet_answers_404(run: Run, method: str, path: str, step: str) -> None:
    world = run.world
    filled = path.replace("{conversation}", run.document("ready")["conversationId"])
    headers = {"Authorization": f"Bearer {world.settings['ADMIN_TOKEN']}"}

    async with aiohttp.ClientSession(world.stack.url("media-server"), headers=headers) as admin:
        async with admin.request(method, filled) as response:
            assert response.status == 404, f"arrived ({step})"
        async with admin.get("/api/openapi.json") as response:
            described = [re.sub(r"{\w+}", "{}", each) for each in (await response.json())["paths"]]
    assert re.sub(r"{\w+}", "{}", path) not in described


@pytest.mark.parametrize(("name", "step"), NOT_YET_FILES)
def test_a_document_that_does_not_exist_yet_is_absent(name: str, step: str) -> None:
    assert not (ROOT / name).exists(), f"arrived ({step})"
