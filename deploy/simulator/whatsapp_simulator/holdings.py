"""What the simulated Meta holds; no network."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_simulator.attachments import Kind
from whatsapp_simulator.clock import Clock
from whatsapp_simulator.content import BytesContent, Content
from whatsapp_simulator.fault_plan import FaultPlan
from whatsapp_simulator.faults import Fault
from whatsapp_simulator.files import SAMPLES
from whatsapp_simulator.media import Media, SizeForm, new_media_id
from whatsapp_simulator.outbox import Outbox
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.rate_limit import RateLimit
from whatsapp_simulator.request_log import RequestLog
from whatsapp_simulator.state import new_state
from whatsapp_simulator.tokens import Tokens


class Holdings:
    """Numbers, tokens, media, faults, what was asked, what was sent."""

    def __init__(self, *, access_token: str, number: BusinessNumber, clock: Clock | None, seed: int) -> None:
        self.clock = clock or Clock()
        self.number = number
        self._state = new_state(self.clock, seed=seed)
        self.add_number(number, access_token=access_token)

    @property
    def requests(self) -> RequestLog:
        """What was asked so far."""
        return self._state.requests

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong: `sim.faults.put(media.id, Fault(name=FaultName.CORRUPT, times=2))`."""
        return self._state.faults

    @property
    def tokens(self) -> Tokens:
        """The access tokens: `sim.tokens.expire(…)`, `sim.tokens.replace(…)`."""
        return self._state.tokens

    @property
    def outbox(self) -> Outbox:
        """What the business sent through Graph and was accepted."""
        return self._state.outbox

    @property
    def media(self) -> tuple[Media, ...]:
        """All media added so far and not deleted, oldest first."""
        return self._state.media.all()

    def media_of(self, media_id: str) -> Media:
        """The media with this id, past its time or not; KeyError when it is not held."""
        return self._state.media.held(media_id)

    def limit(self, limit: RateLimit | None) -> None:
        """Let Graph answer so many requests only; None lifts the limit."""
        self._state.limiter.set(limit)

    def add_number(self, number: BusinessNumber, *, access_token: str) -> None:
        """A further number of the business, readable with this token."""
        self._state.numbers[number.phone_number_id] = number
        self.tokens.grant(access_token, number.phone_number_id)

    def number_of(self, phone_number_id: str) -> BusinessNumber:
        """The number with this id; KeyError when it was never added."""
        return self._state.numbers[phone_number_id]

    def add_media(
        self,
        content: bytes | Content,
        *,
        kind: Kind,
        mime_type: str,
        filename: str | None = None,
        animated: bool = False,
        number: BusinessNumber | None = None,
        size_form: SizeForm = SizeForm.INTEGER,
        faults: Sequence[Fault] = (),
    ) -> Media:
        """Let Meta hold this file under a new media id."""
        media = Media(
            id=new_media_id(),
            number=number or self.number,
            kind=kind,
            mime_type=mime_type,
            content=BytesContent(content) if isinstance(content, bytes) else content,
            added_at=self.clock.now(),
            filename=filename,
            animated=animated,
            size_form=size_form,
        )
        self._state.media.add(media)
        self.faults.put(media.id, *faults)
        return media

    def add_sample(
        self,
        name: str,
        *,
        size_bytes: int | None = None,
        seed: int = 0,
        number: BusinessNumber | None = None,
        faults: Sequence[Fault] = (),
    ) -> Media:
        """Let Meta hold one of `SAMPLES`; with `size_bytes` padded to that size, with other bytes for each `seed`."""
        sample = SAMPLES[name]
        return self.add_media(
            sample.content(size_bytes=size_bytes, seed=seed),
            kind=sample.kind,
            mime_type=sample.mime_type,
            filename=sample.filename,
            animated=sample.animated,
            number=number,
            faults=faults,
        )
