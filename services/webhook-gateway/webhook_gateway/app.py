"""The composition root: what the gateway is made of, and in which order it starts and stops."""

from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.resource import open_broker
from shared.broker.topology import IDENTITIES, INGEST, REVOCATIONS, UNREADABLE
from shared.clock import Clock, system_clock
from shared.web import GRACE_SECONDS, Resource, new_app
from webhook_gateway.intake import SERVICE, Confirming, Intake
from webhook_gateway.problems import problems
from webhook_gateway.routes import PATH, Webhooks
from webhook_gateway.settings import Settings
from webhook_gateway.unreadable import Replays

QUEUES = (*INGEST.queues(), *IDENTITIES.queues(), *REVOCATIONS.queues(), *UNREADABLE.queues())
"""All that a webhook can reach: declared here too, so that none is lost before the ingestor's first start."""


def build_app(settings: Settings, *, clock: Clock = system_clock) -> web.Application:
    """The gateway with its real broker. It serves at once and answers 503 until RabbitMQ is there."""
    broker = Broker(settings.rabbitmq_url, service=SERVICE, queues=QUEUES)
    publisher = Publisher(broker)
    intake = Intake(publisher, clock=clock, on_revoke=settings.whatsapp_on_revoke)
    replays = Replays(broker=broker, publisher=publisher, intake=intake, clock=clock)
    return gateway(settings, publisher, clock=clock, resources=(_connected(broker), _replayed(replays)))


def gateway(
    settings: Settings, publisher: Confirming, *, clock: Clock, resources: Sequence[Resource] = ()
) -> web.Application:
    """The gateway on any publisher."""
    webhooks = Webhooks(
        Intake(publisher, clock=clock, on_revoke=settings.whatsapp_on_revoke),
        app_secrets=settings.whatsapp_app_secret,
        verify_token=settings.whatsapp_verify_token,
        max_body_bytes=settings.webhook_max_body_bytes,
    )
    app = new_app(resources)
    app.middlewares.append(problems)
    app.router.add_get(PATH, webhooks.verify)
    app.router.add_post(PATH, webhooks.receive)
    return app


def _connected(broker: Broker) -> Resource:
    async def resource(app: web.Application) -> AsyncIterator[None]:
        async with open_broker(app, broker, works_off=(UNREADABLE,)):
            yield

    return resource


def _replayed(replays: Replays) -> Resource:
    async def resource(_: web.Application) -> AsyncIterator[None]:
        await replays.start()
        yield
        await replays.stop(grace_seconds=GRACE_SECONDS)

    return resource
