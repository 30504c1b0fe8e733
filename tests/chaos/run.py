"""One run: everything up, webhooks and actions beside each other, rest, a look at what is left."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from pymongo import MongoClient

from tests.chaos.audit import audit
from tests.chaos.evidence import JSON, Evidence
from tests.chaos.gathering import gather
from tests.chaos.ledger import Ledger, Problem, Sent, draw_up
from tests.chaos.meta import Traffic, send
from tests.chaos.plan import Plan
from tests.chaos.report import Report
from tests.chaos.scan import keep_metrics
from tests.chaos.settle import given_up_wrongly, put_right, settled, swept
from tests.chaos.strikes import Strikes
from tests.chaos.watch import Watch
from tests.chaos.world import Site, World, running_site, running_world


class Run:
    """A run and, while it lasts, how far it is."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.traffic = Traffic()
        self.phase = "starting"
        self.seconds: dict[str, float] = {}
        self._folder = folder
        self._watch: Watch | None = None
        self._strikes: Strikes | None = None
        self._storage_is_right = False
        self._given_up_wrongly: Sequence[Problem] = ()

    def progress(self) -> str:
        """One line for people."""
        told = [f"{len(self.traffic.accepted)}/{len(self.plan.attachments)} accepted"]
        if self._watch is not None:
            told += [f"{count} {label}" for label, count in self._watch.labels().most_common(5)]
        if self._strikes is not None:
            told.append(f"{self._strikes.struck.total()}/{sum(map(len, self.plan.lanes))} actions")
            told += self._strikes.under_way.values()
        return f"{self.phase}: {', '.join(told)}"

    async def carried_out(self, tell: Callable[[str], None]) -> Report:
        """The report. Raises when the system could not be brought up again after an action."""
        async with running_site(self.plan, self._folder, tell) as site:
            with _database(site) as database:
                self._watch = watch = Watch(database)
                async with AsyncExitStack() as up:
                    with self._timed("start"):
                        world = await up.enter_async_context(running_world(site))
                    rests, retried = await self._stormed(world, watch, database)
                    with self._timed("stop"):
                        await up.aclose()
                with self._timed("ledger"):
                    evidence = await gather(site, database)
                    return self._report(site, evidence, settled=rests, retried=retried)

    async def _stormed(self, world: World, watch: Watch, database: MongoClient[JSON]) -> tuple[bool, Counter[str]]:
        site = world.site
        self._strikes = strikes = Strikes(world, database)
        async with _beside(watch.run()):
            with self._timed("storm"):
                async with asyncio.TaskGroup() as storm:
                    storm.create_task(send(site.simulator, self.plan, site.announced, self.traffic))
                    for number, lane in enumerate(self.plan.lanes):
                        storm.create_task(strikes.lane(number, lane))
            erased = strikes.people.erased
            due = {one.media.id: one.planned.outcome for one in site.announced if one.media.id not in erased}
            with self._timed("settle"):
                rests = await settled(world, watch, documents=len(due))
            self._given_up_wrongly = given_up_wrongly(watch, due)
            with self._timed("put right"):
                retried = await put_right(world, watch, due)
                rests = await settled(world, watch, documents=len(due)) and rests
            with self._timed("check"):
                await swept(world)
                await keep_metrics(world)
                self._storage_is_right = await site.operator.storage_is_right()
        return rests, retried

    def _report(self, site: Site, evidence: Evidence, *, settled: bool, retried: Counter[str]) -> Report:
        assert self._strikes is not None
        assert self._watch is not None
        sent = self._sent(site, self._strikes.people.erased)
        ledger: Ledger = draw_up(sent, evidence)
        ledger.problems += audit(sent, evidence, went_back=self._watch.went_back, by_hand=self._strikes.people.by_hand)
        ledger.problems += self._given_up_wrongly
        if not self._storage_is_right:
            ledger.problems.append(Problem(what="attache storage check is not content", id=str(site.operator.log)))
        return Report(
            plan=self.plan,
            disk=site.disk.kind,
            ledger=ledger,
            settled=settled,
            seconds=self.seconds,
            answers=self.traffic.answers,
            struck=self._strikes.struck,
            faults=Counter({name.value: count for name, count in site.simulator.faults.struck().items()}),
            retried=retried,
            commands=site.operator.commands,
            attempts=Counter(document["media"]["attempts"] for document in evidence.documents),
            downloads=site.simulator.requests.downloads(),
            dead_letters=len(evidence.letters),
            surprises=evidence.surprises,
        )

    def _sent(self, site: Site, erased: Set[str]) -> Sequence[Sent]:
        return [
            Sent(
                message_id=one.message.id,
                provider_media_id=one.media.id,
                phone_number_id=one.media.number.phone_number_id,
                customer=one.planned.customer,
                sha256=one.media.sha256,
                size_bytes=one.media.content.size_bytes,
                outcome=one.planned.outcome,
                accepted=self.traffic.accepted[one.planned.index],
                erased=one.media.id in erased,
            )
            for one in site.announced
        ]

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began, self.phase = time.monotonic(), phase
        try:
            yield
        finally:
            self.seconds[phase] = time.monotonic() - began


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _database(site: Site) -> MongoClient[JSON]:
    # past the ways, and with limits of its own: it sees what the services cannot
    return MongoClient(site.servers.mongodb_uri, serverSelectionTimeoutMS=2000, socketTimeoutMS=5000)
