"""Does every kind of event reach its queue? AMQP cannot tell; RabbitMQ's management API can."""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from pydantic import SecretStr

from shared.broker.topology import EXCHANGE, IDENTITIES, INGEST, PREVIEW, REVOCATIONS
from shared.doctor.check import Answer, fine, skipped, warning, wrong

_WANTED = tuple((queue.name, queue.routing_key) for queue in (INGEST, IDENTITIES, REVOCATIONS, PREVIEW))


async def look_at_bindings(
    session: aiohttp.ClientSession, url: SecretStr, management_url: str | None
) -> Sequence[Answer]:
    """With the user of `url`; without `management_url` it only says that nobody looked."""
    if management_url is None:
        return [skipped("not looked at: RABBITMQ_MANAGEMENT_URL is not set")]
    amqp = urlsplit(url.get_secret_value())
    user = aiohttp.BasicAuth(unquote(amqp.username or "guest"), unquote(amqp.password or "guest"))
    virtual_host = quote(unquote(amqp.path[1:]) or "/", safe="")
    address = f"{management_url.rstrip('/')}/api/exchanges/{virtual_host}/{EXCHANGE}/bindings/source"
    try:
        async with session.get(address, auth=user) as response:
            if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return [warning("not checked: the management API refuses the user of RABBITMQ_URL", _TAG)]
            if response.status == HTTPStatus.NOT_FOUND:
                return [warning(f"not checked: the exchange {EXCHANGE} is not there", "see queues")]
            found = {(each["destination"], each["routing_key"]) for each in await response.json()}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        return [warning(f"not checked: no management API answered ({type(error).__name__})", _ADDRESS)]
    missing = [binding for binding in _WANTED if binding not in found]
    if not missing:
        return [fine(f"all {len(_WANTED)} kinds of events reach their queue")]
    return [
        wrong(f"{routing_key} does not reach {queue}", "restart any service that publishes it: it makes the binding")
        for queue, routing_key in missing
    ]


_TAG = "give that user the tag `monitoring`: rabbitmqctl set_user_tags <user> monitoring"
_ADDRESS = "correct RABBITMQ_MANAGEMENT_URL, or leave it out"
