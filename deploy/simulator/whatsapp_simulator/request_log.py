"""What was asked of the simulator: counts, and the newest requests one by one."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from aiohttp import web

from whatsapp_simulator.faults import Step

_MOST_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request. `host` is the name by which the client asked, `with_token` whether any token came with it."""

    step: Step
    media_id: str
    status: int
    host: str
    with_token: bool
    user_agent: str | None


class RequestLog:
    """Counts of requests by step, media id and HTTP status; those that met a fault count too."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[Step, str, int]] = Counter()
        self._asked: Counter[tuple[Step, str | None]] = Counter()  # None: for all media
        self._seen: deque[Seen] = deque(maxlen=_MOST_KEPT)

    def note(self, step: Step, media_id: str, status: int, request: web.Request) -> None:
        self._answered[step, media_id, status] += 1
        self._asked.update([(step, media_id), (step, None)])
        seen = Seen(
            step=step,
            media_id=media_id,
            status=status,
            host=request.host,
            with_token="Authorization" in request.headers,
            user_agent=request.headers.get("User-Agent"),
        )
        self._seen.append(seen)

    def metadata(self, media_id: str | None = None) -> int:
        """Metadata requests for this media id, or for all."""
        return self._asked[Step.METADATA, media_id]

    def downloads(self, media_id: str | None = None) -> int:
        """Requests for the bytes of this media id, or of all; each Range request and each hop is one."""
        return self._asked[Step.DOWNLOAD, media_id]

    def statuses(self, step: Step, media_id: str) -> dict[int, int]:
        """How often each HTTP status was answered."""
        return {status: count for (at, of, status), count in self._answered.items() if (at, of) == (step, media_id)}

    def seen(self, media_id: str | None = None) -> tuple[Seen, ...]:
        """The newest 10,000 requests for this media id, or for all, oldest first."""
        return tuple(seen for seen in self._seen if media_id is None or seen.media_id == media_id)

    def as_json(self) -> dict[str, object]:
        """The counts, as the control API shows them: media id, step, status, count."""
        shown: dict[str, dict[str, dict[str, int]]] = {}
        for (step, media_id, status), count in self._answered.items():
            shown.setdefault(media_id, {}).setdefault(step.value, {})[str(status)] = count
        return {"metadata": self.metadata(), "downloads": self.downloads(), "byMediaId": shown}

    def clear(self) -> None:
        """Begin to count anew."""
        self._answered.clear()
        self._asked.clear()
        self._seen.clear()
