"""Telling the ingestors that a number's credentials have changed."""

import logging
import sys

from shared.broker.connection import Broker
from shared.broker.letter_errors import ReadingFailed
from shared.broker.publisher import Publisher, PublishFailed
from shared.cli.logs import SERVICE
from shared.cli.rabbitmq import knock
from shared.cli.settings import CredentialSettings
from shared.events import InstanceUpdated
from shared.ids import new_correlation_id
from shared.logs import configure_logging


async def tell(settings: CredentialSettings, event: InstanceUpdated, *, heard: str) -> str:
    """Let every ingestor know at once (`heard` is said then); they would notice by themselves, only later."""
    configure_logging(settings, service=SERVICE, stream=sys.stderr)
    logging.getLogger().setLevel(logging.ERROR)  # what a person has to know is what is returned
    broker = Broker(settings.rabbitmq_url, service=SERVICE, queues=())
    try:
        await knock(settings.rabbitmq_url)
        await broker.start()
        await Publisher(broker).publish([event], correlation_id=new_correlation_id(), mandatory=False)
    except (PublishFailed, ReadingFailed):
        return (
            "RabbitMQ does not answer, so the ingestors notice it by themselves, within RECONCILE_SECONDS (30 s "
            "unless set) of running."
        )
    finally:
        await broker.close()
    return heard
