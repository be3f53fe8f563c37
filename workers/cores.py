"""How much processor time a container may have. Libraries count the machine's cores instead. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def granted_cores(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """Whole cores that control groups leave this process, at least one; None where nothing limits it.

    More threads than that are stopped in turns, each while the others wait for it. Reads both versions of control
    groups (Linux, admin-guide/cgroup-v2 and cgroup-v1), and the groups around its own, which bound it too.
    """
    limits = [cores for folder in _folders(groups, own) if (cores := _limit(folder)) is not None]
    return max(1, int(min(limits))) if limits else None


def usable_cores() -> int:
    """What is granted, else what the machine has."""
    return granted_cores() or os.cpu_count() or 1


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Of this process's group and of those around it. In a container its own may be mounted as the root."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / "cpu" if controllers else groups
        group = root / path.lstrip("/")
        yield from (group, *(parent for parent in group.parents if parent.is_relative_to(root)))


def _limit(folder: Path) -> float | None:
    try:
        if (both := folder / "cpu.max").exists():
            quota, period = both.read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period")
            )
        return int(quota) / int(period) if quota.strip() != "max" and int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or none that says a limit
        return None
