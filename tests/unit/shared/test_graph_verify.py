"""Whether a token works for a number, as Meta tells it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr
from yarl import URL

from shared.errors import ErrorCode, PipelineError
from shared.graph.client import Graph
from whatsapp_simulator import DEMO_ACCESS_TOKEN, DEMO_NUMBER, BusinessNumber, Simulator

NUMBER = DEMO_NUMBER.phone_number_id
OTHER = BusinessNumber(phone_number_id="200300400500888", display_phone_number="15550100888")


@pytest.fixture
async def meta() -> AsyncIterator[Simulator]:
    async with Simulator(app_secret="app-secret") as meta:
        yield meta


@pytest.fixture
async def graph(meta: Simulator) -> AsyncIterator[Graph]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Graph(session, url=URL(meta.base_url), version="v25.0")


async def code(graph: Graph, number: str, token: str) -> ErrorCode | None:
    try:
        await graph.verify(number, SecretStr(token))
    except PipelineError as error:
        return error.code
    return None


async def test_a_token_that_may_see_its_number_works(graph: Graph) -> None:
    assert await code(graph, NUMBER, DEMO_ACCESS_TOKEN) is None


async def test_a_token_that_meta_does_not_take_is_refused(graph: Graph, meta: Simulator) -> None:
    assert await code(graph, NUMBER, "never-issued") is ErrorCode.PROVIDER_AUTH
    meta.tokens.expire(DEMO_ACCESS_TOKEN)
    assert await code(graph, NUMBER, DEMO_ACCESS_TOKEN) is ErrorCode.PROVIDER_AUTH


async def test_a_token_of_another_number_is_told_that_there_is_none(graph: Graph, meta: Simulator) -> None:
    meta.add_number(OTHER, access_token="token-of-the-other")

    assert await code(graph, NUMBER, "token-of-the-other") is ErrorCode.PROVIDER_NOT_FOUND


async def test_while_meta_is_away_nothing_is_known(graph: Graph, meta: Simulator) -> None:
    await meta.__aexit__()

    assert await code(graph, NUMBER, DEMO_ACCESS_TOKEN) is ErrorCode.PROVIDER_UNAVAILABLE
