"""Which faults are in force, and whom the next one meets."""

from __future__ import annotations

import random
from collections import Counter

from whatsapp_simulator.fault_names import FaultName, Step
from whatsapp_simulator.faults import Fault, Per

EVERYWHERE = "*"
"""In place of a media id: whatever is asked for."""


class FaultPlan:
    """The faults in force, per media id and for all. Several for one id take effect one after the other, each at its
    own step; those of the id come before those for all. With the same `seed`, shares fall the same way again."""

    def __init__(self, *, seed: int = 0) -> None:
        self._faults: dict[str, tuple[Fault, ...]] = {}
        self._used: Counter[tuple[str, int, str]] = Counter()
        self._seed = seed
        self._luck = random.Random(seed)  # noqa: S311 - faults are not secrets
        self._struck: Counter[FaultName] = Counter()

    def put(self, media_id: str, *faults: Fault) -> None:
        """Replace what is planned for this media id; with no faults, everything about it works again."""
        if self._faults.pop(media_id, None) is not None:
            self._used = Counter({key: count for key, count in self._used.items() if key[0] != media_id})
        if faults:
            self._faults[media_id] = faults

    def put_everywhere(self, *faults: Fault) -> None:
        """Replace what is planned for all media, those to come included."""
        self.put(EVERYWHERE, *faults)

    def clear(self) -> None:
        """Everything works again."""
        self._faults.clear()
        self._used.clear()

    def planned(self) -> dict[str, tuple[Fault, ...]]:
        """What was put, by media id or `EVERYWHERE`; used-up faults included."""
        return dict(self._faults)

    def struck(self) -> dict[FaultName, int]:
        """How many requests have met each fault."""
        return dict(self._struck)

    def take(self, media_id: str, step: Step) -> Fault | None:
        """The fault that this request meets, counted as used; None when it is to succeed."""
        for place in (media_id, EVERYWHERE):
            for position, fault in enumerate(self._faults.get(place, ())):
                if fault.step is step and self._strikes(place, position, fault, media_id):
                    self._struck[fault.name] += 1
                    return fault
        return None

    def _strikes(self, place: str, position: int, fault: Fault, media_id: str) -> bool:
        whose = media_id if fault.per is Per.ATTACHMENT else EVERYWHERE
        key = (place, position, whose)
        if fault.times is not None and self._used[key] >= fault.times:
            return False
        if fault.per is Per.ATTACHMENT:  # the same verdict each time
            luck = random.Random(f"{self._seed} {position} {media_id}").random()  # noqa: S311
        else:
            luck = self._luck.random()
        if luck >= fault.share:
            return False
        self._used[key] += 1
        return True
