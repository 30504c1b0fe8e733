"""What the previewer reads from the environment."""

import os

from pydantic import Field

from shared.setting_types import WholeNumber
from shared.storage_settings import WorkerSettings


class Settings(WorkerSettings):
    """Environment of the previewer; names as in the contract."""

    port: WholeNumber = Field(default=8083, ge=1, le=65535, description="a port number from 1 to 65535")
    preview_workers: WholeNumber = Field(
        default=max(1, os.cpu_count() or 1), ge=1, le=256, description="a whole number of processes from 1 to 256"
    )
    prefetch: WholeNumber = Field(default=16, ge=1, le=1000, description="a whole number from 1 to 1000")
