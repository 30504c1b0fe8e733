"""One call a minute at most, over all ingestors, finds out whether Meta accepts a refused number again."""

import structlog

from ingestor.admission import Admission
from shared.clock import Clock
from shared.errors import CredentialError, PipelineError
from shared.graph.client import Graph
from shared.repository.healable import HealableMedia
from shared.repository.instances import InstanceRepository
from shared.repository.refusals import Refusal

log = structlog.get_logger(__name__)


class Probe:
    """Asks for the metadata of what failed; no document changes by it. The answer goes the way of every answer."""

    def __init__(
        self,
        *,
        graph: Graph,
        admission: Admission,
        instances: InstanceRepository,
        healable: HealableMedia,
        clock: Clock,
    ) -> None:
        self._graph = graph
        self._admission = admission
        self._instances = instances
        self._healable = healable
        self._clock = clock

    async def of(self, refusal: Refusal) -> None:
        """Ask, if it is due and there is anything to ask for."""
        number, now = refusal.phone_number_id, self._clock()
        if refusal.probe_at > now:
            return
        attachment = await self._healable.to_probe_with(number, now=now, skip=refusal.probes)
        if attachment is None or attachment.media.provider_media_id is None:
            return
        try:
            credentials = await self._instances.credentials(number)
            async with self._admission.asking(number, credentials, attachment_id=attachment.id, is_probe=True):
                await self._graph.locate(
                    attachment.media.provider_media_id,
                    phone_number_id=number,
                    access_token=credentials.access_token,
                )
        except CredentialError as error:
            log.info("instance.still_refused", phoneNumberId=number, code=error.code.value, reason=error.message)
        except PipelineError as error:
            log.info("instance.probe_told_nothing", phoneNumberId=number, code=error.code.value, reason=error.message)
