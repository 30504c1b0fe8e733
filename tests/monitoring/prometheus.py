"""A real Prometheus with the files of deploy/prometheus, in which only addresses and intervals are others.

async with monitored(folder) as servers, running_world(servers.tests, folder) as world:
    async with prometheus(folder, targets_of(world, servers)) as prom:
        await prom.until('up{job="ingestor"} == 1')
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml

from local_stack.environment import base_environment
from local_stack.errors import StartFailed
from local_stack.guard import open_guard
from local_stack.ports import LOOPBACK
from local_stack.server import Program, Server
from tests.e2e.world import World
from tests.monitoring.tools import PROMETHEUS, tool

SERVICES = ("webhook-gateway", "ingestor", "previewer", "media-server")
RUNBOOKS_URL = "https://runbooks.example/"
"""Where docs/operations.md can be read, as an operator would set it."""
Targets = Mapping[str, Sequence[str]]
"""Addresses (host:port) to scrape, by the job of deploy/prometheus/prometheus.yml."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One series with its value now, or (of a range) its values as (time, value)."""

    labels: Mapping[str, str]
    value: float
    values: Sequence[tuple[float, float]] = ()


class Prometheus:
    """A running one. A query that Prometheus refuses fails the test with its words."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self.url = url
        self._client = client

    async def query(self, promql: str) -> list[Sample]:
        """What an instant query finds; a scalar is one sample without labels."""
        found = await self._get("/api/v1/query", query=promql)
        if found["resultType"] == "scalar":
            return [Sample(labels={}, value=float(found["result"][1]))]
        return [Sample(labels=each["metric"], value=float(each["value"][1])) for each in found["result"]]

    async def query_range(self, promql: str, *, seconds: float = 60, step: float = 1) -> list[Sample]:
        """The same over the last `seconds`; `value` is the newest."""
        now = time.time()
        found = await self._get("/api/v1/query_range", query=promql, start=now - seconds, end=now, step=step)
        series = []
        for each in found["result"]:
            values = [(float(at), float(value)) for at, value in each["values"]]
            series.append(Sample(labels=each["metric"], value=values[-1][1], values=values))
        return series

    async def label_values(self, label: str, *, match: str | None = None) -> list[str]:
        """What a board's variable offers: the values of a label, of all series or of those that `match`."""
        found: list[str] = await self._get(f"/api/v1/label/{label}/values", **({"match[]": match} if match else {}))
        return found

    async def metric_names(self) -> set[str]:
        """Every name that was ever scraped or recorded."""
        return set(await self.label_values("__name__"))

    async def until(
        self, promql: str, predicate: Callable[[list[Sample]], bool] = bool, *, seconds: float = 30
    ) -> list[Sample]:
        """What the query finds as soon as that satisfies `predicate` (anything at all); fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while not predicate(found := await self.query(promql)):
            assert time.monotonic() < deadline, f"{promql} gave {found} for {seconds:g} s"
            await asyncio.sleep(0.1)
        return found

    async def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing now, as the API tells them."""
        found: list[dict[str, Any]] = (await self._get("/api/v1/alerts"))["alerts"]
        return found

    async def _get(self, path: str, **parameters: str | float) -> Any:
        async with self._client.get(self.url + path, params=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]


def targets_of(world: World, *, rabbitmq_metrics_url: str | None) -> Targets:
    """The jobs of a running local stack and of the broker that it uses."""
    services = {name: [urlsplit(world.stack.url(name)).netloc] for name in SERVICES}
    broker = [] if rabbitmq_metrics_url is None else [urlsplit(rabbitmq_metrics_url).netloc]
    return {**services, "rabbitmq": broker, "rabbitmq-queues": broker}


@asynccontextmanager
async def prometheus(
    folder: Path,
    targets: Targets,
    *,
    alertmanager_url: str | None = None,
    scrape_seconds: float = 1,
) -> AsyncIterator[Prometheus]:
    """Scrape `targets` with the real configuration and the real rules until the block is left."""
    program = tool("prometheus")
    data = folder / "prometheus"
    data.mkdir(parents=True)
    async with open_guard(data, "prometheus") as guard:
        port = guard.ports.choose()
        configuration = data / "prometheus.yml"
        own = {"prometheus": [f"{LOOPBACK}:{port}"], **targets}
        configuration.write_text(_configured(own, alertmanager_url, scrape_seconds))
        url = f"http://{LOOPBACK}:{port}"
        async with aiohttp.ClientSession() as client:
            server = Server(
                Program(
                    name="prometheus",
                    url=url,
                    argv=[
                        str(program),
                        f"--config.file={configuration}",
                        f"--storage.tsdb.path={data / 'tsdb'}",
                        f"--web.listen-address={LOOPBACK}:{port}",
                        "--query.lookback-delta=30s",
                        "--enable-feature=expand-external-labels",
                        "--log.level=warn",
                    ],
                    environment={**base_environment(), "RUNBOOKS_URL": RUNBOOKS_URL},
                    directory=data,
                    log=data / "prometheus.log",
                    is_ready=lambda: is_ready(client, f"{url}/-/ready"),
                ),
                guard,
            )
            await server.start()
            try:
                yield Prometheus(url, client)
            finally:
                await server.stop()


async def is_ready(client: aiohttp.ClientSession, url: str) -> bool:
    """Whether it answers 200 here."""
    try:
        async with client.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _configured(targets: Targets, alertmanager_url: str | None, scrape_seconds: float) -> str:
    """The real file with these addresses; a job without any is left out."""
    real = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    interval = f"{round(scrape_seconds * 1000)}ms"
    real["global"] |= {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    real["rule_files"] = [str(PROMETHEUS / each) for each in real["rule_files"]]
    jobs = []
    for job in real["scrape_configs"]:
        addresses = targets.get(job["job_name"])
        if addresses:
            kept = {key: value for key, value in job.items() if not key.endswith("_sd_configs")}
            jobs.append(kept | {"static_configs": [{"targets": list(addresses)}]})
    unknown = set(targets) - {job["job_name"] for job in real["scrape_configs"]}
    if unknown:
        msg = f"deploy/prometheus/prometheus.yml has no such jobs: {sorted(unknown)}"
        raise StartFailed(msg)
    real["scrape_configs"] = jobs
    if alertmanager_url is None:
        del real["alerting"]
    else:
        real["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [urlsplit(alertmanager_url).netloc]}]}]}
    return yaml.safe_dump(real, sort_keys=False)
