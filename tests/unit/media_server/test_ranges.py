import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_server.ranges import NotSatisfiable, requested_span
from shared.storage.port import ByteRange


@given(size=st.integers(1, 10_000), first=st.integers(0, 20_000), last=st.integers(0, 20_000))
def test_a_span_always_lies_within_the_file(size: int, first: int, last: int) -> None:
    try:
        span = requested_span(f"bytes={first}-{last}", size_bytes=size)
    except NotSatisfiable:
        assert first >= size
        return

    if span is None:
        assert last < first
    else:
        assert span.start == first
        assert 0 < span.length <= size - first


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0-0", ByteRange(start=0, length=1)),
        ("bytes=-3", ByteRange(start=7, length=3)),
        ("bytes=-99", ByteRange(start=0, length=10)),
        ("Bytes = 9-", ByteRange(start=9, length=1)),
        ("bytes=0-1,3-4", None),
    ],
)
def test_one_range_counts_and_nonsense_means_the_whole_file(header: str | None, span: ByteRange | None) -> None:
    assert requested_span(header, size_bytes=10) == span


@pytest.mark.parametrize(
    ("header", "size_bytes"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_what_begins_past_the_end_cannot_be_satisfied(header: str, size_bytes: int) -> None:
    with pytest.raises(NotSatisfiable):
        requested_span(header, size_bytes=size_bytes)
