"""Whether RabbitMQ is there, told at once: what publishes waits for it patiently, and a person should not."""

import aio_pika
from pydantic import SecretStr

from shared.broker.letter_errors import ANSWER_SECONDS, answered


async def knock(url: SecretStr) -> None:
    """Connect once and go. Raise `ReadingFailed` when nobody answers, or the password is refused."""
    connection = await answered(aio_pika.connect(url.get_secret_value(), timeout=ANSWER_SECONDS))
    await connection.close()
