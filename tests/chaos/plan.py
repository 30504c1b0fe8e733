"""Everything that a run does, drawn from its seed before it begins. Pure: the same seed gives the same plan."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tests.chaos.actions import MACHINES, NETWORK, PEOPLE, SLOW_NETWORK, Action, plan_lane
from tests.chaos.attachments import Planned, plan_attachments
from tests.chaos.posts import Post, plan_posts

_ATTACHMENTS_FOR_EACH_ACTION = 50
_FEWEST_ACTIONS = 12
_QUICK_PACE = 0.5
_ACTIONS_FOR_EACH_OF_PEOPLE = 5
_REPAIR_SECONDS = 0.8  # what a typical repair takes; only so that the traffic lasts about as long as the actions


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`lanes` run beside each other: what happens to machines, to the network and at Meta, and what people do."""

    seed: int
    attachments: tuple[Planned, ...]
    posts: tuple[Post, ...]
    lanes: tuple[tuple[Action, ...], ...]

    @property
    def seconds(self) -> float:
        """About how long the actions take; the webhooks are spread over this time."""
        return max(map(_seconds, self.lanes))

    @property
    def duplicates(self) -> int:
        """How often an attachment is announced once more."""
        announced = sum(len(post.attachments) * post.times for post in self.posts)
        return announced - len(self.attachments)

    @property
    def again(self) -> str:
        """The command that repeats it."""
        return f"make chaos N={len(self.attachments)} SEED={self.seed}"


def make_plan(*, seed: int, count: int, quick: bool = False) -> Plan:
    """The plan of one run with `count` attachments; a quick one is shorter, without what takes a minute to heal."""

    def chance(part: str) -> random.Random:
        # each part has a stream of its own, so that a change in one leaves the others as they were
        return random.Random(f"{seed} {part}")  # noqa: S311 - a plan that can be repeated is no secret

    pace = _QUICK_PACE if quick else 1.0
    actions = max(_FEWEST_ACTIONS, count // _ATTACHMENTS_FOR_EACH_ACTION)
    machines = plan_lane(MACHINES, actions - actions // 2, chance("machines"), pace=pace)
    network = plan_lane(NETWORK if quick else SLOW_NETWORK, actions // 2, chance("network"), pace=pace)
    by_people = max(1, actions // _ACTIONS_FOR_EACH_OF_PEOPLE)
    apart = max(_seconds(machines), _seconds(network)) / by_people - _REPAIR_SECONDS
    return Plan(
        seed=seed,
        attachments=plan_attachments(count, chance("attachments")),
        posts=plan_posts(count, chance("posts")),
        lanes=(machines, network, plan_lane(PEOPLE, by_people, chance("people"), pause=(0.6 * apart, apart))),
    )


def _seconds(lane: Sequence[Action]) -> float:
    return sum(action.pause + action.seconds + _REPAIR_SECONDS for action in lane)


def shown(plan: Plan) -> Iterator[Table]:
    """The plan for people: the actions in their order, and what is wrong with how many attachments."""
    actions = Table("lane", "pause", "action", "for", title=f"Seed {plan.seed}", box=SIMPLE_HEAD)
    for number, lane in enumerate(plan.lanes, 1):
        for action in lane:
            actions.add_row(str(number), f"{action.pause:g} s", action.name, f"{action.seconds:g} s")
        actions.add_section()
    yield actions
    troubles = Counter(planned.trouble.value for planned in plan.attachments)
    told = Table("attachments", "with", title=f"{len(plan.attachments)} attachments", box=SIMPLE_HEAD)
    for trouble, count in troubles.most_common():
        told.add_row(str(count), trouble)
    told.add_row(str(plan.duplicates), "announced once more")
    told.add_row(str(len(plan.posts)), "webhooks")
    yield told
