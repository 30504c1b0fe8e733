"""`attache simulate`, `python -m whatsapp_simulator`: the simulator as a process of its own."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Annotated

import typer

from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.demo import DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.fault_input import parse_fault
from whatsapp_simulator.json_fields import BadInput
from whatsapp_simulator.parties import BusinessNumber
from whatsapp_simulator.process import serve
from whatsapp_simulator.rate_limit import RateLimit
from whatsapp_simulator.report import console, names_table
from whatsapp_simulator.simulator import Simulator
from whatsapp_simulator.traffic import Traffic

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_ALL = "all"


def _show_names(wanted: bool) -> None:
    if wanted:
        console().print(names_table())
        raise typer.Exit


@app.command()
def simulate(
    *,
    app_secret: Annotated[str, typer.Option(envvar="WHATSAPP_APP_SECRET", help="Webhooks are signed with it.")],
    verify_token: Annotated[str, typer.Option(envvar="WHATSAPP_VERIFY_TOKEN", help="For the handshake.")] = "",
    access_token: Annotated[
        str, typer.Option(envvar="WHATSAPP_ACCESS_TOKEN", help="Required of every request.")
    ] = DEMO_ACCESS_TOKEN,
    phone_number_id: Annotated[
        str, typer.Option(envvar="WHATSAPP_PHONE_NUMBER_ID", help="The business number that customers write to.")
    ] = DEMO_NUMBER.phone_number_id,
    host: Annotated[str, typer.Option(help="Where to listen; anyone who can reach it can control it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8090,
    tls_cert: Annotated[Path | None, typer.Option(help="Serve https with this certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Your webhook's address; Meta's handshake with it comes first.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="What to send, several in turns; `all` is one of each. See --names.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many to send; usually one of each kind.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Updates in one webhook, at most.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Webhooks per second; usually as fast as answered.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, help="Webhooks under way at once.")] = 4,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of webhooks that come twice at once.")] = 0,
    reorder: Annotated[bool, typer.Option("--reorder", help="Send in another order than written.")] = False,
    customers: Annotated[int, typer.Option(min=1, help="How many customers write.")] = 1,
    caption: Annotated[str | None, typer.Option(help="On every file.")] = None,
    size: Annotated[int | None, typer.Option(min=32768, help="Pad every file to so many bytes.")] = None,
    unique: Annotated[bool, typer.Option("--unique", help="Give each file bytes of its own.")] = False,
    seed: Annotated[int, typer.Option(help="Another one: other luck, other bytes.")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option(help="NAME[=SHARE][,OPTION=VALUE]…, as in corrupt=0.1. See --names.")
    ] = None,
    graph_limit: Annotated[int | None, typer.Option(min=0, help="Graph requests per hour before 429.")] = None,
    leave_after: Annotated[
        float | None,
        typer.Option(min=0, help="Serve so many seconds after sending, then end; usually until Ctrl-C."),
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", is_eager=True, callback=_show_names, help="List all kinds and faults.")
    ] = False,
) -> None:
    """Meta's WhatsApp Business Cloud API, seen from outside: sends signed webhooks, serves media, fails on request.

    Control it over HTTP below /_control. Exit code 1 when a webhook was not accepted in the end.
    """
    # a comma list is allowed in the product's settings (rotation); Meta signs with one
    secret = app_secret.split(",")[0].strip()
    kinds = [name for given in kind or [] for name in (KINDS if given == _ALL else (given,))]
    if kinds and webhook_url is None:
        raise typer.BadParameter("--kind needs --webhook-url: where should it go?")
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    try:
        order = None
        if kinds:
            order = Traffic(
                kinds=kinds,
                count=count or len(kinds),
                batch=batch,
                per_second=rate,
                connections=connections,
                duplicates=duplicates,
                reorder=reorder,
                customers=customers,
                size_bytes=size,
                unique=unique,
                caption=caption,
                seed=seed,
            )
        faults = [parse_fault(text) for text in fault or []]
    except (BadInput, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    try:
        simulator = Simulator(
            app_secret=secret,
            verify_token=verify_token,
            access_token=access_token,
            number=BusinessNumber(phone_number_id=phone_number_id),
            host=host,
            port=port,
            tls=_tls(tls_cert, tls_key),
            seed=seed,
        )
        simulator.faults.put_everywhere(*faults)
        simulator.limit(None if graph_limit is None else RateLimit(requests=graph_limit))
        raise typer.Exit(asyncio.run(serve(simulator, webhook_url, order, leave_after_seconds=leave_after)))
    except OSError as error:  # the port is taken, the host is not ours, the certificate cannot be read
        typer.echo(f"cannot listen: {error}", err=True)
        raise typer.Exit(1) from error


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
