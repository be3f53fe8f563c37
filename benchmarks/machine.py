"""The machine and the versions that figures belong to. Tells what it is, never whose it is or what it is called."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("enrich-workers", "torch", "transformers", "tokenizers", "kafka-python")


def describe_machine(**more: str) -> dict[str, str]:
    """Processor, cores, memory and versions; then `more`, such as the broker or the precision."""
    told = {"processor": processor(), "cores": str(len(os.sched_getaffinity(0)) if _has_affinity() else os.cpu_count())}
    if (memory := memory_gib()) is not None:
        told["memory"] = f"{memory:.0f} GiB"
    if torch := sys.modules.get("torch"):  # without it nothing was measured that it could change
        told["torch threads"] = str(torch.get_num_threads())
        if torch.cuda.is_available():
            told["accelerator"] = torch.cuda.get_device_name()
    told["python"] = platform.python_version()
    for package in PACKAGES:
        told[package] = package_version(package)
    return told | more


def package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Its name; on Linux also what its maker numbers generations with: names in clouds are the same for several."""
    try:
        rows = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = {name.strip(): value.strip() for name, _, value in reversed([row.partition(":") for row in rows])}
    numbers = [f"{name.split()[-1]} {told[name]}" for name in ("cpu family", "model") if name in told]
    return ", ".join([told.get("model name", platform.machine()), *numbers])


def memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None


def resident_mib(process: int) -> float:
    """Resident memory of a process. Raises OSError where the system has no /proc, or once the process is gone."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _has_affinity() -> bool:
    return hasattr(os, "sched_getaffinity")
