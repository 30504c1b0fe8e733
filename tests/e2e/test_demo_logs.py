"""`make demo` writes nothing into its logs that is a secret or somebody's own, whoever of its processes writes."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from local_stack.demo import demo
from local_stack.demo.plan import shipments
from local_stack.demo.secrets import DemoSecrets, environment
from tests.log_scan import Scanner
from whatsapp_simulator import SAMPLES, Simulator


async def test_no_log_of_the_demo_shows_a_secret_or_personal_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMO_EXIT", "1")
    made_up, printed = DemoSecrets.new(), StringIO()
    async with Simulator(app_secret=made_up.app_secret) as meta:
        settings = environment(made_up, meta, rabbitmq_url="", mongodb_uri="", limit_bytes=1)
        sent = [shipment.message for shipment in shipments(meta, limit_bytes=1_000_000)]

    code = await demo(Console(file=printed), made_up)

    assert code == 0, printed.getvalue()
    scanner = Scanner().knowing_settings(settings).after(sent)
    logs = tmp_path / ".local" / "demo" / "logs"
    assert {path.stem for path in logs.iterdir()} >= {"webhook-gateway", "ingestor", "previewer", "media-server"}
    assert {path.stem for path in logs.iterdir()} >= {"rabbitmq", "mongodb"}
    assert scanner.leaks_below(logs) == []
    # the label of a text is what a customer wrote
    first_line = SAMPLES["txt"].read().partition(b"\n")[0]
    assert [path.name for path in logs.iterdir() if first_line in path.read_bytes()] == []
    beside = tmp_path / ".local" / "demo" / "rabbitmq" / "log"
    assert scanner.leaks_below(beside) == [], "what RabbitMQ writes past the log that it was given"
