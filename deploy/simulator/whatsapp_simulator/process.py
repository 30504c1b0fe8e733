"""The simulator from the first line it prints to its exit code."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import typer

from whatsapp_simulator import delivery
from whatsapp_simulator.report import asked_table, console, progress, sent_table
from whatsapp_simulator.simulator import Simulator
from whatsapp_simulator.traffic import Sent, Traffic


async def serve(
    simulator: Simulator, webhook_url: str | None, order: Traffic | None, *, leave_after_seconds: float | None
) -> int:
    """Subscribe, send, serve until told to stop or for so long; 0 if all that was to be sent was accepted."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator:
        typer.echo(f"WhatsApp simulator: {simulator.base_url} (set WHATSAPP_GRAPH_URL to it)")
        if webhook_url is not None and not await simulator.subscribe(webhook_url):
            typer.echo(f"{webhook_url} did not answer the verification request with its challenge", err=True)
            return 1
        achieved = order is None or await _send(simulator, order, stop)
        with suppress(TimeoutError):
            async with asyncio.timeout(leave_after_seconds):
                await stop.wait()
        if order is not None or simulator.requests.metadata():
            console().print(asked_table(simulator))
    return 0 if achieved else 1


async def _send(simulator: Simulator, order: Traffic, stop: asyncio.Event) -> bool:
    sent = Sent()
    with progress(order.count) as show:
        sending = asyncio.create_task(delivery.run(simulator, order, sent=sent, on_progress=show))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        complete = sending.done()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    console().print(sent_table(sent))
    return complete and sent.accepted
