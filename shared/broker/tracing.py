"""Trace context in AMQP headers: a message carries the trace of whoever published it, its work goes on with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika import Message
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry.trace import Span, SpanKind

from shared.tracing import inject, span

_SYSTEM = {"messaging.system": "rabbitmq"}


@contextmanager
def publishing(message: Message, *, exchange: str, routing_key: str) -> Iterator[None]:
    """The span of a publish and its confirm. Copies, too, go on with the trace of the work that caused them."""
    attributes = {
        **_SYSTEM,
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": f"{exchange}:{routing_key}" if exchange else routing_key,
        "messaging.rabbitmq.destination.routing_key": routing_key,
        "messaging.message.id": str(message.message_id),
        "messaging.message.conversation_id": str(message.correlation_id),
    }
    with span(f"publish {routing_key}", kind=SpanKind.PRODUCER, attributes=attributes):
        inject(message.headers)
        yield


@contextmanager
def processing(message: AbstractIncomingMessage, *, name: str, correlation_id: str) -> Iterator[Span]:
    """The span of the work on one message. `name`: its queue, or its routing key where the queue is nobody's."""
    attributes = {
        **_SYSTEM,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": name,
        "messaging.rabbitmq.destination.routing_key": str(message.routing_key),
        "messaging.message.id": str(message.message_id),
        "messaging.message.conversation_id": correlation_id,
        "attache.correlation_id": correlation_id,
    }
    with span(f"process {name}", kind=SpanKind.CONSUMER, attributes=attributes, carrier=message.headers) as current:
        yield current
