"""docs/previews.md tells of every rendition, fact, failure and limit, with the numbers that are in the code."""

import json
import re
from pathlib import Path

import pytest

from previewer.render.job import MIB, Limits
from previewer.render.waveform import MOST_POINTS
from previewer.settings import Settings
from shared.errors import ErrorCode
from shared.media import Facts
from shared.plan import PLAN, PLAYABLE_SECONDS, POSTER, PREVIEW, STILL, THUMB

PAGE = (Path(__file__).parents[3] / "docs" / "previews.md").read_text(encoding="utf-8")
IN_CODE = set(re.findall(r"`([^`\n]+)`", PAGE))


def test_every_rendition_and_every_fact_is_named() -> None:
    facts = {str(field.alias or name) for name, field in Facts.model_fields.items()}

    assert {row.spec.name for row in PLAN} | facts <= IN_CODE


def test_every_failure_of_a_preview_is_named() -> None:
    assert {code.value for code in ErrorCode if code.value.startswith("preview_")} <= IN_CODE


@pytest.mark.parametrize(
    "sentence",
    [
        f"inside {THUMB.max_edge} by {THUMB.max_edge} pixels",
        f"inside {PREVIEW.max_edge} by {PREVIEW.max_edge} pixels",
        f"inside {POSTER.max_edge} by {POSTER.max_edge}; of what moves one frame, "
        f"inside {STILL.max_edge} by {STILL.max_edge}",
        f"lasts {PLAYABLE_SECONDS / 60:g} minutes at most",
        f"At most {MOST_POINTS} whole numbers",
        f"| frames of an animation; it is cut there | {Limits().frames} |",
        f"| {Limits().moving_bytes // MIB} MiB |",
    ],
)
def test_its_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in PAGE


def test_every_limit_that_can_be_set_is_there_with_its_default() -> None:
    fields = {name: field.default for name, field in Settings.model_fields.items() if name.startswith("preview_")}
    shown = {"preview_max_pixels": "50 million", "preview_max_animation_pixels": "30 million"}
    shown |= {"preview_timeout_seconds": "20", "preview_memory_bytes": "1 GiB"}

    metadata = {name: field.metadata for name, field in Settings.model_fields.items()}

    assert fields.keys() - {"preview_workers"} == shown.keys()
    assert [fields[name] for name in shown] == [50_000_000, 30_000_000, 20, 1024 * MIB]
    for name, default in shown.items():
        bounds = {end: getattr(each, end) for each in metadata[name] for end in ("ge", "le") if hasattr(each, end)}
        least, most = bounds["ge"], bounds["le"]
        assert f"| {default} | `{name.upper()}` | {least}, {most} |" in PAGE


def test_its_waveform_is_one() -> None:
    example = json.loads(re.findall(r'```json\n(\{"version.*)\n```', PAGE)[0])

    assert max(example["peaks"]) == 100
