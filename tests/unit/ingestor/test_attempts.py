"""Counting the ends of ingestion."""

import pytest
from prometheus_client import REGISTRY

from ingestor.attempts import Attempts
from tests.builders import make_attachment, make_media, make_media_received


def ends(outcome: str, attempt: str) -> float:
    value = REGISTRY.get_sample_value("attache_ingest_results_total", {"outcome": outcome, "attempt": attempt})
    return value or 0.0


@pytest.mark.parametrize(("made", "attempt"), [(0, "first"), (1, "first"), (2, "later"), (9, "later")])
@pytest.mark.parametrize("outcome", ["stored", "linked", "skipped", "failed"])
def test_an_end_is_counted_by_the_attempt_that_got_there(outcome: str, made: int, attempt: str) -> None:
    before = ends(outcome, attempt)

    Attempts().count(outcome, make_attachment(media=make_media(attempts=made)))

    assert ends(outcome, attempt) == before + 1


def test_an_attempt_that_is_followed_by_another_is_no_end() -> None:
    Attempts().count("retry", make_attachment())

    assert ends("retry", "first") == 0


def test_what_was_erased_before_is_no_end() -> None:
    Attempts().count("erased", make_media_received())

    assert ends("erased", "first") == 0
