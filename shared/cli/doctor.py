"""`attache doctor`: look at everything at once, and say what is wrong and what to do."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from yarl import URL

from shared.cli.doctor_report import as_json, as_table
from shared.cli.doctor_settings import DoctorSettings
from shared.cli.logs import log_to_stderr
from shared.cli.progress import progress_bar
from shared.clock import system_clock
from shared.doctor.bindings import look_at_bindings
from shared.doctor.broker import look_at_broker
from shared.doctor.check import Check, Examined, Verdict
from shared.doctor.clocks import look_at_clocks
from shared.doctor.database import look_at_database
from shared.doctor.documents import look_at_documents
from shared.doctor.examination import examine
from shared.doctor.files import look_at_files
from shared.doctor.indexes import look_at_indexes
from shared.doctor.keys import look_at_keys
from shared.doctor.links import look_at_links
from shared.doctor.queues import look_at_queues
from shared.doctor.restores import look_at_restores
from shared.doctor.services import look_at_service
from shared.doctor.settings import look_at_settings
from shared.doctor.storage import look_at_storage
from shared.doctor.tokens import look_at_tokens
from shared.graph.client import HEADERS, Graph
from shared.repository.mongo import connect
from shared.settings import load_settings

_ANSWER_SECONDS = aiohttp.ClientTimeout(total=6)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for machines.")] = False,
) -> None:
    """Look at settings, servers, storage, clocks, tokens and links, and say what is wrong. Changes nothing.

    Exit code 1 when something is wrong; warnings alone do not count.
    """
    settings = _settings()
    log_to_stderr(settings)
    logging.getLogger().setLevel(logging.ERROR)  # what a person has to know is in the report
    # not `asyncio.run`: it would wait for a look-up of a name that hangs
    found = asyncio.new_event_loop().run_until_complete(_examined(settings))
    typer.echo(as_json(found)) if json else as_table(found)
    sys.stdout.flush()
    # threads that a server or a disk holds up are left where they are
    os._exit(1 if any(answer.verdict is Verdict.WRONG for each in found for answer in each.answers) else 0)


def _settings() -> DoctorSettings:
    settings = load_settings(DoctorSettings)
    # those of `.env`, too: a token must not leave over plain http
    given = {
        "WHATSAPP_GRAPH_URL": settings.whatsapp_graph_url,
        "WHATSAPP_ALLOW_HTTP_GRAPH": "true" if settings.whatsapp_allow_http_graph else "false",
    }
    if problems := [*settings.contradictions(given)]:
        for name, text in problems:
            typer.echo(f"{name}: {text}", err=True)
        raise typer.Exit(2)
    return settings


async def _examined(settings: DoctorSettings) -> Sequence[Examined]:
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, headers=HEADERS, timeout=_ANSWER_SECONDS
    ) as session:
        checks = _checks(settings, session)
        with progress_bar() as progress:
            bar = progress.add_task("Looking", total=len(checks))
            return await examine(checks, on_answer=lambda _: progress.advance(bar))


def _checks(settings: DoctorSettings, session: aiohttp.ClientSession) -> Sequence[Check]:
    """In the order in which people read them: what others stand on comes first."""
    database = connect(settings.mongodb_uri)[settings.mongodb_database]
    url, keys, services = settings.rabbitmq_url, settings.credentials_encryption_key, settings.services
    graph_url = URL(settings.whatsapp_graph_url)
    graph = Graph(session, url=graph_url, version=settings.whatsapp_graph_version)
    folder = Path(settings.storage_url)
    looks = {
        "settings": partial(look_at_settings, Path(".env")),
        "broker": partial(look_at_broker, url),
        "queues": partial(look_at_queues, url, retry_delays=settings.media_retry_delays),
        "bindings": partial(look_at_bindings, session, url, settings.rabbitmq_management_url),
        "database": partial(look_at_database, database),
        "indexes": partial(look_at_indexes, database),
        "restore": partial(look_at_restores, database),
        "attachments": partial(look_at_documents, session, database, services=services, clock=system_clock),
        "storage": partial(look_at_storage, folder, min_free_bytes=settings.storage_min_free_bytes),
        "files": partial(look_at_files, session, database, folder, services=services),
        **{name: partial(look_at_service, session, name, address) for name, address in services.items()},
        "clocks": partial(
            look_at_clocks,
            session,
            database,
            graph_url=f"{graph_url / settings.whatsapp_graph_version}/me",
            services=services,
        ),
        "keys": partial(look_at_keys, database, keys),
        "tokens": partial(look_at_tokens, database, keys, graph),
        "links": partial(
            look_at_links,
            session,
            media_server=settings.media_server_url,
            links=settings.public_url or settings.media_server_url,
            operator_token=settings.operator_token,
        ),
    }
    return [Check(name=name, look=look) for name, look in looks.items()]
