"""Whether a file and the documents that show it have what they should have by now. No I/O."""

from collections.abc import Mapping

from shared.media import Facts, Rendition, Storage
from shared.plan import FACTS_RECIPE, missing, plan, renderer_of
from shared.repository.blobs import MOST_CRASHES, Blob


def recipes(blob: Blob) -> Mapping[str, int]:
    """Which version of its recipe made each rendition that there is."""
    return {name: made.recipe for name, made in blob.renditions.items()}


def is_uncharted(blob: Blob) -> bool:
    """Its facts were told by an older recipe, or nobody has looked into it yet."""
    return blob.facts_recipe != FACTS_RECIPE[renderer_of(blob.mime_type)]


def is_outdated(blob: Blob) -> bool:
    """There is something to be made of it, or to be told."""
    return is_uncharted(blob) or bool(missing(blob.mime_type, blob.size_bytes, blob.facts, recipes(blob)))


def is_given_up(blob: Blob) -> bool:
    """No decoder is started for it any more, until somebody asks."""
    return blob.crashes >= MOST_CRASHES


def renditions_of(blob: Blob) -> Mapping[str, Rendition]:
    """What a document with these bytes shows: what older recipes made, and none makes today, is not among it."""
    planned = {spec.name for spec in plan(blob.mime_type, blob.size_bytes, blob.facts)}
    return {
        name: Rendition(**made.model_dump(exclude={"recipe"}))
        for name, made in blob.renditions.items()
        if name in planned
    }


def is_shown(blob: Blob, *, storage: Storage, facts: Facts) -> bool:
    """This part of a document says what is known of its bytes."""
    return storage.renditions == renditions_of(blob) and facts == blob.facts
