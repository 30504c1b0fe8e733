"""Reference section 3.7: decide by the code first, by the HTTP status second."""

import json

import pytest

from shared.errors import CredentialError, ErrorCode, PermanentError, PipelineError, TransientError
from shared.graph.errors import GraphError, classify, dead_link, read_error, wait_asked_for


def meaning(status: int, **error: object) -> PipelineError:
    return classify(status, read_error(json.dumps({"error": error}).encode()), retry_after_seconds=None)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("code", [190, 0, 104])
def test_a_token_that_is_refused_waits_for_another(code: int, status: int) -> None:
    error = meaning(status, code=code, error_subcode=463)

    assert isinstance(error, CredentialError)
    assert (error.code, error.provider_status, error.provider_code) == (ErrorCode.PROVIDER_AUTH, status, code)


@pytest.mark.parametrize("code", [3, 10, 200, 299, 131005, 368, 131031, 131045, 133010])
def test_a_missing_permission_waits_for_it(code: int) -> None:
    error = meaning(400, code=code, message="(#10) no permission")

    assert isinstance(error, CredentialError)
    assert error.code is ErrorCode.PROVIDER_PERMISSION


@pytest.mark.parametrize(
    ("code", "happened", "mend"),
    [
        (368, "restricted this business account", "Business Support"),
        (131031, "locked this business account", "Business Support"),
        (131045, "registration of this number", "register"),
        (133010, "is not registered", "/register"),
    ],
)
def test_a_blocked_account_is_no_matter_of_the_token(code: int, happened: str, mend: str) -> None:
    message = meaning(400, code=code).message

    assert happened in message
    assert f"Graph error {code}" in message
    assert mend in message
    assert "no new access token is needed" in message
    assert "permission" not in message


def test_code_200_about_the_access_token_is_about_the_token() -> None:
    assert meaning(403, code=200, message="Provide valid Access Token").code is ErrorCode.PROVIDER_AUTH


def test_a_missing_object_is_tried_a_few_times() -> None:
    error = meaning(400, code=100, error_subcode=33)

    assert isinstance(error, TransientError)
    assert (error.code, error.max_retries) == (ErrorCode.PROVIDER_NOT_FOUND, 3)


@pytest.mark.parametrize("code", [100, 33, 131008, 131009, 131052, 131053])
def test_a_bad_request_is_given_up(code: int) -> None:
    error = meaning(400, code=code)

    assert isinstance(error, PermanentError)
    assert error.code is ErrorCode.PROVIDER_REJECTED


@pytest.mark.parametrize(
    ("status", "code"), [(400, 4), (400, 80007), (400, 130429), (400, 131048), (400, 131056), (429, 1)]
)
def test_throttling_backs_off(status: int, code: int) -> None:
    error = meaning(status, code=code)

    assert isinstance(error, TransientError)
    assert error.code is ErrorCode.PROVIDER_RATE_LIMITED


@pytest.mark.parametrize(("status", "code"), [(400, 1), (503, 2), (400, 131000), (500, 131016), (502, 987654)])
def test_a_passing_problem_is_tried_again(status: int, code: int) -> None:
    error = meaning(status, code=code)

    assert isinstance(error, TransientError)
    assert (error.code, error.max_retries) == (ErrorCode.PROVIDER_UNAVAILABLE, None)


def test_whatever_graph_calls_transient_is_tried_again() -> None:
    assert meaning(400, code=987654, is_transient=True).code is ErrorCode.PROVIDER_UNAVAILABLE


def test_maintenance_backs_off_by_minutes() -> None:
    error = meaning(400, code=131057)

    assert isinstance(error, TransientError)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds >= 60


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (200, TransientError, ErrorCode.PROVIDER_UNAVAILABLE),
        (302, TransientError, ErrorCode.PROVIDER_UNAVAILABLE),
        (400, PermanentError, ErrorCode.PROVIDER_REJECTED),
        (401, CredentialError, ErrorCode.PROVIDER_AUTH),
        (403, CredentialError, ErrorCode.PROVIDER_PERMISSION),
        (404, TransientError, ErrorCode.PROVIDER_NOT_FOUND),
        (408, TransientError, ErrorCode.PROVIDER_UNAVAILABLE),
        (410, TransientError, ErrorCode.PROVIDER_NOT_FOUND),
        (429, TransientError, ErrorCode.PROVIDER_RATE_LIMITED),
        (500, TransientError, ErrorCode.PROVIDER_UNAVAILABLE),
        (503, TransientError, ErrorCode.PROVIDER_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"error": "no"}', b'{"error": {"code": "190"}}', b'{"error": {"code": 1e99}}',
     b'{"error": {"code": 99999999999999999999}}', b"[" * 100_000, b"\xff\xfe"],
)  # fmt: skip
def test_without_a_code_the_status_decides(status: int, kind: type, code: ErrorCode, body: bytes) -> None:
    error = classify(status, read_error(body), retry_after_seconds=None)

    assert isinstance(error, kind)
    assert error.code is code
    assert error.provider_status == status
    assert error.provider_code is None


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, ErrorCode.PROVIDER_AUTH), (403, ErrorCode.PROVIDER_NOT_FOUND), (404, ErrorCode.PROVIDER_NOT_FOUND),
     (410, ErrorCode.PROVIDER_NOT_FOUND)],
)  # fmt: skip
def test_a_fresh_link_that_is_refused_is_tried_again_because_graph_took_the_token(status: int, code: ErrorCode) -> None:
    error = dead_link(status)

    assert isinstance(error, TransientError)
    assert (error.code, error.max_retries, error.provider_status) == (code, 3, status)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "-3"}, None),
        ({"X-Business-Use-Case-Usage": '{"1": [{"type": "whatsapp", "estimated_time_to_regain_access": 2}]}'}, 120),
        ({"X-Business-Use-Case-Usage": '{"1": [{"estimated_time_to_regain_access": 1}]}', "Retry-After": "90"}, 90),
        ({"X-Business-Use-Case-Usage": '{"1": [7, {}], "2": null}'}, None),
        ({"X-Business-Use-Case-Usage": "no json"}, None),
        ({"X-Business-Use-Case-Usage": "[" * 5000}, None),
    ],
)
def test_the_wait_that_is_asked_for(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_asked_for(headers) == seconds


def test_no_message_tells_what_graph_wrote() -> None:
    """Graph's text names tokens' owners and ids; ours names the next step."""
    error = classify(401, GraphError(code=190, message="Session of Ada has expired"), retry_after_seconds=None)

    assert "Ada" not in error.message
    assert "make instance-set" in error.message
