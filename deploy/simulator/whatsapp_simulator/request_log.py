"""What was asked of the simulator, counted."""

from __future__ import annotations

from collections import Counter

from whatsapp_simulator.faults import Step


class RequestLog:
    """Counts of requests by step, media id and HTTP status; those that met a fault count too."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[Step, str, int]] = Counter()

    def note(self, step: Step, media_id: str, status: int) -> None:
        self._answered[step, media_id, status] += 1

    def metadata(self, media_id: str | None = None) -> int:
        """Metadata requests for this media id, or for all."""
        return self._count(Step.METADATA, media_id)

    def downloads(self, media_id: str | None = None) -> int:
        """Requests for the bytes of this media id, or of all; each Range request is one."""
        return self._count(Step.DOWNLOAD, media_id)

    def statuses(self, step: Step, media_id: str) -> dict[int, int]:
        """How often each HTTP status was answered."""
        return {status: count for (at, of, status), count in self._answered.items() if (at, of) == (step, media_id)}

    def as_json(self) -> dict[str, object]:
        """Everything, as the control API shows it: media id, step, status, count."""
        shown: dict[str, dict[str, dict[str, int]]] = {}
        for (step, media_id, status), count in self._answered.items():
            shown.setdefault(media_id, {}).setdefault(step.value, {})[str(status)] = count
        return {"metadata": self.metadata(), "downloads": self.downloads(), "byMediaId": shown}

    def clear(self) -> None:
        """Begin to count anew."""
        self._answered.clear()

    def _count(self, step: Step, media_id: str | None) -> int:
        return sum(
            count
            for (at, of, _), count in self._answered.items()
            if at is step and (media_id is None or of == media_id)
        )
