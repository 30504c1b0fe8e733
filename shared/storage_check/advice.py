"""What there is to do about a finding, in one sentence each."""

from datetime import datetime

from shared.media import Attachment
from shared.storage_check.findings import Finding, Problem


def can_be_downloaded(attachment: Attachment, now: datetime) -> bool:
    """Meta still has the file."""
    media = attachment.media
    return media.provider_media_id is not None and (media.deadline is None or now < media.deadline)


def next_step(finding: Finding, now: datetime, *, attache: str) -> str:
    """What the operator does next; `attache` is how that program is called here."""
    repair = f"{attache} storage check --repair"
    attachment = finding.attachment
    match finding.problem:
        case Problem.ORIGINAL_MISSING | Problem.ORIGINAL_DAMAGED if attachment is None:
            return f"{repair} removes it: no attachment needs it"
        case Problem.ORIGINAL_MISSING | Problem.ORIGINAL_DAMAGED:
            return _original(attachment, now, repair)
        case Problem.RENDITION_MISSING | Problem.RENDITION_DAMAGED if attachment is None:
            return f"{repair} forgets it, and whoever needs it makes it again"
        case Problem.RENDITION_MISSING | Problem.RENDITION_DAMAGED:
            return f"{repair} makes it again if its original is there"
        case Problem.ROW_WITHOUT_FILE:
            return f"{repair} removes the row: no attachment needs it"
        case Problem.ROW_INCONSISTENT:
            return "correct its key in the collection blobs, as its attachment has it, then check again"
        case Problem.ORPHAN:
            return "make storage-prune APPLY=1 removes it once it is 30 days old: no attachment needs it"
        case Problem.UNFINISHED:
            return f"{repair} removes it, and so does the next start of the ingestor"
        case Problem.DOCUMENT_UNREADABLE | Problem.DOCUMENT_INCONSISTENT:
            return "correct it in the collection messages, then check again"
        case Problem.FOREIGN:
            return "it is left alone; move it out of the store if nobody needs it there"


def _original(attachment: Attachment | None, now: datetime, repair: str) -> str:
    if attachment is not None and can_be_downloaded(attachment, now):
        deadline = attachment.media.deadline
        until = "" if deadline is None else f" (Meta keeps it until {deadline:%Y-%m-%d %H:%M} UTC)"
        return f"{repair} downloads it again{until}"
    return "Meta has deleted it: put the file back from a backup, or ask for it to be sent again"
