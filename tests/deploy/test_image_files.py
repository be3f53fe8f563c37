"""What the image is made of: locks that fit the project, and a Dockerfile that leaves little to chance."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "deploy" / "image"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
EXTRAS = ("confluent", "openai", "otel")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$", re.MULTILINE)


def locked(target: str) -> dict[str, Version]:
    text = (IMAGE / f"requirements-{target}.txt").read_text(encoding="utf-8")
    pins = {str(canonicalize_name(name)): Version(version) for name, version in PIN.findall(text)}
    assert len(pins) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)), "a line is not a pin with hashes"
    return pins


def torch_of_the_cpu_target() -> Version:
    (version,) = re.findall(r"^ARG TORCH=torch==(\S+)$", DOCKERFILE, re.MULTILINE)
    return Version(version)


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for extra in EXTRAS for entry in project["optional-dependencies"][extra]]
    return [Requirement(entry) for entry in [*project["dependencies"], *extras]]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_lock_fits_the_project(target: str) -> None:
    pins = locked(target) | ({"torch": torch_of_the_cpu_target()} if target == "cpu" else {})
    unfit = [str(r) for r in wanted() if (v := pins.get(canonicalize_name(r.name))) is None or v not in r.specifier]
    assert unfit == [], "pyproject.toml changed: `make lock`"


def test_the_lock_of_insights_fits_its_group_and_holds_no_model() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    pins = locked("insights")
    wanted = [Requirement(entry) for entry in groups["insights"]]
    unfit = [str(r) for r in wanted if (v := pins.get(canonicalize_name(r.name))) is None or v not in r.specifier]
    assert unfit == [], "pyproject.toml changed: `make lock`"
    assert not {"torch", "transformers", "tokenizers"} & set(pins)


def test_both_targets_install_the_same_but_for_cuda() -> None:
    cpu, cuda = locked("cpu"), locked("cuda")
    assert torch_of_the_cpu_target() == cuda["torch"]
    assert {name: cuda[name] for name in cpu} == cpu
    more = {name for name in cuda if name not in cpu}
    assert {name for name in more if not name.startswith(("nvidia-", "cuda-"))} == {"torch", "triton"}
    assert not {name for name in cpu if name.startswith("nvidia")}


def test_the_running_stage_runs_nothing_and_is_nobody() -> None:
    final = DOCKERFILE.split("AS runtime")[1].split("\nFROM ")[0]
    assert not re.search(r"^RUN", DOCKERFILE.split("FROM runtime AS insights")[1], re.MULTILINE)
    assert "RUN" not in final  # so a base without a shell will do
    assert re.search(r"^USER \d+:\d+$", final, re.MULTILINE)
    for instruction in ("ENTRYPOINT", "CMD"):
        assert re.search(rf"^ *{instruction} \[", final, re.MULTILINE)
    assert "HEALTHCHECK" in final


def test_only_what_the_image_needs_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert "*" in lines
    assert {source.split("/")[0] for source in sources} == {line[1:].split("/")[0] for line in lines if line[0] == "!"}
