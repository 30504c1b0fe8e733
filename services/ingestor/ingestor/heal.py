"""What failed for want of credentials that work is tried again by itself, nearest deadline first, from the database."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from ingestor.attempts import Attempts
from ingestor.expiry import expired
from ingestor.health import show_health
from ingestor.probe import Probe
from shared.broker.publisher import Publisher, PublishFailed
from shared.clock import Clock
from shared.ids import new_correlation_id
from shared.media import Attachment
from shared.moves import QUEUED, ingest_again, mark_failed
from shared.repository.healable import Cure, HealableMedia
from shared.repository.instances import Effective, InstanceRepository
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.repository.refusals import Refusal, Refusals
from shared.requeue import received_again
from shared.updates import Announcer

log = structlog.get_logger(__name__)

_STILL_FAILING = timedelta(minutes=2)
"""How long after Meta accepts again another ingestor may still write down an earlier refusal."""


class Healer:
    """Looks every `seconds`, and at once when told that something changed.

    Each document is healed by one ingestor (compare-and-set), and only when its number's effective instance is
    another one than it was tried with, or Meta accepts the same one again: so healing never goes round in circles.
    """

    def __init__(
        self,
        *,
        healable: HealableMedia,
        messages: MessageRepository,
        instances: InstanceRepository,
        refusals: Refusals,
        probe: Probe,
        publisher: Publisher,
        announcer: Announcer,
        attempts: Attempts,
        clock: Clock,
        seconds: int,
        asked: asyncio.Event,
    ) -> None:
        self._healable = healable
        self._messages = messages
        self._instances = instances
        self._refusals = refusals
        self._probe = probe
        self._publisher = publisher
        self._announcer = announcer
        self._attempts = attempts
        self._clock = clock
        self._seconds = seconds
        self._asked = asked
        self._is_first = True

    async def run(self) -> None:
        """For ever."""
        while True:
            self._asked.clear()
            try:
                await self.once()
            except (DatabaseError, PublishFailed) as error:
                log.warning("healing.postponed", reason=str(error) or type(error).__name__)
            except Exception:  # a defect must not keep everything else from healing
                log.exception("healing.failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._asked.wait()

    async def once(self) -> int:
        """Heal what can be healed now; how many. Then ask Meta whether it accepts what it refuses."""
        effective = await self._instances.effective()
        known = {refusal.phone_number_id: refusal async for refusal in self._refusals.everything()}
        standing = [refusal for number, refusal in known.items() if refusal.stands(effective.version(number))]
        self._attempts.configure(effective.own)
        shown = {number for number, refusal in known.items() if refusal.shows(effective.version(number))}
        show_health(effective, shown)
        await self._expire()
        healed = await self._heal(await self._cures(effective, known))
        self._is_first = False
        for refusal in known.values():
            version = effective.version(refusal.phone_number_id)
            await self._refusals.forget(refusal, effective=version, now=self._clock())
        await asyncio.gather(*(self._probe.of(refusal) for refusal in standing))
        return healed

    async def _cures(self, effective: Effective, known: Mapping[str, Refusal]) -> Sequence[Cure]:
        cures = []
        for number in await self._healable.numbers():
            version, refusal = effective.version(number), known.get(number)
            if version is None or not effective.works(number):
                continue
            if refusal is not None and refusal.stops(version):
                continue  # they would only fail again; they follow when it is accepted
            same = refusal if refusal is not None and refusal.instance_version == version else None
            cures.append(
                Cure(
                    phone_number_id=number,
                    version=version,
                    accepted_until=same.accepted_at + _STILL_FAILING if same and same.accepted_at else None,
                    # the key it was encrypted with may have been given back: a restart is what tells
                    readable_again=self._is_first,
                )
            )
        return cures

    async def _heal(self, cures: Sequence[Cure]) -> int:
        healed = 0
        async for attachment in self._healable.cured(cures, now=self._clock()):
            correlation_id = attachment.correlation_id or new_correlation_id()
            with structlog.contextvars.bound_contextvars(correlationId=correlation_id):
                change = await self._messages.change(attachment, ingest_again(now=self._clock()))
                if change is None:  # another ingestor, or a person, was faster
                    continue
                self._announcer.announce(change)
                await self._set_going(change.attachment, correlation_id)
                healed += 1
        if healed:
            log.info("media.healed", count=healed)
        return healed

    async def _set_going(self, attachment: Attachment, correlation_id: str) -> None:
        try:
            await self._publisher.publish([received_again(attachment)], correlation_id=correlation_id)
        except PublishFailed:
            # due now, so that the reconciler takes it in its next round
            await self._messages.wake_later(attachment, self._clock())
            raise
        await self._messages.wake_later(attachment, self._clock() + QUEUED)

    async def _expire(self) -> None:
        now = self._clock()
        async for attachment in self._healable.expired(now):
            failure, deadline = attachment.media.failure, attachment.media.deadline
            if failure is None or deadline is None:  # not what was asked for
                continue
            correlation_id = attachment.correlation_id or new_correlation_id()
            with structlog.contextvars.bound_contextvars(correlationId=correlation_id):
                move = mark_failed(expired(failure, deadline=deadline, now=now))
                change = await self._messages.change(attachment, move)
                if change is not None:
                    self._announcer.announce(change)
