"""Whether Meta may be asked for a number now: not while it refuses the number's credentials, or asks for patience."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from ingestor.throttle import Throttle
from shared.clock import Clock
from shared.errors import CredentialError, ErrorCode, PipelineError
from shared.graph.client import Graph
from shared.repository.instances import Credentials, InstanceRepository
from shared.repository.refusals import Refusal, Refusals
from shared.single_flight import SingleFlight

log = structlog.get_logger(__name__)

_PROVEN_SECONDS = 2.0
_ABOUT_THE_MEDIA = frozenset({ErrorCode.PROVIDER_NOT_FOUND, ErrorCode.PROVIDER_REJECTED})
_REFUSALS = frozenset({ErrorCode.PROVIDER_AUTH, ErrorCode.PROVIDER_PERMISSION})


class Admission:
    """Stands before every call to Graph, and learns from each answer.

    While it is not known that a number's credentials work, one call goes ahead and the others wait for its answer: a
    refused token is refused once, and not for everything that is in hand. `on_news` is called when a number turns out
    to be refused, or to be accepted again.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        refusals: Refusals,
        instances: InstanceRepository,
        throttle: Throttle,
        clock: Clock,
        on_news: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._graph = graph
        self._refusals = refusals
        self._instances = instances
        self._throttle = throttle
        self._clock = clock
        self._on_news = on_news
        self._monotonic = monotonic
        self._one_by_one = SingleFlight()
        self._verifying = SingleFlight()
        self._proven: dict[str, tuple[int, float]] = {}

    @asynccontextmanager
    async def asking(
        self, phone_number_id: str, credentials: Credentials, *, attachment_id: str, is_probe: bool = False
    ) -> AsyncIterator[None]:
        """Around one call to Graph for this attachment of this number, with these credentials.

        Every call to a number that is refused for certain is a probe, when one is due.

        Raises what the call would end with, when it is known beforehand: `CredentialError`, `SlowedDown`.
        """
        if self._is_proven(phone_number_id, credentials.version):
            async with self._learning(phone_number_id, credentials, attachment_id, is_probe=is_probe):
                yield
            return
        async with self._one_by_one.of(phone_number_id):
            if not self._is_proven(phone_number_id, credentials.version):
                async with self._learning(phone_number_id, credentials, attachment_id, is_probe=is_probe):
                    yield
                return
        async with self._learning(phone_number_id, credentials, attachment_id, is_probe=is_probe):
            yield

    def slow_down(self, phone_number_id: str, error: PipelineError) -> None:
        """A download was told to slow down: that holds for the number."""
        self._throttle.slow_down(phone_number_id, asked_seconds=getattr(error, "retry_after_seconds", None))

    @asynccontextmanager
    async def _learning(
        self, phone_number_id: str, credentials: Credentials, attachment_id: str, *, is_probe: bool
    ) -> AsyncIterator[None]:
        version = credentials.version
        self._throttle.demand(phone_number_id)
        refusal = await self._refusals.get(phone_number_id)
        standing = refusal if refusal is not None and refusal.stands(version) else None
        probed = None
        if standing is not None and (standing.certain or is_probe):
            if not await self._refusals.claim_probe(standing, now=self._clock()):
                raise standing.error()
            probed = standing
        try:
            yield
        except PipelineError as error:
            await self._learn(phone_number_id, credentials, attachment_id, probed, error)
            raise
        self._prove(phone_number_id, version)
        self._throttle.accepted(phone_number_id)
        if probed is not None:
            await self._accepted(probed)
        elif standing is not None and standing.attachment not in {None, attachment_id}:
            await self._refusals.served(standing)

    async def _learn(
        self,
        phone_number_id: str,
        credentials: Credentials,
        attachment_id: str,
        probed: Refusal | None,
        error: PipelineError,
    ) -> None:
        if isinstance(error, CredentialError) and error.code in _REFUSALS:
            # one asks for all that are refused at the same moment, and the next one finds what it learned
            async with self._verifying.of(phone_number_id):
                certain = await self._holds_for_all(phone_number_id, credentials, attachment_id, error)
                if certain is not False:
                    self._proven.pop(phone_number_id, None)
                await self._refused(
                    phone_number_id, credentials.version, error, attachment_id=attachment_id, certain=certain
                )
            return
        self._prove(phone_number_id, credentials.version)  # whatever the answer was, it was not about the token
        if error.code is ErrorCode.PROVIDER_RATE_LIMITED:
            self.slow_down(phone_number_id, error)
        elif probed is not None and probed.code is ErrorCode.PROVIDER_AUTH and error.code in _ABOUT_THE_MEDIA:
            # Graph looks at the token first; a missing permission it may well call "not found"
            await self._accepted(probed)

    async def _holds_for_all(
        self, phone_number_id: str, credentials: Credentials, attachment_id: str, error: CredentialError
    ) -> bool | None:
        """Whether the number is refused, and not this one attachment; None when Meta does not tell.

        A token that is bad is bad for everything. What lacks a permission may well see its number.
        """
        refusal = await self._refusals.get(phone_number_id)
        standing = refusal if refusal is not None and refusal.stands(credentials.version) else None
        if standing is not None and standing.certain:
            return True
        if error.code is not ErrorCode.PROVIDER_AUTH:
            return None
        if standing is not None and attachment_id in standing.refused:
            return None  # known, and no news of the number
        try:
            await self._graph.verify(phone_number_id, credentials.access_token)
        except PipelineError as answer:
            return True if answer.code is ErrorCode.PROVIDER_AUTH else None
        return False

    async def _refused(
        self, phone_number_id: str, version: int, error: CredentialError, *, attachment_id: str, certain: bool | None
    ) -> None:
        effective = await self._instances.effective()
        if effective.version(phone_number_id) != version:
            return  # a newer one was saved meanwhile, and is tried at once
        if await self._refusals.refused(
            phone_number_id, error, attachment_id=attachment_id, certain=certain, version=version, now=self._clock()
        ):
            log.error(
                "instance.refused",
                phoneNumberId=phone_number_id,
                instanceVersion=version,
                code=error.code.value,
                providerStatus=error.provider_status,
                providerCode=error.provider_code,
                reason=error.message,
                next="Meta is asked again once a minute; what failed is fetched by itself as soon as it accepts",
            )
            self._on_news()

    async def _accepted(self, refusal: Refusal) -> None:
        if await self._refusals.accepted(refusal, now=self._clock()):
            log.info(
                "instance.accepted_again",
                phoneNumberId=refusal.phone_number_id,
                instanceVersion=refusal.instance_version,
                refusedSince=refusal.refused_at.isoformat(),
            )
            self._on_news()

    def _prove(self, phone_number_id: str, version: int) -> None:
        self._proven[phone_number_id] = (version, self._monotonic())

    def _is_proven(self, phone_number_id: str, version: int) -> bool:
        known, at = self._proven.get(phone_number_id, (None, 0.0))
        return known == version and self._monotonic() - at < _PROVEN_SECONDS
