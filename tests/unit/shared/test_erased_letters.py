"""Whether a parked body may be about what was erased."""

import json

import pytest

from shared.erased_letters import suspicion

PHONE, WAMID = "15550102030", "wamid.HBgL/TU1+NTA="


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", None),
        (b'{"from": "15550109999"}', None),
        (b'{"from": "15550102030"}', "mentions it"),
        (b'{"from": "+1 555 010-2030"}', "mentions it"),
        (b'{"from": "1555010203\\u0030"}', "mentions it"),
        (b'{"id": "wamid.HBgL\\/TU1+NTA="}', "mentions it"),
        (json.dumps({"reply": json.dumps({"deep": [{"who": "+15550102030"}]})}).encode(), "mentions it"),
        (b'{"broken": 15550102030', "mentions it"),
        (b'{"broken": ', "cannot be searched"),
        (b"\xff\xfe", "cannot be searched"),
        (b"[" * 100_000, "cannot be searched"),
    ],
)
def test_a_body_is_suspected_when_it_names_somebody_or_hides_its_words(body: bytes, expected: str | None) -> None:
    assert suspicion(body, {PHONE, WAMID}) == expected
