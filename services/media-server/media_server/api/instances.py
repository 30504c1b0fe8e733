"""`/api/whatsapp-instances`: the business numbers and their access tokens. No answer ever holds a token."""

import re
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web

from media_server.api.body import read_body
from media_server.api.query import limit
from media_server.api.schemas import WhatsAppInstanceInput
from media_server.problems import Problem, bad_request, not_found
from media_server.state import GRAPH, INSTANCES, PUBLISHER, REFUSALS
from shared.broker.publisher import PublishFailed
from shared.correlation import correlation_id
from shared.errors import CredentialError, ErrorCode, PipelineError
from shared.events import InstanceUpdated
from shared.repository.instances import Instance
from shared.repository.refusals import Refusal

log = structlog.get_logger(__name__)

_PHONE_NUMBER_ID = re.compile(r"[0-9]{1,32}")
_READ_ONLY = frozenset({"phoneNumberId", "tokenHint", "version", "updatedAt", "refused"})


async def get_instances(request: web.Request) -> web.Response:
    """A page of them, by number, each with why Meta refuses its token, if it does."""
    most, cursor = limit(request), request.query.get("cursor", "")
    if cursor and not _PHONE_NUMBER_ID.fullmatch(cursor):
        msg = "the cursor is not one that an earlier page gave"
        raise bad_request(msg)
    refused = {each.phone_number_id: each async for each in request.app[REFUSALS].all()}
    found = [each async for each in request.app[INSTANCES].all() if each.id > cursor]
    more = len(found) > most
    items = [_json(each, refused.get(each.id)) for each in found[:most]]
    return web.json_response({"items": items, "nextCursor": found[most - 1].id if more else None})


async def get_instance(request: web.Request) -> web.Response:
    """One of them."""
    return await _answer(request, await _known(request))


async def put_instance(request: web.Request) -> web.Response:
    """Add one, replace its token, or without a token rename it or make it the default."""
    number = request.match_info["phoneNumberId"]
    if not _PHONE_NUMBER_ID.fullmatch(number):
        msg = "a phone number id has digits only, 32 at most; Meta's API setup page shows it"
        raise bad_request(msg)
    given = await read_body(request, WhatsAppInstanceInput, ignored=_READ_ONLY)
    instances = request.app[INSTANCES]
    known = {instance.id: instance async for instance in instances.all()}
    before = known.get(number)
    display_name = given.display_name or (before.display_name if before else number)
    # the first one is the default: a single number needs no further thought
    otherwise = before.is_default if before else not known
    is_default = otherwise if given.is_default is None else given.is_default
    if given.access_token is not None:
        saved: Instance | None = await instances.save(
            number, display_name=display_name, access_token=given.access_token, is_default=is_default
        )
    elif before is None:
        msg = f"there is no instance of number {number} yet: accessToken is missing; expected {_TOKEN_EXPECTED}"
        raise bad_request(msg)
    else:
        saved = await instances.describe(number, display_name=display_name, is_default=is_default)
    if saved is None:
        raise _unknown()
    log.info("instance.saved", phoneNumberId=number, version=saved.version, newToken=given.access_token is not None)
    await _tell(request, saved)
    return await _answer(request, saved)


async def delete_instance(request: web.Request) -> web.Response:
    """Remove it with its token; its media is fetched with the default's from now on, or fails with `no_instance`."""
    instance = await _known(request)
    if not await request.app[INSTANCES].delete(instance.id):
        raise _unknown()
    log.info("instance.deleted", phoneNumberId=instance.id, version=instance.version)
    await _tell(request, instance)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def post_verify(request: web.Request) -> web.Response:
    """Ask Meta whether it takes the stored token. If it does and did not before, what failed heals at once."""
    instance = await _known(request)
    try:
        credentials = await request.app[INSTANCES].credentials(instance.id)
        await request.app[GRAPH].verify(instance.id, credentials.access_token)
    except PipelineError as error:
        log.info("instance.not_verified", phoneNumberId=instance.id, code=error.code.value)
        return web.json_response({"ok": False, "code": error.code.value, "message": _said(error)})
    log.info("instance.verified", phoneNumberId=instance.id)
    # as the default, its token may have been refused for other numbers too
    refused = [each async for each in request.app[REFUSALS].all() if each.stands(instance.version)]
    for each in refused:
        await request.app[REFUSALS].probe_now(each.phone_number_id)
    if refused:
        await _tell(request, instance)
    return web.json_response({"ok": True})


_TOKEN_EXPECTED = WhatsAppInstanceInput.model_fields["access_token"].description


async def _known(request: web.Request) -> Instance:
    number = request.match_info["phoneNumberId"]
    async for instance in request.app[INSTANCES].all():
        if instance.id == number:
            return instance
    raise _unknown()


def _unknown() -> Problem:
    return not_found("no WhatsApp instance has this phone number id; GET /api/whatsapp-instances lists those there are")


async def _answer(request: web.Request, instance: Instance) -> web.Response:
    return web.json_response(_json(instance, await request.app[REFUSALS].get(instance.id)))


def _json(instance: Instance, refusal: Refusal | None) -> dict[str, Any]:
    body = instance.to_json()
    shown = {"phoneNumberId": body.pop("_id"), **body}
    if refusal is not None and refusal.shows(instance.version):
        said = refusal.to_json()
        names = ("code", "message", "providerStatus", "providerCode", "refusedAt")
        shown["refused"] = {name: said[name] for name in names if name in said}
    return shown


def _said(error: PipelineError) -> str:
    if error.code is ErrorCode.PROVIDER_NOT_FOUND and not isinstance(error, CredentialError):
        return "Meta does not know this number, or not for this token; compare both with Meta's API setup page"
    return error.message


async def _tell(request: web.Request, instance: Instance) -> None:
    """Ingestors reload and heal at once. Without RabbitMQ they notice by themselves, within RECONCILE_SECONDS."""
    event = InstanceUpdated(phone_number_id=instance.id, instance_version=instance.version)
    try:
        await request.app[PUBLISHER].publish([event], correlation_id=correlation_id(), mandatory=False)
    except PublishFailed as error:
        log.warning(
            "instance_updated.not_published",
            phoneNumberId=instance.id,
            reason=str(error),
            next="nothing: every ingestor notices it within RECONCILE_SECONDS",
        )
