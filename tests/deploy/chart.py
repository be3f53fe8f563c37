"""Renders the chart with Helm itself and keeps what came out: `python -m tests.deploy.chart` writes the golden files.

Helm comes as a library, `helm-sdkpy`, which can install but not only render: it installs into a fake cluster. The
package says Python 3.12 and works on 3.11; `make chart` puts it into the environment either way.
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.kubernetes_api import Object, fake_cluster

CHART = Path(__file__).parents[2] / "deploy" / "chart"
RENDERED = Path(__file__).parent / "rendered"
EXAMPLES = ("default", "gpu", "insights", "scale-to-zero")
NAMESPACE = "enrich"
RELEASE = "enrich"


def has_helm() -> bool:
    return importlib.util.find_spec("helm_sdkpy") is not None


def render(values: dict[str, Any]) -> list[Object]:
    """The objects of a release. Raises helm_sdkpy.InstallError for values that the chart refuses."""
    from helm_sdkpy import Configuration, Install

    with tempfile.TemporaryDirectory() as folder, fake_cluster(Path(folder)) as cluster:
        configuration = Configuration(namespace=NAMESPACE, kubeconfig=str(cluster.kubeconfig))
        asyncio.run(Install(configuration).run(RELEASE, str(CHART), values=values, wait=False, timeout=30))
        return sorted(cluster.created, key=lambda made: (made["kind"], made["metadata"]["name"]))


def example(name: str) -> dict[str, Any]:
    """The values of an example; of `default`, none."""
    if name == "default":
        return {}
    values: dict[str, Any] = yaml.safe_load((CHART / "examples" / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def golden(name: str) -> list[Object]:
    return list(yaml.safe_load_all((RENDERED / f"{name}.yaml").read_text(encoding="utf-8")))


def main() -> None:
    RENDERED.mkdir(exist_ok=True)
    for name in EXAMPLES:
        text = yaml.safe_dump_all(render(example(name)), sort_keys=True, width=120)
        (RENDERED / f"{name}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
