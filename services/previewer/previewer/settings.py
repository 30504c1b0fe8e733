"""What the previewer reads from the environment."""

import os

from pydantic import Field

from previewer.render.job import MIB, Limits
from shared.setting_types import WholeNumber
from shared.storage_settings import WorkerSettings


class Settings(WorkerSettings):
    """Environment of the previewer; names as in the contract."""

    port: WholeNumber = Field(default=8083, ge=1, le=65535, description="a port number from 1 to 65535")
    preview_workers: WholeNumber = Field(
        default=max(1, os.cpu_count() or 1), ge=1, le=256, description="a whole number of processes from 1 to 256"
    )
    preview_max_pixels: WholeNumber = Field(
        default=50_000_000, ge=1_000_000, le=178_000_000, description="a whole number from 1000000 to 178000000"
    )
    preview_max_animation_pixels: WholeNumber = Field(
        default=30_000_000, ge=1_000_000, le=1_000_000_000, description="a whole number from 1000000 to 1000000000"
    )
    preview_timeout_seconds: WholeNumber = Field(
        default=20, ge=1, le=300, description="a whole number of seconds from 1 to 300"
    )
    preview_memory_bytes: WholeNumber = Field(
        default=1024 * MIB,
        ge=256 * MIB,
        le=64 * 1024 * MIB,
        description="a whole number of bytes from 268435456 (256 MiB) to 68719476736 (64 GiB)",
    )
    prefetch: WholeNumber = Field(default=16, ge=1, le=1000, description="a whole number from 1 to 1000")

    @property
    def limits(self) -> Limits:
        """What one file may cost."""
        return Limits(
            seconds=self.preview_timeout_seconds,
            memory_bytes=self.preview_memory_bytes,
            pixels=self.preview_max_pixels,
            animation_pixels=self.preview_max_animation_pixels,
        )
