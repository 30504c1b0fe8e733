"""The gauge of the instances: which configured numbers Meta serves."""

from collections.abc import Collection

from ingestor.metrics import INSTANCE_HEALTHY
from shared.repository.instances import Effective

_OTHER = "other"


def show_health(effective: Effective, refused: Collection[str]) -> None:
    """1 or 0 for each configured number; `other` stands for all numbers that use the default instance."""
    INSTANCE_HEALTHY.clear()
    for number in effective.own:
        INSTANCE_HEALTHY.labels(number).set(number not in refused and effective.works(number))
    others = any(number not in effective.own for number in refused)
    INSTANCE_HEALTHY.labels(_OTHER).set(not others)
