"""The plan of a chaos run: drawn from its seed alone, complete, and worth its while."""

from collections import Counter

import pytest

from tests.chaos.actions import MACHINES, NETWORK, PEOPLE, SLOW_NETWORK, Verb
from tests.chaos.attachments import LIMIT_BYTES
from tests.chaos.plan import Plan, make_plan, shown
from tests.chaos.trouble import ENDS, FAULTS, READY, Trouble


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(seed=7, count=5000)


def test_the_same_seed_gives_the_same_plan(plan: Plan) -> None:
    assert make_plan(seed=7, count=5000) == plan


def test_another_seed_gives_another_plan(plan: Plan) -> None:
    other = make_plan(seed=8, count=5000)

    assert other.attachments != plan.attachments
    assert other.posts != plan.posts
    assert other.lanes != plan.lanes


def test_every_attachment_is_sent_and_a_fifth_of_them_again(plan: Plan) -> None:
    sent = Counter(index for post in plan.posts for index in post.attachments)

    assert set(sent) == set(range(5000))
    assert sum(count > 1 for count in sent.values()) == 1000


def test_webhooks_hold_1_to_50_attachments_out_of_order(plan: Plan) -> None:
    sizes = {len(post.attachments) for post in plan.posts}
    order = [index for post in plan.posts for index in post.attachments]

    assert min(sizes) == 1
    assert max(sizes) == 50
    assert order != sorted(order)


def test_the_long_form_does_everything_that_there_is_to_do(plan: Plan) -> None:
    for cards, lane in zip((MACHINES, SLOW_NETWORK, PEOPLE), plan.lanes, strict=True):
        assert {(action.verb, action.target) for action in lane} == set(cards)
    assert {action.verb for lane in plan.lanes for action in lane} == set(Verb)


def test_people_act_for_as_long_as_things_break(plan: Plan) -> None:
    *things, people = (sum(action.pause for action in lane) for lane in plan.lanes)

    assert people > max(things) / 2


def test_a_quick_plan_leaves_out_what_takes_a_minute_to_heal() -> None:
    quick = make_plan(seed=7, count=5000, quick=True)

    done = {(action.verb, action.target) for lane in quick.lanes for action in lane}
    assert done.isdisjoint(set(SLOW_NETWORK) - set(NETWORK))


def test_every_kind_of_trouble_comes_up(plan: Plan) -> None:
    assert {planned.trouble for planned in plan.attachments} == set(Trouble)
    assert set(ENDS) | set(FAULTS) | {Trouble.NONE} == set(Trouble)


def test_trouble_for_good_is_never_hidden_by_equal_bytes(plan: Plan) -> None:
    contents = Counter(planned.content for planned in plan.attachments)

    assert max(contents.values()) > 1
    assert all(contents[planned.content] == 1 for planned in plan.attachments if planned.outcome != READY)


def test_only_what_is_meant_to_be_too_large_is_larger_than_the_limit(plan: Plan) -> None:
    large = [planned for planned in plan.attachments if planned.filler_bytes > LIMIT_BYTES]

    assert {planned.trouble for planned in large} == {Trouble.TOO_LARGE}


def test_the_plan_can_be_shown(plan: Plan) -> None:
    actions, attachments = shown(plan)

    assert actions.row_count == sum(map(len, plan.lanes))
    assert attachments.row_count == len(Trouble) + 2
