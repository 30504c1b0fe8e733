"""Whatever is deleted, emptied or retyped in an example: a 200, every neighbour, and no attachment passed over."""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events import encode
from tests.unit.webhook_gateway.examples import EXAMPLES, Example, expected, sent
from tests.unit.webhook_gateway.gateways import Client, MemoryPublisher, answered, running_gateway
from tests.unit.webhook_gateway.payloads import change, webhook
from webhook_gateway.whatsapp.attachments import KINDS

BY_NAME = {example.name: example for example in EXAMPLES}
FIRST, LAST = BY_NAME["image"].again("first-"), BY_NAME["flow-reply-several-files"].again("last-")
DELETED = object()
JUNK = st.one_of(
    st.just(DELETED),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.just([]),
    st.just({}),
    st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)
Path = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One node of the JSON that is no longer what Meta sends."""

    path: Path
    becomes: Any

    def apply(self, root: Any) -> None:
        """In place, unless another mutation took the way to the node."""
        node = root
        try:
            for key in self.path[:-1]:
                node = node[key]
            if self.becomes is DELETED:
                del node[self.path[-1]]
            else:
                node[self.path[-1]] = copy.deepcopy(self.becomes)
        except (KeyError, IndexError, TypeError):
            return


def paths(node: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every node."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def mutated(part: str) -> st.SearchStrategy[tuple[Example, list[Mutation]]]:
    """An example, and one or two mutations of its message or of all its entries."""

    def of(example: Example) -> st.SearchStrategy[tuple[Example, list[Mutation]]]:
        root = {part: getattr(example, part)}
        mutation = st.builds(Mutation, path=st.sampled_from(list(paths(root))), becomes=JUNK)
        return st.tuples(st.just(example), st.lists(mutation, min_size=1, max_size=2))

    return st.sampled_from([example for example in EXAMPLES if getattr(example, part)]).flatmap(of)


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def client(publisher: MemoryPublisher) -> AsyncIterator[Client]:
    with structlog.testing.capture_logs():
        async with running_gateway(publisher) as client:
            yield client


each_time = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    # one gateway serves them all
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@each_time
@given(case=mutated("entries"))
async def test_whatever_becomes_of_an_entry_its_neighbours_are_read(
    case: tuple[Example, list[Mutation]], client: Client, publisher: MemoryPublisher
) -> None:
    example, mutations = case
    odd = {"entries": copy.deepcopy(list(example.entries))}
    for mutation in mutations:
        mutation.apply(odd)
    batch = webhook()
    between = odd.get("entries")
    batch["entry"] = [*FIRST.entries, *(between if isinstance(between, list) else [between]), *LAST.entries]

    await assert_neighbours_are_read(batch, between, client, publisher)


@each_time
@given(case=mutated("message"))
async def test_whatever_becomes_of_a_message_the_others_of_its_change_are_read(
    case: tuple[Example, list[Mutation]], client: Client, publisher: MemoryPublisher
) -> None:
    example, mutations = case
    odd = {"message": copy.deepcopy(example.message)}
    for mutation in mutations:
        mutation.apply(odd)
    between: Any = odd.get("message")

    await assert_neighbours_are_read(webhook(change(FIRST.message, between, LAST.message)), between, client, publisher)


async def assert_neighbours_are_read(
    batch: dict[str, Any], between: Any, client: Client, publisher: MemoryPublisher
) -> None:
    body = json.dumps(batch).encode()

    answer = await answered(client, publisher, body)

    assert answer.status == 200
    before, after = expected(FIRST), expected(LAST)
    assert sent(answer.events[: len(before)]) == before
    assert sent(answer.events[-len(after) :]) == after
    read = answer.events[len(before) : -len(after)]
    for event in read:
        assert encode(event).decode("utf-8")
    assert [letter.body for letter in answer.parked] in ([], [body])
    assert read or answer.parked or not announces_media(between)


def announces_media(node: Any) -> bool:
    """Whether there is still something in it that only a message with an attachment has."""
    if isinstance(node, dict):
        named = node.get("type")
        if any(node.get(kind) is not None for kind in KINDS) or (isinstance(named, str) and named in KINDS):
            return True
        return any(announces_media(inner) for key, inner in node.items() if key != "unsupported")
    return isinstance(node, list) and any(announces_media(inner) for inner in node)


def test_the_oracle_tells_an_attachment_from_a_text() -> None:
    assert announces_media(FIRST.entries)
    assert not announces_media(BY_NAME["no-media-text"].entries)
