import json
import shutil
from pathlib import Path

import jwt
import pytest
from aiohttp.client import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY
from yarl import URL

from media_server.app import build_app
from media_server.settings import Settings
from shared.sniff import shown_type, sniff
from tests import documents, images
from tests.builders import SHA256
from tests.unit.media_server.server import SIGNING_SECRET, Client, Hands, LinkTo

CONTENT = bytes(range(256)) * 20
TAG = f'"{SHA256}"'


def exactly(link: str) -> URL:
    return URL(link, encoded=True)


def remove_files(uploads: Path) -> None:
    shutil.rmtree(uploads / "incoming")


def make_unreadable(uploads: Path) -> None:
    remove_files(uploads)
    (uploads / "incoming").write_text("a file where a folder should be")


async def problem(response: ClientResponse) -> dict[str, object]:
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body: dict[str, object] = json.loads(await response.read())
    assert {"code", "title", "detail", "status", "serverTime"} <= body.keys()
    assert body["status"] == response.status
    return body


async def test_a_link_gives_the_bytes_with_headers_that_keep_them_harmless(client: Client, link_to: LinkTo) -> None:
    response = await client.get(exactly(link_to(CONTENT)))

    assert response.status == 200
    assert await response.read() == CONTENT
    assert response.content_type == "image/jpeg"
    assert response.headers["ETag"] == TAG
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Disposition"] == 'inline; filename="photo.jpg"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-site"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_a_link_is_served_while_mongodb_and_rabbitmq_are_away(client: Client, link_to: LinkTo) -> None:
    ready = await client.get("/readyz")
    response = await client.get(exactly(link_to(CONTENT)))

    checks = (await ready.json())["checks"]
    assert (ready.status, checks["mongodb"]["ok"], checks["rabbitmq"]["ok"]) == (503, False, False)
    assert await response.read() == CONTENT


@pytest.mark.parametrize(
    ("asked", "status", "content_range", "part"),
    [
        ("bytes=0-9", 206, "bytes 0-9/5120", CONTENT[:10]),
        ("bytes=5110-", 206, "bytes 5110-5119/5120", CONTENT[5110:]),
        ("bytes=-10", 206, "bytes 5110-5119/5120", CONTENT[-10:]),
        ("bytes=5000-99999", 206, "bytes 5000-5119/5120", CONTENT[5000:]),
        ("bytes=0-1,5-6", 200, None, CONTENT),
        ("lines=0-1", 200, None, CONTENT),
        ("bytes=9-5", 200, None, CONTENT),
    ],
)
async def test_one_range_is_honoured_and_others_give_the_whole(
    client: Client, link_to: LinkTo, asked: str, status: int, content_range: str | None, part: bytes
) -> None:
    response = await client.get(exactly(link_to(CONTENT)), headers={"Range": asked})

    assert (response.status, response.headers.get("Content-Range")) == (status, content_range)
    assert await response.read() == part
    assert response.headers["ETag"] == TAG


async def test_a_range_past_the_end_is_416_and_tells_the_size(client: Client, link_to: LinkTo) -> None:
    response = await client.get(exactly(link_to(CONTENT)), headers={"Range": "bytes=5120-"})

    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */5120"
    assert (await problem(response))["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(("validator", "status"), [(TAG, 206), ('"another"', 200), (f"W/{TAG}", 200)])
async def test_if_range_resumes_only_the_same_bytes(
    client: Client, link_to: LinkTo, validator: str, status: int
) -> None:
    response = await client.get(exactly(link_to(CONTENT)), headers={"Range": "bytes=0-9", "If-Range": validator})

    assert response.status == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"If-None-Match": TAG}, 304),
        ({"If-None-Match": f'"x", W/{TAG}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"another"'}, 200),
        ({"If-Match": TAG}, 200),
        ({"If-Match": '"another"'}, 412),
        ({"If-Modified-Since": "Mon, 01 Jan 2029 00:00:00 GMT"}, 200),
    ],
)
async def test_conditions_are_judged_by_the_digest(
    client: Client, link_to: LinkTo, condition: dict[str, str], status: int
) -> None:
    response = await client.get(exactly(link_to(CONTENT)), headers=condition)

    assert response.status == status
    if status == 304:
        assert await response.read() == b""
        assert response.headers["ETag"] == TAG
        assert response.headers["Cache-Control"].startswith("private, max-age=")


async def test_head_tells_everything_but_the_bytes(client: Client, link_to: LinkTo) -> None:
    response = await client.head(exactly(link_to(CONTENT)), headers={"Range": "bytes=0-9"})

    assert (response.status, response.headers["Content-Length"]) == (200, "5120")
    assert await response.read() == b""


async def test_an_empty_file_is_served(client: Client, link_to: LinkTo) -> None:
    response = await client.get(exactly(link_to(b"")))

    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("mime_type", "served", "kind"),
    [
        ("image/png", "image/png", "inline"),
        ("audio/ogg; codecs=opus", "audio/ogg", "inline"),
        ("application/pdf", "application/pdf", "inline"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("text/javascript", "application/octet-stream", "attachment"),
        ("application/zip", "application/zip", "attachment"),
        ("text/plain", "text/plain", "attachment"),
        ("image/png\r\nSet-Cookie: a=b", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
async def test_only_pictures_sound_film_and_pdf_open_in_the_window(
    client: Client, link_to: LinkTo, mime_type: str, served: str, kind: str
) -> None:
    response = await client.get(exactly(link_to(b"<svg/>", mime_type=mime_type)))

    assert response.headers["Content-Type"] == served
    assert response.headers["Content-Disposition"].split(";")[0] == kind
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("content", "served", "kind"),
    [
        (images.polyglot(), "image/jpeg", "inline"),
        (b"GIF89a/*" + bytes(9) + b"*/=1;alert(1)", "image/gif", "inline"),
        (documents.pdf(b"") + images.html(), "application/pdf", "inline"),
        (images.html() + documents.pdf(b""), "application/octet-stream", "attachment"),
        (images.svg(), "application/octet-stream", "attachment"),
        (images.html(), "application/octet-stream", "attachment"),
        (b"<?xml version='1.0'?><x/>", "application/octet-stream", "attachment"),
        (b"alert(1)", "application/octet-stream", "attachment"),
    ],
    ids=["jpeg and html", "gif and script", "pdf and html", "html and pdf", "svg", "html", "xml", "script"],
)
@pytest.mark.parametrize("declared", ["text/html", "image/svg+xml", "text/javascript", "application/xhtml+xml"])
async def test_no_file_runs_in_the_browser_whatever_its_sender_calls_it(
    client: Client, link_to: LinkTo, content: bytes, served: str, kind: str, declared: str
) -> None:
    shown = shown_type(sniff(content).mime_type, declared)

    response = await client.get(exactly(link_to(content, mime_type=shown, file_name="index.html")))

    policy = response.headers["Content-Security-Policy"]
    assert response.headers["Content-Type"] == served
    assert response.headers["Content-Disposition"].split(";")[0] == kind
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert ("sandbox" in policy) is (served != "application/pdf")


async def test_a_pdf_is_not_sandboxed_because_browsers_would_not_show_it(client: Client, link_to: LinkTo) -> None:
    response = await client.get(exactly(link_to(b"%PDF", mime_type="application/pdf")))

    assert "sandbox" not in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["Überweisung 東京.pdf", "{{7*7}}.pdf", "report {final} 100%.pdf", "a+b;c=d&e#f.pdf"])
async def test_any_name_survives(client: Client, link_to: LinkTo, name: str) -> None:
    response = await client.get(exactly(link_to(CONTENT, mime_type="application/pdf", file_name=name)))

    assert response.status == 200
    disposition = response.content_disposition
    assert disposition is not None
    assert disposition.filename == name


async def test_the_name_in_the_path_is_decoration(client: Client, link_to: LinkTo) -> None:
    link = link_to(CONTENT).rpartition("/")[0] + "/evil.html"

    response = await client.get(exactly(link))

    assert response.headers["Content-Disposition"] == 'inline; filename="photo.jpg"'


async def test_nothing_is_cached_beyond_the_links_end(client: Client, link_to: LinkTo, hands: Hands) -> None:
    link = link_to(CONTENT)
    hands.move(seconds=300)

    response = await client.get(exactly(link))

    assert response.headers["Cache-Control"] == "private, max-age=600, immutable"


async def test_an_ended_link_is_401_and_tells_the_servers_time(client: Client, link_to: LinkTo, hands: Hands) -> None:
    link = link_to(CONTENT)
    hands.move(seconds=900)

    response = await client.get(exactly(link))

    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await problem(response))["code"] == "token_expired"


async def test_a_token_for_another_purpose_opens_nothing(client: Client, link_to: LinkTo) -> None:
    token = link_to(CONTENT).split("/")[2]
    claims = jwt.decode(token, options={"verify_signature": False}) | {"aud": "attache:session"}
    other = jwt.encode(claims, SIGNING_SECRET, algorithm="HS256")

    response = await client.get(f"/media/{other}/photo.jpg")

    assert response.status == 403
    assert (await problem(response))["code"] == "bad_signature"


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30", "%00", "%2E%2E%2Fetc", "%FF", "%C3%A9"])
async def test_what_is_no_token_is_malformed(client: Client, token: str) -> None:
    response = await client.get(exactly(f"/media/{token}/photo.jpg"))

    assert response.status == 403
    assert (await problem(response))["code"] == "malformed"


async def test_bytes_that_are_gone_are_404(client: Client, link_to: LinkTo, uploads: Path) -> None:
    link = link_to(CONTENT)
    remove_files(uploads)

    response = await client.get(exactly(link))

    assert response.status == 404
    assert (await problem(response))["code"] == "not_found"


async def test_other_methods_are_refused_as_problems(client: Client, link_to: LinkTo) -> None:
    response = await client.post(exactly(link_to(CONTENT)))

    assert response.status == 405
    assert response.headers["Allow"] == "GET,HEAD"
    assert (await problem(response))["code"] == "method_not_allowed"


async def test_nginx_may_send_the_bytes_instead(settings: Settings, hands: Hands, link_to: LinkTo) -> None:
    link = link_to(CONTENT)
    behind_nginx = settings.model_copy(update={"media_accel_redirect": "/_files/"})

    async with TestClient(TestServer(build_app(behind_nginx, clock=hands))) as client:
        response = await client.get(exactly(link))

    assert response.headers["X-Accel-Redirect"] == f"/_files/incoming/{SHA256[:2]}/{SHA256}.bin"
    assert response.headers["Content-Disposition"] == 'inline; filename="photo.jpg"'


async def test_links_never_reach_the_log(client: Client, link_to: LinkTo, capfd: pytest.CaptureFixture[str]) -> None:
    link = link_to(CONTENT)

    await client.get(exactly(link))

    written = "".join(capfd.readouterr())
    assert "request.handled" in written
    assert link.split("/")[2] not in written


async def test_requests_are_counted_by_what_and_status(client: Client, link_to: LinkTo) -> None:
    def counted() -> list[float]:
        return [
            REGISTRY.get_sample_value("attache_media_requests_total", {"what": "original", "status": "206"}) or 0,
            REGISTRY.get_sample_value("attache_media_requests_total", {"what": "unknown", "status": "403"}) or 0,
            REGISTRY.get_sample_value("attache_signature_errors_total", {"reason": "malformed"}) or 0,
        ]

    before = counted()

    await client.get(exactly(link_to(CONTENT)), headers={"Range": "bytes=0-1"})
    await client.get("/media/x/y")

    assert [after - earlier for after, earlier in zip(counted(), before, strict=True)] == [1, 1, 1]


async def test_a_store_that_cannot_be_read_is_503(client: Client, link_to: LinkTo, uploads: Path) -> None:
    link = link_to(CONTENT)
    make_unreadable(uploads)

    response = await client.get(exactly(link))

    assert response.status == 503
    assert response.headers["Retry-After"]
    assert (await problem(response))["code"] == "unavailable"
