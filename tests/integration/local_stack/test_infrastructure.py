"""The servers that every other integration test stands on."""

import asyncio
import time
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue
from pamqp.common import FieldTable
from pymongo import AsyncMongoClient, WriteConcern

from local_stack import Infrastructure, infrastructure
from local_stack.polling import wait_until
from tests.infrastructure import TestServers, fresh_broker

_QUORUM: FieldTable = {"x-queue-type": "quorum"}


async def test_a_quorum_queue_keeps_a_confirmed_message(broker_url: str) -> None:
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue("work", durable=True, arguments=_QUORUM)

        await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key="work")

        message = await queue.get(timeout=5)
        assert message.body == b"hello"


async def test_each_test_has_a_broker_of_its_own_at_once(servers: TestServers) -> None:
    with fresh_broker(servers) as first:
        await _declare(first, "mine")

        started = time.monotonic()
        with fresh_broker(servers) as second, pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await _declare(second, "mine", passive=True)

        assert time.monotonic() - started < 0.3


async def test_a_journaled_majority_write_is_read_back(mongodb_uri: str, mongodb_database: str) -> None:
    async with AsyncMongoClient[dict[str, object]](mongodb_uri) as client:
        messages = client[mongodb_database].get_collection("m", write_concern=WriteConcern(w="majority", j=True))

        await messages.insert_one({"_id": "m1"})

        assert await messages.find_one() == {"_id": "m1"}


async def test_two_stacks_run_at_once_and_a_killed_server_comes_back_with_its_data(
    servers: TestServers, tmp_path: Path
) -> None:
    async with infrastructure(tmp_path, lambda _: None, disposable=True) as other:
        assert other.rabbitmq_url != servers.rabbitmq_url
        assert other.mongodb_uri != servers.mongodb_uri
        await _write(other)
        assert await wait_until(lambda: _is_registered_on_disk("work", tmp_path), seconds=10)

        await asyncio.gather(other.rabbitmq.kill(), other.mongodb.kill())
        await asyncio.gather(other.rabbitmq.start(), other.mongodb.start())

        assert await _read(other) == (b"kept", {"_id": "kept"})


def _is_registered_on_disk(queue: str, data: Path) -> bool:
    # RabbitMQ 3.10 writes down that a quorum queue exists about a second after it has confirmed it; one that is killed
    # before that comes back without a leader. Messages do not wait for this: they are on disk when confirmed.
    return any(queue.encode() in file.read_bytes() for file in data.rglob("quorum/*/names.dets"))


async def _declare(url: str, name: str, *, passive: bool = False) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, passive=passive, arguments=_QUORUM)


async def _write(servers: Infrastructure) -> None:
    await _declare(servers.rabbitmq_url, "work")
    async with await aio_pika.connect(servers.rabbitmq_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.default_exchange.publish(
            aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), routing_key="work"
        )
    async with AsyncMongoClient[dict[str, object]](servers.mongodb_uri) as client:
        await client.test.get_collection("m", write_concern=WriteConcern(w="majority", j=True)).insert_one(
            {"_id": "kept"}
        )


async def _read(servers: Infrastructure) -> tuple[bytes, object]:
    async with await aio_pika.connect(servers.rabbitmq_url) as connection:
        channel = await connection.channel()
        queue: AbstractQueue = await channel.get_queue("work")
        message = await queue.get(timeout=10)
        await message.ack()
    async with AsyncMongoClient[dict[str, object]](servers.mongodb_uri) as client:
        return message.body, await client.test.m.find_one()
