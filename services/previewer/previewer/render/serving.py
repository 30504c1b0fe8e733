"""The life of a worker process: forked, confined, then one file after the other, until one goes wrong."""

import json
import os
import pickle
import signal
import traceback
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from previewer.render.budget import Budget
from previewer.render.confinement import confine
from previewer.render.job import Limits
from previewer.render.kernel import die_with_parent
from shared.errors import PreviewError

Answer = Mapping[str, Any]
_TEXT = 2000  # characters of a traceback that are worth telling


def serve(requests: int, answers: int) -> None:
    """Read what to do from one pipe, write what came of it to the other. Returns when there is no more to do.

    Requests are pickled by the service, which is trusted. Answers are JSON, as a worker is not: reading them runs
    nothing.
    """
    die_with_parent()
    with os.fdopen(requests, "rb") as asked:
        setup: tuple[Limits, Path, Path] = pickle.load(asked)  # noqa: S301  # from the service itself
        limits, readable, writable = setup
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        budget = Budget(limits)
        budget.seal()
        keep = (requests, answers) if budget.statm is None else (requests, answers, budget.statm)
        _tell(answers, {"missing": confine(limits, readable=readable, writable=writable, keep=keep)})
        while asked.peek(1):
            with budget.of_one_file():
                answer = _answer(asked)
            _tell(answers, {**answer, "spent": budget.is_spent})


def _answer(asked: BufferedReader) -> Answer:
    try:
        function, arguments = pickle.load(asked)  # noqa: S301
        return {"made": function(*arguments)}
    except PreviewError as error:
        return {"failed": error.code.value, "message": str(error), "detail": error.detail}
    except MemoryError:
        return {"failed": "memory"}
    except Exception as error:  # the service decides what to do about a defect; here is nobody to tell
        if isinstance(error, OSError) and error.errno is not None:
            return {"failed": "system", "errno": error.errno, "message": error.strerror}
        # where it happened, without its text: that may be the customer's
        return {"failed": "defect", "kind": type(error).__name__, "trace": _lines(error)}


def _lines(error: Exception) -> str:
    return "".join(traceback.format_tb(error.__traceback__))[-_TEXT:]


def _tell(answers: int, answer: Answer) -> None:
    line = json.dumps(answer).encode() + b"\n"
    while line:
        line = line[os.write(answers, line) :]
