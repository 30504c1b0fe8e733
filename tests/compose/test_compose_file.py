"""docker-compose.yml as Compose itself reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.compose.docker import docker
from tests.compose.project import ROOT

_SHIPPED = ("compose", "--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml"))


@pytest.mark.parametrize("profiles", [(), ("demo",), ("tools",), ("*",)])
def test_it_is_valid_without_any_setting_and_with_every_profile(profiles: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "env").touch()  # whatever `.env` the developer has
    chosen = [argument for profile in profiles for argument in ("--profile", profile)]

    configured = json.loads(
        docker(*_SHIPPED, "--env-file", str(tmp_path / "env"), *chosen, "config", "--format", "json")
    )

    assert configured["name"] == "attache"
    assert {"rabbitmq", "mongodb", "webhook-gateway", "ingestor", "previewer", "media-server", "nginx", "grafana"} <= (
        configured["services"].keys()
    )


def test_no_image_is_the_latest_and_no_container_has_a_fixed_name(tmp_path: Path) -> None:
    for name, service in _configured(tmp_path, "*")["services"].items():
        assert "container_name" not in service, name
        if "build" not in service:
            assert ":" in service["image"], name
            assert not service["image"].endswith(":latest"), name


def _configured(folder: Path, *profiles: str) -> dict[str, Any]:
    settings = folder / "env"
    settings.touch()  # not the `.env` that the developer may have
    chosen = [argument for profile in profiles for argument in ("--profile", profile)]
    read = docker(*_SHIPPED, "--env-file", str(settings), *chosen, "config", "--format", "json")
    configured: dict[str, Any] = json.loads(read)
    return configured
