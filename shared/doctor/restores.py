"""Was a restore cut off? Until it is done, documents may be missing, and services must not work here."""

from collections.abc import Sequence

from shared.backup.marker import Phase, under_way
from shared.doctor.check import Answer, fine, warning, wrong
from shared.repository.mongo import Database


async def look_at_restores(database: Database) -> Sequence[Answer]:
    """By the mark that a restore keeps in the database."""
    found = await under_way(database)
    if found is None:
        return [fine("none is under way, none was cut off")]
    which = f"the restore of backup {found.backup_id}, begun {found.began_at:%Y-%m-%d %H:%M} UTC,"
    if found.is_running:
        return [warning(f"{which} is under way", "wait for its end before the services are started")]
    if found.phase is Phase.FILES:
        return [warning(f"{which} was cut off; documents are as they were before", _AGAIN)]
    return [
        wrong(
            f"{which} was cut off: documents are missing", f"stop ingestor, previewer and media-server, then {_AGAIN}"
        )
    ]


_AGAIN = "give the same command again (make restore FROM=<folder>), which goes on with it"
