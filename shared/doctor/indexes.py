"""Are all indexes there that the code stands on? Without one a list takes minutes, or two things become one."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.doctor.check import Answer, fine, listed, wrong
from shared.repository.mongo import INDEXES, Database

_OPTIONS = ("unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "collation", "hidden")


async def look_at_indexes(database: Database) -> Sequence[Answer]:
    """Compares fields, what the index enforces, how it compares texts and whether queries may use it.

    Indexes that somebody added are nobody's trouble.
    """
    answers: list[Answer] = []
    missing: list[str] = []
    count = 0
    for collection, wanted in INDEXES.items():
        found = await database[collection].index_information()
        for index in wanted:
            count += 1
            there = _standing_for(index.document, found)
            if there is None:
                missing.append(f"{collection}.{index.document['name']}")
            elif _options(found[there]) != _options(index.document) or not _same_fields(index.document, found[there]):
                answers.append(_another(collection, there, _differing(index.document, found[there])))
    if missing:
        answers.append(wrong(f"not there: {listed(missing)}", "restart the media-server: it makes them at its start"))
    return answers or [fine(f"all {count} indexes are there")]


def _standing_for(wanted: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The name of the index that is there in its place: the right one, else one that is in its way."""
    same = [name for name, about in found.items() if _same_fields(wanted, about)]
    right = [name for name in same if _options(found[name]) == _options(wanted)]
    in_the_way = [name for name in found if name == wanted["name"]]
    return next(iter([*right, *same, *in_the_way]), None)


def _differing(wanted: Mapping[str, Any], about: Mapping[str, Any]) -> Sequence[str]:
    theirs, ours = _options(about), _options(wanted)
    fields = [] if _same_fields(wanted, about) else ["fields"]
    return [*fields, *(name for name in _OPTIONS if theirs.get(name) != ours.get(name))]


def _another(collection: str, name: str, differing: Sequence[str]) -> Answer:
    return wrong(
        f"the index {collection}.{name} is another one than wanted ({', '.join(differing)}), so that services cannot "
        "make theirs, or queries cannot use it",
        f'mongosh: db.{collection}.dropIndex("{name}"), then restart the media-server: it makes it anew',
    )


def _same_fields(wanted: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    return [tuple(pair) for pair in about["key"]] == list(wanted["key"].items())


def _options(index: Mapping[str, Any]) -> dict[str, Any]:
    return {name: index[name] for name in _OPTIONS if index.get(name)}
