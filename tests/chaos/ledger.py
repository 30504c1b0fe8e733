"""The ledger: each accepted attachment is ready, skipped, failed or waiting with a plan, and nothing else. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.chaos.evidence import JSON, Evidence
from tests.chaos.trouble import Outcome

UNACCOUNTED, ERASED = "unaccounted", "erased"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One attachment as Meta knows it. `accepted`: how many webhooks with it were answered 200."""

    message_id: str
    provider_media_id: str
    phone_number_id: str
    customer: int
    sha256: str
    size_bytes: int
    outcome: Outcome
    accepted: int
    erased: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One offence: which promise, whom it concerns, what was seen."""

    what: str
    id: str
    seen: str = ""


@dataclass(kw_only=True)
class Ledger:
    """`accounts`: attachments by how they ended. All is well when there are no problems."""

    accepted: int = 0
    accounts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def unaccounted(self) -> int:
        return self.accounts[UNACCOUNTED]


Documents = Mapping[tuple[str, str], Sequence[JSON]]


def documents_by_sent(evidence: Evidence) -> Documents:
    """Documents by what Meta calls an attachment."""
    found: dict[tuple[str, str], list[JSON]] = defaultdict(list)
    for document in evidence.documents:
        found[document["messageId"], document["media"].get("providerMediaId", "")].append(document)
    return found


def draw_up(sent: Sequence[Sent], evidence: Evidence) -> Ledger:
    """Account for everything sent; what files, letters and logs say is looked at by `audit`."""
    ledger = Ledger(accepted=sum(one.accepted > 0 for one in sent))
    found = documents_by_sent(evidence)
    for one in sent:
        ledger.problems += _offences(one, found.get((one.message_id, one.provider_media_id), ()), evidence, ledger)
    known = {(one.message_id, one.provider_media_id) for one in sent}
    for key, documents in found.items():
        if key not in known:
            ledger.problems += [Problem(what="a document that nobody sent", id=d["_id"]) for d in documents]
    return ledger


def _offences(one: Sent, documents: Sequence[JSON], evidence: Evidence, ledger: Ledger) -> Iterator[Problem]:
    if not one.accepted:
        yield Problem(what="a webhook never answered 200", id=one.message_id)
    if one.erased:
        ledger.accounts[ERASED] += bool(one.accepted)
        yield from (Problem(what="it was erased, and is there", id=d["_id"], seen=_told(d)) for d in documents)
        return
    if not documents:
        ledger.accounts[UNACCOUNTED] += bool(one.accepted)
        yield Problem(what="accepted, and there is no document", id=one.message_id)
        return
    if len(documents) > 1:
        yield Problem(what="more than one document", id=one.message_id, seen=", ".join(d["_id"] for d in documents))
    document = documents[0]
    label = account_of(document, evidence.taken_at)
    ledger.accounts[label] += 1
    if label == UNACCOUNTED:
        yield Problem(what="neither final nor waiting with a plan", id=document["_id"], seen=_told(document))
    elif _outcome(document) != one.outcome:
        due = f"{one.outcome.status} {one.outcome.code or ''}".strip()
        yield Problem(what="did not end as it had to", id=document["_id"], seen=f"{_told(document)}; due: {due}")
    if document["phoneNumberId"] != one.phone_number_id:
        yield Problem(what="belongs to another number", id=document["_id"])


def account_of(document: JSON, now: datetime) -> str:
    """The account that a document belongs to."""
    media = document["media"]
    status = str(media["status"])
    if status in {"ready", "skipped"}:
        return status
    if status == "failed":
        return f"failed({media['failure']['code']})"
    plans = [media[name] for name in ("nextAttemptAt", "wakeAt") if media.get(name) is not None]
    return "waiting" if any(plan > now for plan in plans) else UNACCOUNTED


def _outcome(document: JSON) -> Outcome:
    media = document["media"]
    return Outcome(status=media["status"], code=(media.get("failure") or {}).get("code"))


def _told(document: JSON) -> str:
    media = document["media"]
    failure = media.get("failure") or {}
    words = [media["status"], failure.get("stage"), failure.get("code"), failure.get("message")]
    words += [f"revision {media['revision']}", f"attempts {media['attempts']}"]
    words += [f"{name} {media[name]:%H:%M:%S}" for name in ("nextAttemptAt", "wakeAt", "updatedAt") if media.get(name)]
    return ", ".join(str(word) for word in words if word)
