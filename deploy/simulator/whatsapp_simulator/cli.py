"""`python -m whatsapp_simulator`: the simulator as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from whatsapp_simulator.demo import DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.simulator import Simulator
from whatsapp_simulator.webhooks import BusinessNumber

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    *,
    app_secret: Annotated[str, typer.Option(envvar="WHATSAPP_APP_SECRET", help="Webhooks are signed with it.")],
    verify_token: Annotated[str, typer.Option(envvar="WHATSAPP_VERIFY_TOKEN", help="For the handshake.")] = "",
    access_token: Annotated[
        str, typer.Option(envvar="WHATSAPP_ACCESS_TOKEN", help="Required of every request for media.")
    ] = DEMO_ACCESS_TOKEN,
    phone_number_id: Annotated[
        str, typer.Option(envvar="WHATSAPP_PHONE_NUMBER_ID", help="The business number that customers write to.")
    ] = DEMO_NUMBER.phone_number_id,
    host: Annotated[str, typer.Option(help="Where to listen; anyone who can reach it can control it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8090,
    webhook_url: Annotated[
        str | None, typer.Option(help="Your webhook's address; Meta's handshake with it comes first.")
    ] = None,
) -> None:
    """Meta's WhatsApp Business Cloud API, seen from outside: sends signed webhooks, serves media, fails on request.

    Control it over HTTP below /_control. Ends with Ctrl-C.
    """
    simulator = Simulator(
        # a comma list is allowed in the product's settings (rotation); Meta signs with one
        app_secret=app_secret.split(",")[0].strip(),
        verify_token=verify_token,
        access_token=access_token,
        number=BusinessNumber(phone_number_id=phone_number_id),
        host=host,
        port=port,
    )
    try:
        raise typer.Exit(asyncio.run(_run(simulator, webhook_url)))
    except OSError as error:  # the port is taken, or the host is not ours
        typer.echo(f"cannot listen: {error}", err=True)
        raise typer.Exit(1) from error


async def _run(simulator: Simulator, webhook_url: str | None) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator:
        typer.echo(f"WhatsApp simulator: {simulator.base_url} (set WHATSAPP_GRAPH_URL to it)")
        if webhook_url is not None and not await simulator.subscribe(webhook_url):
            typer.echo(f"{webhook_url} did not answer the verification request with its challenge", err=True)
            return 1
        await stop.wait()
    return 0
