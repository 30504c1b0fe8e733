"""The ledger: what it lets pass, and everything that it must not let pass."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.audit import audit
from tests.chaos.evidence import Evidence, File, Letter, Line
from tests.chaos.ledger import Sent, draw_up
from tests.chaos.trouble import READY, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BYTES = b"the bytes of a zip"
SHA256 = hashlib.sha256(BYTES).hexdigest()
KEY = f"incoming/{SHA256[:2]}/{SHA256}.zip"
SENT = Sent(
    message_id="wamid.1",
    provider_media_id="100",
    phone_number_id="200",
    customer=1,
    sha256=SHA256,
    size_bytes=len(BYTES),
    outcome=READY,
    accepted=1,
)


def document(**media: Any) -> dict[str, Any]:
    original = {"key": KEY, "mimeType": "application/zip", "sizeBytes": len(BYTES), "sha256": SHA256}
    usual = {
        "status": "ready",
        "revision": 1,
        "attempts": 1,
        "providerMediaId": "100",
        "updatedAt": NOW,
        "storage": {"original": original, "renditions": {}},
    }
    return {"_id": "m1", "messageId": "wamid.1", "phoneNumberId": "200", "conversationId": "c1", "media": usual | media}


def line(revision: int, status: str) -> Line:
    return Line(media_id="m1", revision=revision, status=status, timestamp=NOW.isoformat(), service="ingestor")


def failed(code: str) -> dict[str, Any]:
    return document(status="failed", failure={"stage": "ingest", "code": code, "message": "no"}, storage={})


GOOD = Evidence(
    taken_at=NOW,
    documents=[document()],
    blobs=[],
    files=[File(key=KEY, sha256=SHA256, size_bytes=len(BYTES))],
    unfinished=[],
    letters=[],
    waiting={},
    lines=[line(0, "pending"), line(1, "ready")],
)


def offences(evidence: Evidence, sent: Sent = SENT) -> set[str]:
    problems = [*draw_up([sent], evidence).problems, *audit([sent], evidence)]
    return {problem.what for problem in problems}


def test_what_is_as_it_has_to_be_passes() -> None:
    ledger = draw_up([SENT], GOOD)

    assert offences(GOOD) == set()
    assert (ledger.accepted, ledger.unaccounted, ledger.accounts) == (1, 0, Counter(ready=1))


def test_what_waits_with_a_plan_is_accounted_for_though_not_as_it_has_to_end() -> None:
    later = NOW + timedelta(seconds=5)
    ledger = draw_up([SENT], replace(GOOD, documents=[document(status="pending", nextAttemptAt=later)]))

    assert ledger.unaccounted == 0
    assert ledger.accounts == Counter(waiting=1)
    assert [problem.what for problem in ledger.problems] == ["did not end as it had to"]


@pytest.mark.parametrize("plan", [{}, {"wakeAt": NOW - timedelta(seconds=1)}])
def test_what_waits_without_a_plan_is_unaccounted(plan: dict[str, Any]) -> None:
    ledger = draw_up([SENT], replace(GOOD, documents=[document(status="pending", **plan)]))

    assert ledger.unaccounted == 1


def test_an_accepted_attachment_without_a_document_is_unaccounted() -> None:
    ledger = draw_up([SENT], replace(GOOD, documents=[]))

    assert ledger.unaccounted == 1


def test_a_planned_failure_passes_with_its_letter() -> None:
    evidence = replace(
        GOOD,
        documents=[failed("media_corrupt")],
        files=[],
        letters=[Letter(queue="ingestor.media-received", media_id="m1", code="media_corrupt")],
        lines=[line(0, "pending"), line(1, "failed")],
    )

    assert offences(evidence, replace(SENT, outcome=Outcome(status="failed", code="media_corrupt"))) == set()


Change = Callable[[], Evidence]
OFFENCES: dict[str, Change] = {
    "more than one document": lambda: replace(GOOD, documents=[document(), document() | {"_id": "m2"}]),
    "a document that nobody sent": lambda: replace(
        GOOD, documents=[document(), document() | {"_id": "m2", "messageId": "wamid.2"}]
    ),
    "did not end as it had to": lambda: replace(GOOD, documents=[failed("provider_unavailable")]),
    "belongs to another number": lambda: replace(GOOD, documents=[document() | {"phoneNumberId": "201"}]),
    "failed without a dead letter": lambda: replace(GOOD, documents=[failed("provider_unavailable")]),
    "a dead letter of what did not fail so": lambda: replace(
        GOOD, letters=[Letter(queue="ingestor.media-received", media_id="m9", code="internal")]
    ),
    "its original is not on disk": lambda: replace(GOOD, files=[]),
    "its original has other bytes than were sent": lambda: replace(
        GOOD, files=[File(key=KEY, sha256="0" * 64, size_bytes=len(BYTES))]
    ),
    "its original is on disk more than once": lambda: replace(
        GOOD, files=[*GOOD.files, File(key=KEY.replace(".zip", ".bin"), sha256=SHA256, size_bytes=len(BYTES))]
    ),
    "a file that no document and no blob row knows": lambda: replace(
        GOOD, files=[*GOOD.files, File(key="renditions/aa/bb/thumb-1.webp", sha256="0" * 64, size_bytes=1)]
    ),
    "a preview is missing or damaged": lambda: replace(
        GOOD,
        documents=[
            document(
                storage=document()["media"]["storage"]
                | {"renditions": {"thumb": {"key": "renditions/x", "sizeBytes": 9}}}
            )
        ],
    ),
    "revisions without a log line": lambda: replace(GOOD, documents=[document(revision=2)]),
    "a log line of a revision that does not exist": lambda: replace(GOOD, lines=[*GOOD.lines, line(2, "ready")]),
    "two states at one revision": lambda: replace(GOOD, lines=[*GOOD.lines, line(1, "stored")]),
    "the newest log line tells another state": lambda: replace(GOOD, lines=[line(0, "pending"), line(1, "stored")]),
    "it was ready and then was not": lambda: replace(
        GOOD,
        documents=[document(revision=3)],
        lines=[line(0, "pending"), line(1, "ready"), line(2, "pending"), line(3, "ready")],
    ),
    "an unfinished file outlived the sweep": lambda: replace(GOOD, unfinished=["0f"]),
    "events left in a queue": lambda: replace(GOOD, waiting={"ingestor.media-received": 1}),
    "a secret or personal data in a log": lambda: replace(GOOD, leaks=Counter({"ingestor-1: an access token": 1})),
}


@pytest.mark.parametrize("offence", OFFENCES)
def test_each_offence_is_told(offence: str) -> None:
    assert offence in offences(OFFENCES[offence]())


def test_a_webhook_that_was_never_accepted_is_told() -> None:
    assert "a webhook never answered 200" in offences(GOOD, replace(SENT, accepted=0))


def test_a_document_that_was_seen_to_go_back_is_told() -> None:
    problems = list(audit([SENT], GOOD, went_back={"m1"}))

    assert [problem.what for problem in problems] == ["its revision went backwards"]


def test_two_customers_in_one_conversation_are_told() -> None:
    other = replace(SENT, message_id="wamid.2", provider_media_id="101", customer=2)
    theirs = document(providerMediaId="101") | {"_id": "m2", "messageId": "wamid.2"}

    problems = audit([SENT, other], replace(GOOD, documents=[document(), theirs]))

    assert "a conversation of several customers" in {problem.what for problem in problems}


def test_a_status_changed_by_hand_may_take_a_ready_document_back() -> None:
    evidence = replace(
        GOOD,
        documents=[document(revision=3)],
        lines=[line(0, "pending"), line(1, "ready"), line(2, "pending"), line(3, "ready")],
    )

    assert list(audit([SENT], evidence, by_hand={"m1"})) == []


@pytest.mark.parametrize(
    ("animated", "names", "is_whole"),
    [
        (False, ("thumb", "preview"), True),
        (False, ("thumb",), False),
        (True, ("thumb", "preview", "poster"), True),
        (True, ("thumb", "preview"), False),
    ],
)
def test_a_picture_without_one_of_its_previews_is_told(animated: bool, names: Sequence[str], is_whole: bool) -> None:
    made = document()
    media = made["media"]
    original = media["storage"]["original"] | {"mimeType": "image/gif"}
    renditions = {name: {"key": f"renditions/{name}", "sizeBytes": 9} for name in names}
    shown = {"storage": {"original": original, "renditions": renditions}, "facts": {"animated": animated}}
    evidence = replace(GOOD, documents=[made | {"media": media | shown}])

    assert ("ready without its previews" not in offences(evidence)) is is_whole
