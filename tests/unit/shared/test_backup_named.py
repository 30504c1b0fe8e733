"""Which files a document or a row needs, however somebody may have mangled it."""

from typing import Any

import pytest
from bson import encode

from shared.backup.named import BLOBS, MESSAGES, keys_of, original_of

ORIGINAL, THUMB = {"key": "incoming/aa/1.jpg"}, {"key": "renditions/aa/1/thumb-1.webp"}
STORED = {"original": ORIGINAL, "renditions": {"thumb": THUMB}}


@pytest.mark.parametrize(
    ("media", "keys"),
    [
        ({"storage": STORED}, {ORIGINAL["key"], THUMB["key"]}),
        ({"storage": {"renditions": {}}}, set()),
        ({"storage": {"original": {"key": 7}, "renditions": ["x"]}}, set()),
        ({"storage": {"original": "x", "renditions": {"thumb": None}}}, set()),
        ({"storage": None}, set()),
        (None, set()),
        ("ready", set()),
    ],
)
def test_a_document_needs_its_original_and_its_renditions(media: Any, keys: set[str]) -> None:
    assert keys_of(MESSAGES, encode({"_id": "m1", "media": media})) == keys


@pytest.mark.parametrize(("state", "keys"), [("live", {ORIGINAL["key"], THUMB["key"]}), ("deleting", set())])
def test_a_row_needs_them_unless_it_is_being_removed(state: str, keys: set[str]) -> None:
    row = encode({"_id": "1", **ORIGINAL, "state": state, "renditions": {"thumb": THUMB}})

    assert keys_of(BLOBS, row) == keys
    assert original_of(row) == (ORIGINAL["key"] if keys else None)
