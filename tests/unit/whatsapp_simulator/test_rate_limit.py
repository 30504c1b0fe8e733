from __future__ import annotations

import json

import pytest

from tests.unit.whatsapp_simulator.peers import Client
from whatsapp_simulator import RateLimit, Simulator, Step


async def test_requests_over_the_limit_are_refused_until_the_window_ends(sim: Simulator, client: Client) -> None:
    media = sim.add_sample("photo")
    sim.limit(RateLimit(requests=2, per_seconds=60))

    answers = [await client.metadata(media) for _ in range(3)]
    sim.clock.advance(60)
    again = await client.metadata(media)

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [json.loads(answer.headers["X-App-Usage"])["call_count"] for answer in answers] == [50, 100, 150]
    assert answers[2].headers["Retry-After"] == "60"
    assert answers[2].json["error"]["code"] == 4
    assert again.status == 200
    assert sim.requests.statuses(Step.METADATA, media.id) == {200: 3, 429: 1}


@pytest.mark.parametrize("code", [80007, 130429])
async def test_a_business_is_told_the_minutes_until_it_may_ask_again(sim: Simulator, client: Client, code: int) -> None:
    media = sim.add_sample("photo")
    sim.limit(RateLimit(requests=1, per_seconds=3600, code=code, status=400))

    fine, refused = await client.metadata(media), await client.metadata(media)

    minutes = [
        next(iter(json.loads(answer.headers["X-Business-Use-Case-Usage"]).values()))[0][
            "estimated_time_to_regain_access"
        ]
        for answer in (fine, refused)
    ]
    assert (refused.status, refused.json["error"]["code"]) == (400, code)
    assert minutes == [0, 60]


async def test_a_lifted_limit_leaves_no_trace(sim: Simulator, client: Client) -> None:
    media = sim.add_sample("photo")
    sim.limit(RateLimit(requests=0))
    refused = await client.metadata(media)

    sim.limit(None)
    answer = await client.metadata(media)

    assert (refused.status, answer.status) == (429, 200)
    assert "X-App-Usage" not in answer.headers


@pytest.mark.parametrize("options", [{"requests": -1}, {"requests": 1, "per_seconds": 0}])
def test_limits_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a limit needs"):
        RateLimit(**options)
