"""Bounded helpers of a measurement: processes that read an order, work for some seconds and write what they saw."""

import asyncio
import sys
from contextlib import suppress
from typing import TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


class MeasurementFailed(Exception):
    """A figure could not be taken; the text says why."""


async def carried_out(module: str, order: BaseModel, answer: type[M], *, limit_seconds: float) -> M:
    """What `python -m module` answers to `order`. It is killed when it takes too long, and when we are cancelled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(limit_seconds):
            output, errors = await process.communicate(order.model_dump_json().encode())
    except TimeoutError:
        msg = f"{module} took longer than {limit_seconds:g} s"
        raise MeasurementFailed(msg) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if process.returncode != 0:
        msg = f"{module} ended with exit code {process.returncode}:\n{errors.decode(errors='replace')[-2000:]}"
        raise MeasurementFailed(msg)
    return answer.model_validate_json(output)
