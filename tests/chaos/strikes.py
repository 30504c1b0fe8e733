"""The actions of the plan, carried out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from pymongo import MongoClient

from tests.chaos.actions import EVERYWHERE, GROUPS, Action, Verb
from tests.chaos.evidence import JSON
from tests.chaos.machines import Machine
from tests.chaos.people import BY_PEOPLE, People
from tests.chaos.world import World


class Strikes:
    """Carries out lanes of actions and keeps the count."""

    def __init__(self, world: World, database: MongoClient[JSON]) -> None:
        self.struck: Counter[str] = Counter()
        self.under_way: dict[int, str] = {}
        """What each lane is doing now."""
        self.people = People(world, database)
        self._world = world

    async def lane(self, number: int, actions: Sequence[Action]) -> None:
        """One after the other; each has been repaired when the next begins."""
        for action in actions:
            await asyncio.sleep(action.pause)
            self.under_way[number] = action.name
            try:
                await _DOING[action.verb](self, action)
            finally:
                del self.under_way[number]
            self.struck[action.name] += 1

    async def kill(self, action: Action) -> None:
        machines = self._machines(action)
        await asyncio.gather(*(machine.kill() for machine in machines))
        await asyncio.sleep(action.seconds)
        await asyncio.gather(*(machine.start() for machine in machines))

    async def stop(self, action: Action) -> None:
        machines = self._machines(action)
        await asyncio.gather(*(machine.stop() for machine in machines))
        await asyncio.sleep(action.seconds)
        await asyncio.gather(*(machine.start() for machine in machines))

    async def pause(self, action: Action) -> None:
        async with AsyncExitStack() as repair:
            for machine in self._machines(action):
                repair.callback(machine.go_on)
                machine.pause()
            await asyncio.sleep(action.seconds)

    async def fill_disk(self, action: Action) -> None:
        disk = self._world.site.disk
        try:
            await disk.fill(to_the_brim=action.target == "to the brim")
            await asyncio.sleep(action.seconds)
        finally:
            await disk.free()

    async def cut(self, action: Action) -> None:
        way = self._world.site.ways[action.target]
        await way.cut()
        await asyncio.sleep(action.seconds)
        await way.mend()

    async def freeze(self, action: Action) -> None:
        way = self._world.site.ways[action.target]
        way.freeze()
        await asyncio.sleep(action.seconds)
        if action.verb is Verb.FREEZE_AND_CUT:
            await way.cut()
        await way.mend()

    async def disturb_meta(self, action: Action) -> None:
        faults = self._world.site.simulator.faults
        faults.put_everywhere(EVERYWHERE[action.target])
        await asyncio.sleep(action.seconds)
        faults.put_everywhere()

    async def refuse_token(self, action: Action) -> None:
        site = self._world.site
        site.operator.refuse(site.simulator, action.target)
        await asyncio.sleep(action.seconds)
        if action.verb is Verb.TOKEN:
            await site.operator.new_token(site.simulator, action.target)
        else:
            site.operator.accept_again(site.simulator, action.target)

    async def let_people(self, action: Action) -> None:
        await self.people.do(action)

    def _machines(self, action: Action) -> Sequence[Machine]:
        return [self._world.machines[name] for name in GROUPS.get(action.target, (action.target,))]


_DOING: Mapping[Verb, Callable[[Strikes, Action], Awaitable[None]]] = {
    Verb.KILL: Strikes.kill,
    Verb.STOP: Strikes.stop,
    Verb.PAUSE: Strikes.pause,
    Verb.FILL_DISK: Strikes.fill_disk,
    Verb.CUT: Strikes.cut,
    Verb.FREEZE: Strikes.freeze,
    Verb.FREEZE_AND_CUT: Strikes.freeze,
    Verb.META: Strikes.disturb_meta,
    Verb.TOKEN: Strikes.refuse_token,
    Verb.TOKEN_FOR_A_WHILE: Strikes.refuse_token,
    **dict.fromkeys(BY_PEOPLE, Strikes.let_people),
}
