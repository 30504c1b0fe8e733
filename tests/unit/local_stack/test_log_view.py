import asyncio
import io
import json
from pathlib import Path

from rich.console import Console

from local_stack.log_view import follow, readable
from local_stack.polling import wait_until


def test_a_json_line_is_told_as_time_level_event_and_fields() -> None:
    line = json.dumps(
        {
            "event": "event.handled",
            "level": "info",
            "timestamp": "2025-01-02T03:04:05.678901Z",
            "service": "ingestor",
            "attempt": 2,
        }
    )

    assert readable(line).plain == "03:04:05.678 info     event.handled attempt=2"


def test_any_other_line_stays_as_it_is() -> None:
    assert readable("Traceback (most recent call last):").plain == "Traceback (most recent call last):"
    assert readable("[1]").plain == "[1]"


async def test_lines_appear_with_the_name_of_their_service_and_only_when_they_are_whole(tmp_path: Path) -> None:
    logs = {"ingestor": tmp_path / "a", "previewer": tmp_path / "b"}
    logs["ingestor"].write_text("one\n")
    logs["previewer"].write_text("tw")
    output = io.StringIO()
    following = asyncio.create_task(follow(logs, Console(file=output, width=80)))
    assert await wait_until(lambda: output.getvalue() == "ingestor  one\n", seconds=5)

    with logs["previewer"].open("a") as log:
        log.write("o\n")

    assert await wait_until(lambda: output.getvalue() == "ingestor  one\npreviewer two\n", seconds=5)
    following.cancel()
