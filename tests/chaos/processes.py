"""Starts a worker process with settings of its own, and ends one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from workers.settings import KafkaSettings

Sections = Mapping[str, Mapping[str, Any]]  # of settings, beside those of Kafka


def start_worker(
    command: Sequence[str],
    kafka: KafkaSettings,
    sections: Sections,
    folder: Path,
    *,
    slot: int,
    number: int,
    static: bool,
    environment: Mapping[str, str],
    without: tuple[str, ...],
) -> subprocess.Popen[bytes]:
    """The `number`th start of a run; each has a log in `folder`. `static`: the slot is its group instance id.

    It inherits our environment but for variables that begin with one of `without`.
    """
    told = kafka.model_dump(mode="json", exclude_defaults=True) | (
        {"group_instance_id": f"worker-{slot}"} if static else {}
    )
    config = folder / f"worker-{slot}.yaml"
    config.write_text(yaml.safe_dump({"kafka": told, **{name: dict(own) for name, own in sections.items()}}))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    with (folder / f"worker-{slot}.{number}.log").open("wb") as output:
        return subprocess.Popen(
            command, env={**inherited, "ENRICH_CONFIG": str(config), **environment}, stdout=output, stderr=output
        )


def ended(process: subprocess.Popen[bytes], *, within_s: float) -> bool:
    """Whether it ended by itself in this time; it has ended in any case."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
