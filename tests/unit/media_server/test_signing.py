from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from media_server.signing import BadLink, File, LinkProblem, Links
from tests.builders import NOW
from tests.unit.media_server.documents import ORIGINAL_KEY

SECRET, OLDER = SecretStr("s" * 32), SecretStr("o" * 32)
FILE = File(key=ORIGINAL_KEY, what="original", mime_type="image/jpeg", file_name="photo.jpg", inline=True)
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


def make_links(*, ttl_seconds: int = 900, secret: SecretStr = SECRET, previous: SecretStr | None = None) -> Links:
    return Links(secret=secret, previous=previous, ttl_seconds=ttl_seconds)


def token_of(url: str) -> str:
    return url.split("/")[2]


def made(claims: dict[str, Any], *, secret: SecretStr = SECRET, algorithm: str = "HS256") -> str:
    good = {"aud": "attache:media", "exp": int(NOW.timestamp()) + 60, **FILE.to_json()}
    return jwt.encode(
        {name: value for name, value in (good | claims).items() if value is not None},
        "" if algorithm == "none" else secret.get_secret_value(),
        algorithm=algorithm,
    )


def refused(token: str, *, now: datetime = NOW) -> LinkProblem:
    with pytest.raises(BadLink) as caught:
        make_links().open(token, now=now)
    return caught.value.problem


@given(now=MOMENTS, ttl_seconds=st.integers(2, 604800))
def test_a_link_lives_at_least_half_its_time_and_never_longer(now: datetime, ttl_seconds: int) -> None:
    link = make_links(ttl_seconds=ttl_seconds).sign(FILE, now=now)

    left = link.expires_at - now
    assert timedelta(seconds=ttl_seconds / 2) - timedelta(seconds=1) < left <= timedelta(seconds=ttl_seconds)


@given(now=MOMENTS, ttl_seconds=st.integers(1, 604800))
def test_a_link_opens_when_it_is_handed_out_and_not_when_it_has_ended(now: datetime, ttl_seconds: int) -> None:
    links = make_links(ttl_seconds=ttl_seconds)
    link = links.sign(FILE, now=now)

    opened = links.open(token_of(link.url), now=now)

    assert (opened.file, opened.expires_at) == (FILE, link.expires_at)
    with pytest.raises(BadLink, match="token_expired"):
        links.open(token_of(link.url), now=link.expires_at)


def test_a_file_keeps_its_link_for_a_window_so_that_browsers_can_cache_it() -> None:
    links = make_links(ttl_seconds=900)
    start = datetime.fromtimestamp(int(NOW.timestamp()) // 450 * 450, UTC)

    urls = [links.sign(FILE, now=start + timedelta(seconds=seconds)).url for seconds in (0, 449, 450)]

    assert urls[0] == urls[1]
    assert urls[1] != urls[2]


def test_the_path_is_absolute_and_holds_the_encoded_name() -> None:
    name = "Quittung 50% #1?/東京.pdf"

    url = make_links().sign(FILE.model_copy(update={"file_name": name}), now=NOW).url

    assert url.startswith("/media/")
    assert url.endswith("/Quittung%2050%25%20%231%3F%2F%E6%9D%B1%E4%BA%AC.pdf")


def test_the_previous_secret_lets_old_links_live_out_their_time() -> None:
    old = token_of(make_links(secret=OLDER).sign(FILE, now=NOW).url)

    opened = make_links(previous=OLDER).open(old, now=NOW)

    assert opened.file == FILE


def test_without_the_previous_secret_old_links_end_at_once() -> None:
    old = token_of(make_links(secret=OLDER).sign(FILE, now=NOW).url)

    assert refused(old) is LinkProblem.BAD_SIGNATURE


def test_new_links_are_never_made_with_the_previous_secret() -> None:
    new = token_of(make_links(previous=OLDER).sign(FILE, now=NOW).url)

    assert make_links().open(new, now=NOW).file == FILE


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (made({"aud": "attache:session"}), LinkProblem.BAD_SIGNATURE),
        (made({"aud": None}), LinkProblem.BAD_SIGNATURE),
        (made({"exp": None}), LinkProblem.BAD_SIGNATURE),
        (made({}, algorithm="none"), LinkProblem.BAD_SIGNATURE),
        (made({}, algorithm="HS512", secret=SecretStr("s" * 64)), LinkProblem.BAD_SIGNATURE),
        (made({}, secret=OLDER), LinkProblem.BAD_SIGNATURE),
        (made({"key": None}), LinkProblem.MALFORMED),
        (made({"exp": 1e300}), LinkProblem.MALFORMED),
        (made({"exp": "soon"}), LinkProblem.MALFORMED),
        (made({"exp": 1}), LinkProblem.TOKEN_EXPIRED),
        # an ended token that we did not make tells nobody that it has ended
        (made({"exp": 1}, secret=OLDER), LinkProblem.BAD_SIGNATURE),
        ("", LinkProblem.MALFORMED),
        ("a.b.c", LinkProblem.MALFORMED),
        ("\N{SNOWMAN}", LinkProblem.MALFORMED),
    ],
)
def test_everything_but_a_link_of_ours_is_refused(token: str, problem: LinkProblem) -> None:
    assert refused(token) is problem


@given(place=st.integers(0, 10_000), character=st.sampled_from("Aa0_-"))
def test_no_character_of_a_token_can_be_changed(place: int, character: str) -> None:
    token = token_of(make_links().sign(FILE, now=NOW).url)
    place %= len(token) - 1  # the last character of base64 holds bits that mean nothing
    changed = token[:place] + character + token[place + 1 :]

    if changed != token:
        assert refused(changed) in {LinkProblem.BAD_SIGNATURE, LinkProblem.MALFORMED}
