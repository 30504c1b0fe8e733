"""A signed link, followed as a browser does: API, signature, proxy, store, bytes."""

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic import SecretStr

from shared.doctor.check import Answer, fine, warning, wrong

_LARGEST_BYTES = 32 * 1024 * 1024
_CANDIDATES = 50
_CHUNK_BYTES = 256 * 1024
_MADE_UP = "/media/a.made-up.token/doctor"
_BEHIND_NGINX = "X-Accel-Redirect"


async def look_at_links(
    session: aiohttp.ClientSession, *, media_server: str, links: str, operator_token: SecretStr | None
) -> Sequence[Answer]:
    """A made-up link must be refused; then the smallest of the newest files is fetched, and its digest compared."""
    try:
        refusal = await _refusal(session, links)
        if refusal is not None:
            return [refusal]
        if operator_token is None:
            return [
                warning("a made-up link is refused; no real one was tried: OPERATOR_TOKEN is not set here", _SAME_VALUE)
            ]
        headers = {"Authorization": f"Bearer {operator_token.get_secret_value()}"}
        address = f"{media_server}/api/messages?status=ready&limit={_CANDIDATES}"
        async with session.get(address, headers=headers) as response:
            if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return [wrong("the media-server refuses OPERATOR_TOKEN", _SAME_VALUE)]
            if response.status != HTTPStatus.OK:
                return [wrong(f"the media-server's API answers HTTP {response.status}", "see its log and GET /readyz")]
            original = _smallest((await response.json())["items"])
        if original is None:
            return [fine("a made-up link is refused; nothing is stored yet whose link could be followed")]
        return [await _followed(session, links, original)]
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
        return [
            wrong(
                f"links cannot be followed at {links} ({type(error).__name__})",
                "start the media-server and its proxy; if links are opened elsewhere, say where with PUBLIC_URL",
            )
        ]


async def _refusal(session: aiohttp.ClientSession, links: str) -> Answer | None:
    async with session.get(links + _MADE_UP) as response:
        problem = await response.json(content_type=None) if response.status == HTTPStatus.FORBIDDEN else {}
        if "serverTime" in problem:
            return None
        return wrong(
            f"a made-up link is answered with HTTP {response.status}, not as the media-server would",
            "see whether the proxy passes /media/ to the media-server, and whether PUBLIC_URL is the proxy's address",
        )


async def _followed(session: aiohttp.ClientSession, links: str, original: Mapping[str, Any]) -> Answer:
    digest, size = hashlib.sha256(), 0
    # addresses are signed: nothing of them is to be quoted anew
    async with session.get(links + original["url"]) as response:
        if _BEHIND_NGINX in response.headers:
            return warning(
                "the media-server lets nginx send the bytes, so the link was not followed to its end",
                "set PUBLIC_URL to the address of nginx",
            )
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        if response.status != HTTPStatus.OK:
            return wrong(f"a fresh link is answered with HTTP {response.status}", _CHECK)
    if digest.hexdigest() != original["sha256"]:
        return wrong(f"a link led to {size} bytes that are not those that were stored", _CHECK)
    return fine(f"a link was followed to the end: {size:,} bytes, the right ones")


def _smallest(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    originals = [item["media"]["original"] for item in items if "original" in item["media"]]
    fitting = [each for each in originals if each["sizeBytes"] <= _LARGEST_BYTES]
    return min(fitting, key=lambda each: int(each["sizeBytes"]), default=None)


_SAME_VALUE = "give it the value that the media-server has"
_CHECK = "see whether STORAGE_URL is the same folder everywhere, then `attache storage check`"
