"""The signature of a webhook: Meta's vectors, rotation, and headers that make no sense."""

import hashlib
import hmac

import pytest
from pydantic import SecretStr

from webhook_gateway.signature import SignatureProblem, signature_problem

HELLO = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
LINE_A = (
    rb'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
    rb'{"text":"Caf\u00e9 \/ \ud83d\ude00 a\u0040b"}}]}]}'
)
LINE_B = (
    '{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
    '{"text":"Café / 😀 a@b"}}]}]}'
).encode()
DEMO_A = "35aa6c4d7cd9b2561fa6fda75c3b4de63cc6621b657a77beb80381a505b53992"
DEMO_B = "5005545e5c139749519cc7b03800bc15fcc0e164f5262d0d66c0f00df653119e"


def secrets(*values: str) -> list[SecretStr]:
    return [SecretStr(value) for value in values]


@pytest.mark.parametrize(
    ("secret", "body", "digest"),
    [
        ("It's a Secret to Everybody", b"Hello, World!", HELLO),
        ("demo-app-secret", LINE_A, DEMO_A),
        ("demo-app-secret", LINE_B, DEMO_B),
    ],
)
def test_the_reference_vectors_hold(secret: str, body: bytes, digest: str) -> None:
    assert signature_problem(f"sha256={digest}", body, secrets(secret)) is None


@pytest.mark.parametrize(("body", "digest"), [(LINE_A, DEMO_B), (LINE_B, DEMO_A), (LINE_A + b"\n", DEMO_A)])
def test_another_writing_of_the_same_object_is_a_mismatch(body: bytes, digest: str) -> None:
    problem = signature_problem(f"sha256={digest}", body, secrets("demo-app-secret"))

    assert problem is SignatureProblem.MISMATCH


@pytest.mark.parametrize("listed", [("old", "new"), ("new", "old"), ("new",)])
def test_any_listed_secret_is_accepted(listed: tuple[str, ...]) -> None:
    digest = hmac.new(b"new", b"{}", hashlib.sha256).hexdigest()

    assert signature_problem(f"sha256={digest}", b"{}", secrets(*listed)) is None


def test_a_secret_that_is_not_ascii_is_used_as_utf_8() -> None:
    digest = hmac.new("schlüssel".encode(), b"{}", hashlib.sha256).hexdigest()

    assert signature_problem(f"sha256={digest}", b"{}", secrets("schlüssel")) is None


def test_no_header_is_missing() -> None:
    assert signature_problem(None, b"{}", secrets("s")) is SignatureProblem.MISSING


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha256=",
        HELLO,
        f"sha1={HELLO}",
        f"SHA256={HELLO}",
        f"sha256={HELLO[:-1]}",
        f"sha256={HELLO}0",
        f"sha256={HELLO}\n",
        f"sha256= {HELLO[1:]}",
        f"sha256={HELLO[:-1]}g",
        f"sha256={HELLO[:-1]}é",
        f"sha256={HELLO[:-1]}\udcff",
        f"sha256={HELLO[:-1]}٣",
        f"sha256={HELLO},sha256={HELLO}",
        "\x00",
    ],
)
def test_a_weird_header_is_malformed_and_never_an_exception(header: str) -> None:
    problem = signature_problem(header, b"Hello, World!", secrets("It's a Secret to Everybody"))

    assert problem is SignatureProblem.MALFORMED
