"""What the engine was told about each container, and what each is let to know."""

import json

import pytest
from yarl import URL

from tests.compose.docker import docker
from tests.compose.project import Project, service_of
from tests.compose.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = ("webhook-gateway", "ingestor", "previewer", "media-server")
_USER = "10001"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_runs_as_nobody_on_a_file_system_that_it_cannot_write(project: Project, service: str) -> None:
    [container] = project.containers(service)
    host = container["HostConfig"]

    assert container["Config"]["User"].split(":")[0] == _USER
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert await project.compose("exec", "--no-TTY", service, "python", "-c", "import os; print(os.getuid())") == (
        f"{_USER}\n"
    )
    await project.compose("exec", "--no-TTY", service, "python", "-c", "open('/app/x', 'w')", code=1)


async def test_every_container_has_limits_rotated_logs_and_comes_back_by_itself(project: Project) -> None:
    for container in project.containers():
        service, host = service_of(container), container["HostConfig"]
        assert host["Memory"] > 0, service
        assert host["LogConfig"]["Type"] in {"json-file", "local"}, service
        assert {"max-size", "max-file"} <= host["LogConfig"]["Config"].keys(), service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert host["NetworkMode"] != "host", service
        assert "healthy" in container["State"].get("Health", {}).get("Status", "no check"), service


async def test_secrets_are_in_files_that_only_their_service_can_read(project: Project) -> None:
    secrets = {file.name: file.read_text().strip() for file in (project.folder / "secrets").iterdir() if file.is_file()}
    inspected = json.dumps(list(project.containers(ended=True)))
    images = docker("image", "inspect", *{container["Image"] for container in project.containers(ended=True)})
    configured = await project.compose("config")

    for name, value in secrets.items():
        for each in value.split("://")[-1].split("@")[0].split(":")[-1:]:  # of an address, the password
            assert len(each) < 8 or (each not in inspected and each not in images and each not in configured), name
    for service in SERVICES:
        seen = (await project.compose("exec", "--no-TTY", service, "ls", "-ln", "/run/secrets")).splitlines()[1:]
        assert seen, service
        assert {(line.split()[0], line.split()[2]) for line in seen} == {("-r--------", _USER)}, service
    for_the_gateway = {"rabbitmq_url", "whatsapp_app_secret", "whatsapp_verify_token", "otel_exporter_otlp_headers"}
    assert await _names(project, "webhook-gateway") <= for_the_gateway
    assert "whatsapp_app_secret" not in await _names(project, "media-server")
    assert not await _names(project, "previewer") & {"credentials_encryption_key", "files_signing_secret"}


async def test_an_image_holds_shared_and_its_own_service_alone(project: Project) -> None:
    for service in SERVICES:
        held = (await project.compose("exec", "--no-TTY", service, "ls", "/app")).split()
        others = {other.replace("-", "_") for other in SERVICES} - {service.replace("-", "_")}
        assert {"shared", service.replace("-", "_")} <= set(held)
        assert not others & set(held), held


async def test_only_who_has_to_reaches_the_world(site: Site) -> None:
    """A decoder that a hostile file has taken over has nobody to talk to."""
    meta = URL(site.meta.base_url)
    connect = f"import socket; socket.create_connection(({meta.host!r}, {meta.port}), 2)"

    ends = {
        service: (
            await site.project.ran(
                *("docker", "compose", "exec", "--no-TTY", service, "python", "-c", connect), code=None
            )
        ).code
        for service in SERVICES
    }

    assert ends == {"webhook-gateway": 1, "previewer": 1, "ingestor": 0, "media-server": 0}


async def test_nobody_but_the_monitoring_reaches_what_asks_for_no_login(project: Project) -> None:
    connect = (
        "import socket\n"
        "for name, port in (('prometheus', 9090), ('alertmanager', 9093)):\n"
        "    try: print('reached', name, socket.create_connection((name, port), 2))\n"
        "    except OSError: pass\n"
    )

    for service in SERVICES:
        assert await project.compose("exec", "--no-TTY", service, "python", "-c", connect) == "", service


async def _names(project: Project, service: str) -> set[str]:
    return set((await project.compose("exec", "--no-TTY", service, "ls", "/run/secrets")).split())
