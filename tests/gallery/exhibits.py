"""What became of each sample, fetched as an operator's browser fetches it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.e2e.world import JSON, World
from tests.gallery.rows import ROWS, Row


@dataclass(frozen=True, kw_only=True)
class File:
    """One file behind a signed link."""

    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A sample's message as the API shows it, the original and every rendition."""

    row: Row
    message: JSON
    original: File
    renditions: Mapping[str, File]

    @property
    def facts(self) -> JSON:
        """What the API tells about the file."""
        facts: JSON = self.message["media"]["facts"]
        return facts


async def gathered(world: World) -> Mapping[str, Exhibit]:
    """Every row through the running services, by the sample's name."""
    return {row.sample: exhibit for row in ROWS for exhibit in [await _exhibit(world, row)]}


async def _exhibit(world: World, row: Row) -> Exhibit:
    sent = await world.send(row.sample)
    document = await world.ended(sent.id)
    message = await world.shown(document["_id"])
    media = message["media"]
    names = list(media["renditions"])
    original, *files = await asyncio.gather(
        _fetched(world, media["original"]["url"]),
        *(_fetched(world, media["renditions"][name]["url"]) for name in names),
    )
    return Exhibit(row=row, message=message, original=original, renditions=dict(zip(names, files, strict=True)))


async def _fetched(world: World, url: str) -> File:
    status, data, headers = await world.fetched(url)
    assert status == 200, url
    return File(data=data, headers=headers)
