"""What docker-compose.yml, the Dockerfile and nginx promise, as far as it can be read in them.

`make test-compose` starts all of it; these need no Docker.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from secret_files.catalogue import RECEIVERS

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("webhook-gateway", "ingestor", "previewer", "media-server", "attache", "simulator")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
ONE_SHOT = ("secrets", "attache")
SECRET_SETTINGS = re.compile(
    r"^#? ?([A-Z_]*(?:SECRET|TOKEN|KEY|URI|RABBITMQ_URL|PREVIOUS|OTLP_HEADERS))=", re.MULTILINE
)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Any:
    return SERVICES[request.param]


def test_nginx_and_grafana_are_published_on_loopback_and_nothing_else() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}

    assert published == {
        "nginx": ["${BIND_ADDRESS:-127.0.0.1}:${HTTP_PORT:-8080}:8080"],
        "grafana": ["${BIND_ADDRESS:-127.0.0.1}:${GRAFANA_PORT:-3000}:3000"],
    }


def test_every_container_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
    assert not {"privileged", "container_name", "network_mode"} & service.keys() or service["network_mode"] == "none"


def test_what_runs_all_the_time_comes_back_and_is_watched() -> None:
    for name, each in SERVICES.items():
        assert each["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name
        assert name in (*ONE_SHOT, *OURS) or "healthcheck" in each, name


def test_only_the_service_that_hands_out_secrets_has_a_capability_and_it_has_no_network() -> None:
    assert [name for name, each in SERVICES.items() if "cap_add" in each] == ["secrets"]
    assert SERVICES["secrets"]["cap_add"] == ["CHOWN", "DAC_READ_SEARCH"]
    assert SERVICES["secrets"]["network_mode"] == "none"


def test_no_image_is_the_latest_and_ours_have_this_version(service: dict[str, Any]) -> None:
    if "build" in service:
        assert service["image"].endswith(f":${{ATTACHE_TAG:-{VERSION}}}")
        assert service["build"]["dockerfile"] == "deploy/Dockerfile"
    else:
        assert re.search(r":[\w.-]+$", service["image"])
    assert "latest" not in service["image"]


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_container_mounts_its_own_secrets_and_no_other(name: str) -> None:
    mounted = [each for each in SERVICES[name]["volumes"] if isinstance(each, dict) and "secret" in each["source"]]

    assert [(each["source"], each["read_only"]) for each in mounted] == [(f"secrets-{name}", True)]
    handed = {each["source"]: each["target"] for each in SERVICES["secrets"]["volumes"]}
    assert handed[f"secrets-{name}"] == f"/to/{name}"


def test_no_secret_is_a_setting_of_a_container_or_an_argument(service: dict[str, Any]) -> None:
    names = set(SECRET_SETTINGS.findall((ROOT / ".env.example").read_text()))
    assert {"FILES_SIGNING_SECRET", "MONGODB_URI", "ADMIN_TOKEN", "CREDENTIALS_ENCRYPTION_KEY"} <= names

    assert not names & service.get("environment", {}).keys()
    assert "PASSWORD" not in str(service.get("command"))


def test_every_other_setting_of_the_example_reaches_a_service() -> None:
    text = (ROOT / ".env.example").read_text()
    names = set(re.findall(r"^(?:# )?([A-Z_]+)=", text, re.MULTILINE)) - set(SECRET_SETTINGS.findall(text))
    # the seed is for `make run`; the rest is what the containers themselves decide
    elsewhere = {"WHATSAPP_PHONE_NUMBER_ID", "STORAGE_URL", "HOST", "PORT"}
    # read by Compose itself
    elsewhere |= set(re.findall(r"\$\{([A-Z_]+):-", (ROOT / "docker-compose.yml").read_text()))

    passed = {name for each in SERVICES.values() for name in each.get("environment", {})}
    passed |= set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy/graph.env").read_text(), re.MULTILINE))

    assert names - elsewhere - passed == set()


def test_the_previewer_and_the_gateway_reach_nobody_outside() -> None:
    """The one decodes files of strangers, the other reads their webhooks."""
    ways_out = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}

    assert ways_out == {"public", "internet", "notifications"}
    for name in ("previewer", "webhook-gateway", "rabbitmq", "mongodb", "prometheus"):
        assert not ways_out & set(SERVICES[name]["networks"]), name


def test_networks_join_only_who_must_talk() -> None:
    def joined(network: str) -> set[str]:
        return {name for name, each in SERVICES.items() if network in each.get("networks", [])}

    assert joined("public") == {"nginx", "grafana"}
    assert joined("database") == {"mongodb", "ingestor", "previewer", "media-server", "attache"}
    assert joined("edge") == {"nginx", "webhook-gateway", "media-server", "attache", "simulator"}
    assert joined("metrics") == {"prometheus", "rabbitmq", "webhook-gateway", "ingestor", "previewer", "media-server"}
    assert "simulator" not in joined("broker")


def test_prometheus_and_alertmanager_are_reached_by_those_alone_who_show_what_they_know() -> None:
    """Neither asks for a login; a decoder that a hostile file has taken over must not find them."""
    own = {"prometheus", "alertmanager", "grafana"}
    assert {name for name, each in SERVICES.items() if "monitoring" in each.get("networks", [])} == own
    for name in ("monitoring", "notifications"):
        met = {other for other, each in SERVICES.items() if name in each.get("networks", [])}
        assert met <= own, name
    assert set(SERVICES["alertmanager"]["networks"]) == {"monitoring", "notifications"}
    # Prometheus shares a network with those whom it watches, and does not listen there
    [listens] = [each for each in SERVICES["prometheus"]["command"] if each.startswith("--web.listen-address=")]
    assert listens == "--web.listen-address=prometheus-monitoring:9090"
    assert SERVICES["prometheus"]["networks"] == {"metrics": None, "monitoring": {"aliases": ["prometheus-monitoring"]}}
    assert "prometheus-monitoring:9090" in (ROOT / "deploy/prometheus/prometheus.yml").read_text()


def test_figures_and_logs_do_not_fill_the_disk() -> None:
    retention = [each for each in SERVICES["prometheus"]["command"] if ".retention." in each]

    assert retention == [
        "--storage.tsdb.retention.time=${PROMETHEUS_RETENTION:-30d}",
        "--storage.tsdb.retention.size=${PROMETHEUS_RETENTION_SIZE:-5GB}",
    ]


def test_grafana_opens_with_the_board_of_failures() -> None:
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    mounted = next(each for each in SERVICES["grafana"]["volumes"] if home.startswith(f"{each['target']}/"))
    assert (ROOT / mounted["source"] / Path(home).relative_to(mounted["target"])).is_file()


def test_the_profiles_keep_tools_and_simulator_out_of_a_plain_start() -> None:
    profiles = {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each}

    assert profiles == {"attache": ["tools"], "simulator": ["demo"]}


def test_a_service_may_finish_what_it_has_in_hand() -> None:
    for name in ("webhook-gateway", "ingestor", "previewer", "media-server"):
        assert SERVICES[name]["stop_grace_period"] == "40s"  # shared.web.GRACE_SECONDS is 25


def test_files_are_written_by_the_services_and_only_read_by_nginx() -> None:
    media = {
        name: bool(volume.get("read_only"))
        for name, each in SERVICES.items()
        for volume in each.get("volumes", [])
        if isinstance(volume, dict) and volume["source"] == "media"
    }

    assert media == {"ingestor": False, "previewer": False, "media-server": False, "nginx": True, "attache": False}
    assert SERVICES["nginx"]["user"] == "10001:10001"
    assert SERVICES["media-server"]["environment"]["MEDIA_ACCEL_REDIRECT"] == "/_files/"


def test_nginx_publishes_four_places_and_logs_no_address() -> None:
    text = re.sub(r"^\s*#.*", "", (ROOT / "deploy/nginx/nginx.conf").read_text(), flags=re.MULTILINE)
    proxied = re.findall(r"location ([^{]+?) \{[^}]*proxy_pass", text)
    log_format = re.search(r"log_format access(.*?);", text, re.DOTALL)

    assert proxied == ["/webhooks/", "/media/", "/api/", "~ ^/api/conversations/[^/]+/uploads$", "= /"]
    assert re.search(r"location /_files/ \{\s*internal;\s*alias /data/media/;", text)
    assert log_format is not None
    assert not re.search(r"\$(request\b|request_uri|uri|args|query_string|http_)", log_format[1])
    assert "error_log /dev/stderr alert;" in text
    assert re.search(r"map \$uri \$asked_for \{[^}]*\n\s*/\s+\"/\";", text), (
        "= is for locations; a map takes it literally"
    )


def test_what_nginx_refuses_itself_is_told_as_the_services_tell_it() -> None:
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()
    pages = dict(re.findall(r"error_page ([\d =]+) (\S+);", text))

    assert pages == {"502 503 504 =503": "@away", "413": "@too_large", "414": "/_too_long"}
    for place, status in (("@away", 503), ("@too_large", 413), ("= /_too_long", 414), ("/", 404)):
        [location] = re.findall(rf"location {place} \{{(.*?)\n        \}}", text, re.DOTALL)
        [(answered, body)] = re.findall(r"return (\d+) '(.*)';", location)
        told = json.loads(body)
        assert int(answered) == told["status"] == status
        assert told.keys() == {"status", "code", "title", "detail"}
        assert "application/problem+json" in location
        assert ("Retry-After" in location) is (status == 503)
    assert "proxy_intercept_errors" not in text


def test_nginx_fits_its_memory_on_any_machine_and_lets_old_workers_go() -> None:
    text = (ROOT / "deploy/nginx/nginx.conf").read_text()

    assert re.search(r"^worker_processes \d;", text, re.MULTILINE)
    assert "worker_shutdown_timeout 60s;" in text


def test_the_dockerfile_pins_what_it_installs_and_starts_without_a_shell() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()

    assert "--require-hashes" in text
    assert "USER 10001:10001" in text
    assert f"ARG VERSION={VERSION}\n" in text
    assert not re.search(r"^(CMD|ENTRYPOINT) [^\[]", text, re.MULTILINE)
    assert not re.search(r"^# *syntax", text, re.MULTILINE)
    assert re.search(r"HEALTHCHECK .*\\\n +CMD \[", text)
    for name in OURS:
        image = SERVICES[name]["build"]["args"]["SERVICE"]
        assert f"FROM runtime AS {image}\n" in text
        assert (ROOT / "requirements" / f"{image}.txt").is_file()


def test_nothing_private_is_sent_to_the_engine() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert lines[1] == "*"
    let_in = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    assert let_in == {"deploy", "requirements", "services", "shared", "pyproject.toml", "LICENSE"}
    assert "!deploy" not in lines


def test_the_demo_counts_for_every_command_that_asks_meta() -> None:
    """An entry under `environment`, even one without a value, would hide what is in the files."""
    for name in ("ingestor", "media-server", "attache"):
        assert SERVICES[name]["env_file"] == ["deploy/graph.env", {"path": ".local/demo.env", "required": False}]
        assert not {"WHATSAPP_GRAPH_URL", "WHATSAPP_ALLOW_HTTP_GRAPH"} & SERVICES[name]["environment"].keys()


def test_nginx_starts_whoever_is_away() -> None:
    assert "depends_on" not in SERVICES["nginx"]
    assert SERVICES["simulator"]["depends_on"].keys() == {"secrets", "webhook-gateway", "nginx"}


@pytest.mark.parametrize("name", OURS)
def test_an_image_that_is_built_here_is_looked_for_nowhere_else(name: str) -> None:
    assert SERVICES[name]["pull_policy"] == "never"


def test_the_number_of_workers_is_a_setting_that_lasts() -> None:
    for name in ("ingestor", "previewer"):
        assert SERVICES[name]["deploy"] == {"replicas": f"${{{name.upper()}_REPLICAS:-1}}"}
