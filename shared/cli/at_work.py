"""Which services work at this moment, as RabbitMQ and the media-server's address tell."""

import aio_pika
import aiohttp
from aio_pika.exceptions import ChannelNotFoundEntity
from pydantic import SecretStr

from shared.broker.letter_errors import ANSWER_SECONDS, ReadingFailed, answered
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, REVOCATIONS

# short of room the ingestor takes nothing from the first of its queues, and goes on with the others
_QUEUES = {"ingestor": (INGEST.name, IDENTITIES.name, REVOCATIONS.name), "previewer": (PREVIEW.name,)}
_MEDIA_SERVER = "media-server"


async def at_work(url: SecretStr, *, media_server: str) -> list[str]:
    """Those that write documents and run now, or the first of them. Raise `ReadingFailed` when nobody can tell."""
    if await _is_there(media_server):
        return [_MEDIA_SERVER]
    connection = await answered(aio_pika.connect(url.get_secret_value(), timeout=ANSWER_SECONDS))
    try:
        return [
            service
            for service, queues in _QUEUES.items()
            if any([await _is_consumed(connection, queue) for queue in queues])
        ]
    finally:
        await connection.close()


async def _is_consumed(connection: aio_pika.abc.AbstractConnection, queue: str) -> bool:
    try:
        channel = await answered(connection.channel())
        declared = await answered(channel.declare_queue(queue, passive=True))
    except ChannelNotFoundEntity:  # there is no such queue yet
        return False
    return bool(declared.declaration_result.consumer_count)


async def _is_there(url: str) -> bool:
    """Whether a service of Attache answers there, whatever it says."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session,
            session.get(f"{url}/readyz") as response,
        ):
            return "checks" in await response.json(content_type=None)
    except TimeoutError:
        msg = f"what is at MEDIA_SERVER_URL gave no answer within {ANSWER_SECONDS:g} s"
        raise ReadingFailed(msg) from None
    except (aiohttp.ClientError, OSError, ValueError, TypeError):
        return False
