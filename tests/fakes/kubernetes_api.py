"""A Kubernetes API server that knows a few kinds and keeps what it is sent: enough for Helm to install a chart into."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JSON = "application/json"
VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
Object = dict[str, Any]  # as JSON gives it
# group/version -> kind and its plural
KINDS = {
    "v1": {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "ServiceAccount": "serviceaccounts"},
    "apps/v1": {"StatefulSet": "statefulsets", "Deployment": "deployments"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects"},
    "monitoring.coreos.com/v1": {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"},
}


@dataclass(slots=True)
class FakeCluster:
    """`created` are the objects in the order in which they came, without Helm's own record of the release."""

    kubeconfig: Path
    created: list[Object] = field(default_factory=list)


@contextmanager
def fake_cluster(folder: Path) -> Iterator[FakeCluster]:
    cluster = FakeCluster(folder / "kubeconfig")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found(self.path.split("?")[0].strip("/"))
            self._answer(status, json.dumps(body).encode())

        def do_POST(self) -> None:
            sent = self._echo(201)
            if self.headers["Content-Type"] == JSON:  # Helm's own record of the release comes in Protobuf
                cluster.created.append(json.loads(sent))

        def do_PUT(self) -> None:
            self._echo(200)

        def _echo(self, status: int) -> bytes:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(status, sent, self.headers["Content-Type"])
            return sent

        def _answer(self, status: int, payload: bytes, content_type: str = JSON) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    cluster.kubeconfig.write_text(json.dumps(kubeconfig(server.server_port)))
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def found(path: str) -> tuple[int, Object]:
    """What a GET gives: discovery and empty lists; no object of a name is there."""
    if path == "version":
        return 200, VERSION
    if path == "api":
        return 200, {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(v) for v in KINDS if "/" in v]}
    version = path.removeprefix("apis/").removeprefix("api/")
    if version in KINDS:
        return 200, {"kind": "APIResourceList", "groupVersion": version, "resources": resources(version)}
    if path.endswith("/secrets"):
        return 200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []}
    return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def group(version: str) -> Object:
    only = {"groupVersion": version, "version": version.split("/")[1]}
    return {"name": version.split("/")[0], "versions": [only], "preferredVersion": only}


def resources(version: str) -> list[Object]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    return [
        {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
        for kind, plural in KINDS[version].items()
    ]


def kubeconfig(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}],
        "current-context": "fake",
    }
