"""The chart: what it installs is valid, safe, and named as the code names it; what cannot work is refused."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy.chart import CHART, EXAMPLES, RELEASE, example, golden, has_helm, render
from tests.fakes.kubernetes_api import KINDS, Object
from workers.configuration import load_settings
from workers.settings import KafkaSettings, Settings
from workers.telemetry import names

KUBERNETES = "1.33"
CUSTOM = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1")

needs_helm = pytest.mark.skipif(not has_helm(), reason="helm-sdkpy is not installed: `make chart` does it")


def only(objects: list[Object], kind: str) -> Any:
    (found,) = [made for made in objects if made["kind"] == kind]
    return found


def pod(objects: list[Object]) -> Any:
    return only(objects, "StatefulSet")["spec"]["template"]["spec"]


def pods(objects: list[Object]) -> list[Any]:
    """The specification of every pod that is made, whatever makes it."""
    return [made["spec"]["template"]["spec"] for made in objects if made["kind"] in ("StatefulSet", "Deployment")]


def configuration(objects: list[Object]) -> Settings:
    (text,) = [m["data"]["enrich.yaml"] for m in objects if m["kind"] == "ConfigMap" and "enrich.yaml" in m["data"]]
    tree = yaml.safe_load(text)
    if "sasl_mechanism" in tree["kafka"]:
        tree["kafka"]["sasl_password"] = "from the Secret"
    return Settings.model_validate(tree)


@needs_helm
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_golden_files_are_what_helm_renders(name: str) -> None:
    assert render(example(name)) == golden(name), "the chart changed: `make chart`, and read the difference"


@pytest.mark.parametrize("name", EXAMPLES)
def test_everything_is_valid_by_the_schemas_of_kubernetes(name: str) -> None:
    for made in golden(name):
        if made["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(made, KUBERNETES, strict=True)


def test_the_scaled_object_is_valid_by_the_schema_of_keda() -> None:
    schema = json.loads((Path(__file__).parent / "scaled_object.schema.json").read_text(encoding="utf-8"))
    scaled = only(golden("scale-to-zero"), "ScaledObject")
    jsonschema.Draft7Validator(schema).validate(scaled)
    with pytest.raises(jsonschema.ValidationError):  # the schema has eyes
        jsonschema.Draft7Validator(schema).validate(scaled | {"spec": scaled["spec"] | {"coolDownPeriod": 1}})


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_configuration_is_one_that_a_worker_takes(name: str) -> None:
    settings = configuration(golden(name))
    assert pod(golden(name))["terminationGracePeriodSeconds"] > settings.epoch.drain_s + 5


def test_names_are_the_defaults_of_the_settings() -> None:
    ours, defaults = configuration(golden("default")).kafka, KafkaSettings()
    for option in ("input_topic", "enriched_topic", "dead_topic", "group_id", "start_at"):
        assert getattr(ours, option) == getattr(defaults, option)


def test_the_scaled_object_names_topic_group_and_metric_as_the_workers_do() -> None:
    objects = golden("scale-to-zero")
    kafka = configuration(objects).kafka
    backlog, lag = only(objects, "ScaledObject")["spec"]["triggers"]
    assert f"sum({names.BACKLOG_SECONDS.name}{{" in backlog["metadata"]["query"]
    assert (lag["metadata"]["topic"], lag["metadata"]["consumerGroup"]) == (kafka.input_topic, kafka.group_id)
    assert lag["metadata"]["bootstrapServers"] == kafka.bootstrap_servers


def test_it_scales_from_zero_to_the_partitions_and_not_beyond() -> None:
    spec = only(golden("scale-to-zero"), "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, example("scale-to-zero")["partitions"])
    assert "replicas" not in only(golden("scale-to-zero"), "StatefulSet")["spec"]  # else Helm and KEDA would fight


@pytest.mark.parametrize("name", EXAMPLES)
def test_pods_get_no_more_than_they_need(name: str) -> None:
    for spec in pods(golden(name)):
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_pod_is_a_static_member_under_its_own_name(name: str) -> None:
    (worker,) = pod(golden(name))["containers"]
    (instance,) = [entry for entry in worker["env"] if entry["name"] == "ENRICH_KAFKA__GROUP_INSTANCE_ID"]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize("name", EXAMPLES)
def test_probes_ask_the_port_that_the_worker_serves(name: str) -> None:
    (worker,) = pod(golden(name))["containers"]
    probes = {f"{kind}Probe": path for kind, path in (("startup", "/startup"), ("readiness", "/ready"))}
    for probe, path in (probes | {"livenessProbe": "/live"}).items():
        assert worker[probe]["httpGet"] == {"path": path, "port": "metrics"}
    port = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["config"]["telemetry"]["port"]
    assert worker["ports"] == [{"containerPort": port, "name": "metrics"}]
    assert port == names.PORT


def test_a_gpu_is_asked_for_and_tolerated() -> None:
    spec = pod(golden("gpu"))
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"


def insights_settings(objects: list[Object]) -> Settings:
    """What the page's container is told: the file, and over it the environment."""
    (container, *_) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (text,) = [m["data"]["enrich.yaml"] for m in objects if m["kind"] == "ConfigMap"]
    environment = {entry["name"]: entry["value"] for entry in container["env"] if entry["name"] != "ENRICH_CONFIG"}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return load_settings(Path(file.name), environment)


def test_insights_is_one_process_that_no_selector_of_the_workers_finds() -> None:
    objects = golden("insights")
    deployment = only(objects, "Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (1, {"type": "Recreate"})
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    workers = only(objects, "StatefulSet")["spec"]["selector"]["matchLabels"]
    assert not workers.items() <= labels.items()
    policies = [made["spec"]["podSelector"]["matchLabels"] for made in objects if made["kind"] == "NetworkPolicy"]
    services = [made["spec"]["selector"] for made in objects if made["kind"] == "Service"]
    for selectors in (policies, services):
        assert sum(selector.items() <= labels.items() for selector in selectors) == 1


def test_the_page_answers_under_its_names_and_asks_the_trial_beside_it() -> None:
    objects = golden("insights")
    settings = insights_settings(objects).insights
    page, trial = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (service,) = [made for made in objects if made["kind"] == "Service" and "insights" in made["metadata"]["name"]]
    assert page["ports"] == [{"containerPort": settings.port, "name": "page"}]
    assert service["spec"]["ports"][0]["port"] == settings.port
    names = settings.host_names.split(",")
    assert {service["metadata"]["name"], "enrichment.example.com"} <= set(names)
    (port,) = [entry["value"] for entry in trial["env"] if entry["name"] == "ENRICH_SERVE__PORT"]
    (threads,) = [entry["valueFrom"] for entry in trial["env"] if entry["name"] == "ENRICH_MODEL__THREADS"]
    assert threads["resourceFieldRef"]["containerName"] == trial["name"]
    assert settings.serve_url == f"http://127.0.0.1:{port}"
    assert "ENRICH_SERVE__HOST" not in {entry["name"] for entry in trial["env"]}  # loopback, its default
    assert "ports" not in trial


def test_insights_reaches_kafka_and_nothing_else_and_is_scraped_under_the_name_of_its_alert() -> None:
    objects = golden("insights")
    (policy,) = [m for m in objects if m["kind"] == "NetworkPolicy" and "insights" in m["metadata"]["name"]]
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert sorted(ports) == [53, 53, 9092]
    (rule,) = policy["spec"]["ingress"]
    assert rule["ports"] == [{"port": "page", "protocol": "TCP"}]
    assert len(rule["from"]) == 2
    monitors = [made for made in objects if made["kind"] == "ServiceMonitor"]
    jobs = {m["spec"]["endpoints"][0]["port"]: m["spec"]["endpoints"][0]["relabelings"][0] for m in monitors}
    assert jobs["page"]["replacement"] == "enrich-insights"
    assert jobs["metrics"]["replacement"] == "enrich-workers"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "insights"])
def test_insights_is_not_installed_unless_asked_for(name: str) -> None:
    assert not [made for made in golden(name) if "insights" in made["metadata"]["name"]]


@needs_helm
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"replica": 3}, "replica"),
        ({"replicas": 7}, "more than partitions=6"),
        ({"scaling": {"enabled": True, "maxReplicas": 7}}, "more than partitions=6"),
        ({"scaling": {"enabled": True, "cooldownSeconds": 60}}, "not above scaling.modelLoadSeconds"),
        ({"scaling": {"enabled": True, "scaleDownSeconds": 60}}, "not above scaling.modelLoadSeconds"),
        ({"config": {"kafka": {"sasl_password": "x"}}}, "sasl_password"),
        ({"config": {"kafka": {"group_instance_id": "one-for-all"}}}, "group_instance_id"),
        ({"config": {"telemetry": {"host": "127.0.0.1"}}}, "telemetry"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"insights": {"enabled": True, "replicas": 2}}, "replicas"),
        ({"insights": {"image": {"digest": "latest"}}}, "digest"),
        ({"config": {"insights": {"host": "127.0.0.1"}}}, "host"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_installed(values: dict[str, Any], why: str) -> None:
    from helm_sdkpy import InstallError

    with pytest.raises(InstallError, match=why):
        render(values)


@needs_helm
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, True),
        ({"resources": {"requests": {"cpu": "1500m"}}}, True),
        ({"resources": {"requests": {"cpu": None}}}, False),  # a reference to what is not there would be zero
        ({"config": {"model": {"threads": 3}}}, False),  # the environment would win over it
    ],
)
def test_a_worker_has_as_many_threads_as_it_was_promised_cores(values: dict[str, Any], told: bool) -> None:
    (worker,) = pod(render(values))["containers"]
    sources = [entry["valueFrom"] for entry in worker["env"] if entry["name"] == "ENRICH_MODEL__THREADS"]
    reference = {"containerName": "worker", "resource": "requests.cpu", "divisor": "1"}
    assert sources == [{"resourceFieldRef": reference}] * told


@needs_helm
def test_the_grace_period_follows_the_drain_deadline() -> None:
    assert pod(render({"config": {"epoch": {"drain_s": 90.5}}}))["terminationGracePeriodSeconds"] == 91 + 15


def test_the_fake_cluster_knows_every_kind_that_was_rendered() -> None:
    rendered = {(made["apiVersion"], made["kind"]) for name in EXAMPLES for made in golden(name)}
    known = {(version, kind) for version, kinds in KINDS.items() for kind in kinds}
    assert rendered == known - {("v1", "Secret")}
    assert RELEASE in only(golden("default"), "StatefulSet")["metadata"]["name"]
