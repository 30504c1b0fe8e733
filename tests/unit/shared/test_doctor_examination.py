"""Checks run at the same time, none holds up another, and whatever happens in one is told."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from shared.broker.letter_errors import ReadingFailed
from shared.doctor.check import Answer, Check, Verdict, fine, listed, wrong
from shared.doctor.examination import examine
from shared.doctor.threads import in_thread_of_its_own
from shared.errors import StorageUnavailable
from shared.repository.mongo import DatabaseError


def failing(error: Exception) -> Check:
    async def look() -> Sequence[Answer]:
        raise error

    return Check(name="failing", look=look)


async def healthy() -> Sequence[Answer]:
    return [fine("all is well")]


async def test_answers_come_in_the_order_of_the_checks_and_are_told_as_they_come() -> None:
    first_may_end, told = asyncio.Event(), list[str]()

    async def waits() -> Sequence[Answer]:
        await first_may_end.wait()
        return [wrong("it is not", "mend it")]

    async def lets_it_end() -> Sequence[Answer]:
        first_may_end.set()
        return await healthy()

    found = await examine(
        [Check(name="first", look=waits), Check(name="second", look=lets_it_end)], on_answer=told.append
    )

    assert [each.name for each in found] == ["first", "second"]
    assert told == ["second", "first"]
    assert found[0].answers == [wrong("it is not", "mend it")]


async def test_what_hangs_is_given_up_and_holds_up_nothing() -> None:
    async def hangs() -> Sequence[Answer]:
        await asyncio.Event().wait()
        return []

    checks = [Check(name="hangs", look=hangs), Check(name="healthy", look=healthy)]
    [hung, well] = await examine(checks, limit_seconds=0.05)

    assert hung.answers[0].verdict is Verdict.WRONG
    assert "no answer within 0.05 s" in hung.answers[0].says
    assert well.answers == [fine("all is well")]


async def test_a_disk_that_hangs_is_left_behind() -> None:
    for_ever = threading.Event()

    async def hangs() -> Sequence[Answer]:
        await in_thread_of_its_own(for_ever.wait)
        return []

    started = time.monotonic()
    [hung] = await examine([Check(name="storage", look=hangs)], limit_seconds=0.05)

    assert hung.answers[0].verdict is Verdict.WRONG
    assert time.monotonic() - started < 5
    for_ever.set()


async def test_what_a_thread_returns_or_raises_arrives() -> None:
    def raises() -> None:
        raise PermissionError

    assert await in_thread_of_its_own(lambda: 7) == 7
    with pytest.raises(PermissionError):
        await in_thread_of_its_own(raises)


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (DatabaseError("mongodb://someone:hunter2@host"), Verdict.WARNING, "not checked: MongoDB did not answer"),
        (ReadingFailed("RabbitMQ does not answer"), Verdict.WARNING, "not checked: RabbitMQ does not answer"),
        (StorageUnavailable("the storage folder disappeared"), Verdict.WRONG, "the storage folder disappeared"),
        (ZeroDivisionError("hunter2"), Verdict.WRONG, "could not be checked: ZeroDivisionError"),
    ],
)
async def test_whatever_a_check_raises_is_told_without_secrets(error: Exception, verdict: Verdict, said: str) -> None:
    [failed, well] = await examine([failing(error), Check(name="healthy", look=healthy)])

    [answer] = failed.answers
    assert answer.verdict is verdict
    assert said in answer.says
    assert answer.next_step
    assert "hunter2" not in answer.says
    assert well.answers == [fine("all is well")]


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
