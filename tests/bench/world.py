"""What every row stands on: an empty RabbitMQ and MongoDB, made-up secrets, and the settings of the services."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack import Infrastructure, infrastructure
from local_stack.demo.secrets import DemoSecrets
from local_stack.folder import prepare_folder
from local_stack.guard import Guard, open_guard
from local_stack.guardian import read_children
from tests.bench.processes import MeasurementFailed
from whatsapp_simulator import DEMO_NUMBER


@dataclass(frozen=True, kw_only=True)
class World:
    """Running servers, and a guard for what a row runs besides Attache."""

    data: Path
    servers: Infrastructure
    secrets: DemoSecrets
    guard: Guard

    @property
    def uploads(self) -> Path:
        """The object store of the services."""
        return self.data / "uploads"

    def settings(self, *, graph_url: str) -> dict[str, str]:
        """The settings of all four services; what is not here has its default, as in production."""
        return {
            "RABBITMQ_URL": self.servers.rabbitmq_url,
            "MONGODB_URI": self.servers.mongodb_uri,
            "STORAGE_URL": str(self.uploads),
            "WHATSAPP_APP_SECRET": self.secrets.app_secret,
            "WHATSAPP_VERIFY_TOKEN": self.secrets.verify_token,
            "WHATSAPP_GRAPH_URL": graph_url,
            "WHATSAPP_ACCESS_TOKEN": self.secrets.access_token,
            "WHATSAPP_PHONE_NUMBER_ID": DEMO_NUMBER.phone_number_id,
            "CREDENTIALS_ENCRYPTION_KEY": self.secrets.encryption_key,
            "FILES_SIGNING_SECRET": self.secrets.signing_secret,
            "OPERATOR_TOKEN": self.secrets.operator_token,
            "ADMIN_TOKEN": self.secrets.admin_token,
        }

    def pid_of(self, service: str) -> int:
        """The process of a service that runs now."""
        for child in reversed(read_children(self.data / "services.processes")):
            if child.name == service and child.is_running():
                return child.pid
        msg = f"{service} does not run"
        raise MeasurementFailed(msg)


@asynccontextmanager
async def new_world(data: Path, progress: Callable[[str], None]) -> AsyncIterator[World]:
    """Begins with nothing, leaves logs and the webhooks sent. Raises StackError when a server does not start."""
    data = prepare_folder(data)
    async with open_guard(data, "bench") as guard:
        async with open_guard(data, "infrastructure"):
            pass  # what a killed run left running has ended now
        await _remove_data(data)
        try:
            async with infrastructure(data, progress, disposable=True) as servers:
                yield World(data=data, servers=servers, secrets=DemoSecrets.new(), guard=guard)
        finally:
            await _remove_data(data)


async def _remove_data(data: Path) -> None:
    for kept in ("mongodb", "rabbitmq", "uploads"):
        await asyncio.to_thread(shutil.rmtree, data / kept, ignore_errors=True)
