"""All checks at the same time, each with a limit, so that one server that hangs holds up nothing else."""

import asyncio
from collections.abc import Callable, Sequence

import pymongo

from shared.broker.letter_errors import ReadingFailed
from shared.doctor.check import Answer, Check, Examined, warning, wrong
from shared.errors import PipelineError
from shared.repository.mongo import DatabaseError

LIMIT_SECONDS = 7.0
_DATABASE_SECONDS = 5.0


async def examine(
    checks: Sequence[Check],
    *,
    limit_seconds: float = LIMIT_SECONDS,
    on_answer: Callable[[str], None] = lambda _: None,
) -> Sequence[Examined]:
    """What each check says, in the order of `checks`. `on_answer` hears the name of each as soon as it is done."""

    async def answer(check: Check) -> Examined:
        answers = await _answers(check, limit_seconds)
        on_answer(check.name)
        return Examined(name=check.name, answers=answers)

    # inherited by every check: a database that has stopped in the middle of an answer is not waited for either
    with pymongo.timeout(_DATABASE_SECONDS):
        return await asyncio.gather(*(answer(check) for check in checks))


async def _answers(check: Check, limit_seconds: float) -> Sequence[Answer]:
    try:
        async with asyncio.timeout(limit_seconds):
            return await check.look()
    except TimeoutError:
        return [
            wrong(
                f"no answer within {limit_seconds:g} s",
                "see whether the server that is asked here hangs, and what the network drops",
            )
        ]
    # the check of the server itself says what is wrong with it; the others only were not possible
    except DatabaseError as error:
        return [warning(f"not checked: MongoDB did not answer ({type(error).__name__})", "see database")]
    except ReadingFailed as error:
        return [warning(f"not checked: {error}", "see broker")]
    except PipelineError as error:
        return [wrong(error.message, "put that right, then ask again")]
    except Exception as error:  # a defect of one check must not hide what the others found
        return [wrong(f"could not be checked: {type(error).__name__}", "report this with the version of Attache")]
