"""What files, letters, logs and conversations say besides the documents. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set

from tests.chaos.evidence import JSON, Evidence, File, Line
from tests.chaos.ledger import Problem, Sent, documents_by_sent

_PICTURES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
_RENDITIONS = frozenset({"thumb", "preview"})
_OF_AN_ANIMATION = _RENDITIONS | {"poster"}


def audit(
    sent: Sequence[Sent], evidence: Evidence, *, went_back: Set[str] = frozenset(), by_hand: Set[str] = frozenset()
) -> Iterator[Problem]:
    """Every offence. `by_hand`: documents whose status somebody changed in the database, past the logs."""
    yield from _originals(sent, evidence)
    yield from _renditions(evidence)
    yield from _orphans(evidence)
    yield from _letters(evidence)
    yield from _history(evidence, by_hand)
    yield from _conversations(sent, evidence)
    yield from (Problem(what="its revision went backwards", id=media_id) for media_id in went_back)
    yield from (Problem(what="an unfinished file outlived the sweep", id=name) for name in evidence.unfinished)
    for queue, count in evidence.waiting.items():
        yield Problem(what="events left in a queue", id=queue, seen=str(count))
    for leak, count in evidence.leaks.items():
        yield Problem(what="a secret or personal data in a log", id=leak, seen=str(count))


def _originals(sent: Sequence[Sent], evidence: Evidence) -> Iterator[Problem]:
    files = {file.key: file for file in evidence.files}
    copies = Counter(file.sha256 for file in evidence.files if _is_original(file))
    found = documents_by_sent(evidence)
    for one in sent:
        for document in found.get((one.message_id, one.provider_media_id), ()):
            media_id, original = document["_id"], document["media"]["storage"].get("original")
            if original is None:
                if document["media"]["status"] in {"ready", "stored"}:
                    yield Problem(what="no original", id=media_id)
                continue
            file = files.get(original["key"])
            if file is None:
                yield Problem(what="its original is not on disk", id=media_id, seen=original["key"])
            elif (file.sha256, file.size_bytes) != (one.sha256, one.size_bytes):
                yield Problem(what="its original has other bytes than were sent", id=media_id, seen=original["key"])
            if (original["sha256"], original["sizeBytes"]) != (one.sha256, one.size_bytes):
                yield Problem(what="its document tells of other bytes than were sent", id=media_id)
            if copies[one.sha256] > 1:
                yield Problem(what="its original is on disk more than once", id=media_id, seen=one.sha256)


def _renditions(evidence: Evidence) -> Iterator[Problem]:
    files = {file.key: file for file in evidence.files}
    for document in evidence.documents:
        media = document["media"]
        renditions: Mapping[str, JSON] = media["storage"].get("renditions", {})
        if media["status"] != "ready":
            continue
        expected = _OF_AN_ANIMATION if media.get("facts", {}).get("animated") else _RENDITIONS
        if media["storage"].get("original", {}).get("mimeType") in _PICTURES and set(renditions) != expected:
            yield Problem(what="ready without its previews", id=document["_id"], seen=str(sorted(renditions)))
        for name, rendition in renditions.items():
            file = files.get(rendition["key"])
            if file is None or file.size_bytes != rendition["sizeBytes"]:
                yield Problem(what="a preview is missing or damaged", id=document["_id"], seen=name)


def _orphans(evidence: Evidence) -> Iterator[Problem]:
    known = {blob["key"] for blob in evidence.blobs}
    for holder in (*evidence.blobs, *(document["media"]["storage"] for document in evidence.documents)):
        known |= {rendition["key"] for rendition in holder.get("renditions", {}).values()}
        if original := holder.get("original"):
            known.add(original["key"])
    for file in evidence.files:
        if file.key not in known:
            yield Problem(what="a file that no document and no blob row knows", id=file.key)
        if _is_original(file) and file.key.rpartition("/")[2].partition(".")[0] != file.sha256:
            yield Problem(what="a file under another file's digest", id=file.key)


def _letters(evidence: Evidence) -> Iterator[Problem]:
    """What failed has one, and nothing else has: the last replay has removed what was settled.

    Two are no offence: an attachment that failed, was healed and failed again has a letter of each event.
    """
    failed = {
        (document["_id"], document["media"]["failure"]["code"])
        for document in evidence.documents
        if document["media"]["status"] == "failed"
    }
    buried = {(letter.media_id, letter.code) for letter in evidence.letters}
    for media_id, code in failed - buried:
        yield Problem(what="failed without a dead letter", id=media_id, seen=code)
    for unknown, cause in buried - failed:
        yield Problem(what="a dead letter of what did not fail so", id=str(unknown), seen=str(cause))


def _history(evidence: Evidence, by_hand: Set[str]) -> Iterator[Problem]:
    lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in evidence.lines:
        lines[line.media_id][line.revision].add(line.status)
    for document in evidence.documents:
        media_id, media, told = document["_id"], document["media"], lines[document["_id"]]
        missing = [revision for revision in range(media["revision"] + 1) if revision not in told]
        if missing:
            seen = f"{missing}; told: {_told(evidence.lines, media_id)}"
            yield Problem(what="revisions without a log line", id=media_id, seen=seen)
        if max(told, default=0) > media["revision"]:
            yield Problem(what="a log line of a revision that does not exist", id=media_id, seen=str(max(told)))
        if media_id in by_hand:
            continue
        for revision, statuses in told.items():
            if len(statuses) > 1:
                yield Problem(what="two states at one revision", id=media_id, seen=f"{revision}: {sorted(statuses)}")
        if media["status"] not in told.get(media["revision"], {media["status"]}):
            yield Problem(what="the newest log line tells another state", id=media_id)
        ready = [revision for revision, statuses in told.items() if "ready" in statuses]
        if ready and any("ready" not in statuses for revision, statuses in told.items() if revision > min(ready)):
            yield Problem(what="it was ready and then was not", id=media_id)


def _conversations(sent: Sequence[Sent], evidence: Evidence) -> Iterator[Problem]:
    found = documents_by_sent(evidence)
    homes: dict[tuple[str, int], set[str]] = defaultdict(set)
    for one in sent:
        for document in found.get((one.message_id, one.provider_media_id), ()):
            homes[one.phone_number_id, one.customer].add(document["conversationId"])
    owners: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for customer, conversations in homes.items():
        for conversation in conversations:
            owners[conversation].add(customer)
    for conversation, customers in owners.items():
        if len(customers) > 1:
            yield Problem(what="a conversation of several customers", id=conversation, seen=str(sorted(customers)))


def _is_original(file: File) -> bool:
    return file.key.startswith("incoming/")


def _told(lines: Sequence[Line], media_id: str) -> str:
    own = sorted((line for line in lines if line.media_id == media_id), key=lambda line: line.timestamp)
    return "; ".join(f"{line.timestamp[11:23]} {line.revision} {line.status} {line.service}" for line in own)
