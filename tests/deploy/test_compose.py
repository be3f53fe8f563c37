"""The compose file: hardened as the chart is, and in step with the code that it starts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.configuration import load_settings
from workers.settings import InsightsSettings, KafkaSettings, Settings
from workers.telemetry.names import PORT

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
AS_BY_DEFAULT = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))  # no variable is set
SERVICES: dict[str, Any] = yaml.safe_load(AS_BY_DEFAULT)["services"]


def compose() -> list[str] | None:
    """The command, if it reads the Compose Specification; the first version, which Debian has, does not know `name`."""
    own = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which("docker-compose")
    for command in (["docker", "compose"], [own or ""]):
        if shutil.which(command[0]):
            told = subprocess.run([*command, "version", "--short"], capture_output=True, check=False).stdout.decode()
            if told.strip().removeprefix("v") >= "2":
                return command
    return None


@pytest.mark.skipif(compose() is None, reason="no docker compose of version 2 or later is installed")
def test_compose_takes_the_file() -> None:
    command = compose()
    assert command is not None
    ran = subprocess.run([*command, "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


def test_workers_are_configured_as_they_accept_it() -> None:
    settings = load_settings(environment=SERVICES["workers"]["environment"])
    assert settings.telemetry.port == PORT
    grace_s = float(SERVICES["workers"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings().epoch.drain_s + 5


def test_the_topics_made_are_those_that_workers_look_for() -> None:
    made = SERVICES["topics"]["command"][0].split("for topic in ")[1].split(";")[0].split()
    kafka = KafkaSettings()
    assert made == [kafka.input_topic, kafka.enriched_topic, kafka.dead_topic]


@pytest.mark.parametrize("name", ["workers", "trial", "insights"])
def test_ours_may_do_as_little_as_in_the_chart(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_the_page_is_configured_as_it_accepts_it_and_asks_the_service_beside_it() -> None:
    settings = load_settings(environment=SERVICES["insights"]["environment"]).insights
    assert SERVICES["insights"]["ports"] == [f"127.0.0.1:{settings.port}:{settings.port}"]
    trial = load_settings(environment=SERVICES["trial"]["environment"]).serve
    assert (settings.serve_url, trial.host) == (f"http://trial:{trial.port}", "0.0.0.0")
    for name, port in (("insights", settings.port), ("trial", trial.port)):
        assert f"http://127.0.0.1:{port}/" in SERVICES[name]["healthcheck"]["test"][3]


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_mounted_file_is_there() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert mounts
    assert [mount for mount in mounts if not (DEPLOY / mount).is_file()] == []


def test_prometheus_asks_workers_under_the_name_of_the_alerts() -> None:
    jobs = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    asked = {job["job_name"]: (found["names"], found["port"]) for job in jobs for found in job["dns_sd_configs"]}
    assert asked == {
        "enrich-workers": (["workers"], PORT),
        "enrich-insights": (["insights"], InsightsSettings().port),
    }
