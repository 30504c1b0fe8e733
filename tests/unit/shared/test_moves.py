"""The table of `product.md`, "States of one attachment", and what each move leaves behind."""

from datetime import timedelta

import pytest

from shared import moves
from shared.broker.retry import DeadLetter
from shared.errors import ErrorCode, TransientError
from shared.media import FINAL, NEXT, Facts, FailureStage, MediaStatus
from tests.builders import NOW, make_failure, make_original, make_rendition

PENDING, STORED, READY, SKIPPED, FAILED = MediaStatus

LEGAL = {
    (PENDING, PENDING),
    (PENDING, STORED),
    (PENDING, SKIPPED),
    (PENDING, FAILED),
    (STORED, STORED),
    (STORED, READY),
    (STORED, FAILED),
    (STORED, PENDING),
    (READY, STORED),
    (READY, PENDING),
    (SKIPPED, PENDING),
    (FAILED, PENDING),
    (FAILED, STORED),
    (FAILED, FAILED),
}

TO_OPEN_STATES = [
    moves.begin_attempt(1, now=NOW),
    moves.wait_for_retry(make_failure(), delay_seconds=30, now=NOW),
    moves.mark_stored(make_original(), now=NOW),
    moves.preview_waits(make_failure(), delay_seconds=30, now=NOW),
    moves.ingest_again(now=NOW),
    moves.store_again(now=NOW),
    moves.preview_again(now=NOW),
]
TO_FINAL_STATES = [
    moves.mark_ready({"thumb": make_rendition()}, Facts()),
    moves.mark_skipped(make_failure(), size_bytes=5),
    moves.mark_failed(make_failure()),
]


def test_only_the_moves_of_the_design_are_legal() -> None:
    assert {(before, after) for before, following in NEXT.items() for after in following} == LEGAL


@pytest.mark.parametrize("move", TO_OPEN_STATES)
def test_every_move_to_an_open_state_sets_when_somebody_looks(move: moves.Move) -> None:
    assert move.to not in FINAL
    assert move.set["wakeAt"] > NOW
    assert "wakeAt" not in move.drop


@pytest.mark.parametrize("move", TO_FINAL_STATES)
def test_final_states_have_no_wake_up_and_no_next_attempt(move: moves.Move) -> None:
    assert move.to in FINAL
    assert {"wakeAt", "nextAttemptAt"} <= set(move.drop)


@pytest.mark.parametrize("move", [*TO_OPEN_STATES, *TO_FINAL_STATES])
def test_no_move_sets_what_it_drops(move: moves.Move) -> None:
    assert not {name.partition(".")[0] for name in move.set} & set(move.drop)


def test_a_wait_tells_when_the_next_attempt_is_due_and_why() -> None:
    move = moves.wait_for_retry(make_failure(), delay_seconds=30, now=NOW)

    assert move.set["nextAttemptAt"] == NOW + timedelta(seconds=30)
    assert move.set["failure"]["code"] == "provider_unavailable"
    assert move.set["wakeAt"] > move.set["nextAttemptAt"]


def test_a_new_beginning_starts_at_no_attempts_and_promises_no_original() -> None:
    move = moves.ingest_again(now=NOW)

    assert move.set["attempts"] == 0
    assert {"failure", "nextAttemptAt"} <= set(move.drop)
    assert (move.set["storage"], move.set["facts"]) == ({"renditions": {}}, {}), "there, and empty"


def test_a_skipped_attachment_keeps_the_size_that_meta_told() -> None:
    assert moves.mark_skipped(make_failure(), size_bytes=5).set["declared.sizeBytes"] == 5
    assert "declared.sizeBytes" not in moves.mark_skipped(make_failure(), size_bytes=None).set


def test_a_failure_tells_what_the_letter_tells() -> None:
    letter = DeadLetter(code=ErrorCode.PROVIDER_AUTH, reason="refused", provider_status=401, provider_code=190)

    failure = moves.failure_of(letter, stage=FailureStage.INGEST, at=NOW, instance_version=7)

    assert failure == make_failure(
        code=ErrorCode.PROVIDER_AUTH, message="refused", provider_status=401, provider_code=190, instance_version=7
    )


def test_a_failure_of_a_passing_error_tells_the_error() -> None:
    error = TransientError("no room", code=ErrorCode.STORAGE_FULL)

    failure = moves.failure_of(error, stage=FailureStage.PREVIEW, at=NOW)

    assert (failure.code, failure.message, failure.stage) == (ErrorCode.STORAGE_FULL, "no room", FailureStage.PREVIEW)
