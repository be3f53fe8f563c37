"""How much of a machine's cores and memory a container may have. Libraries see the whole machine. Imports no torch.

Reads both versions of control groups (Linux, admin-guide/cgroup-v2 and cgroup-v1), and the groups around its own, which
bound it too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def granted_cores(groups: Path = GROUPS, own: Path = OWN) -> int | None:
    """Whole cores that control groups leave this process, at least one; None where nothing limits it.

    More threads than that are stopped in turns, each while the others wait for it.
    """
    limits = _limits(groups, own, "cpu", _cores)
    return max(1, int(min(limits))) if limits else None


def usable_cores() -> int:
    """What is granted, else what the machine has."""
    return granted_cores() or os.cpu_count() or 1


def usable_memory_bytes(groups: Path = GROUPS, own: Path = OWN) -> int:
    """What control groups leave this process, else what the machine has."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min([*_limits(groups, own, "memory", _bytes), whole]))


def _limits(groups: Path, own: Path, controller: str, limit: Callable[[Path], float | None]) -> list[float]:
    """Those of a controller, of all groups that this process is in."""
    found = []
    for folder in _folders(groups, own, controller):
        try:
            value = limit(folder)
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or none that says a limit
            continue
        if value is not None:
            found.append(value)
    return found


def _folders(groups: Path, own: Path, controller: str) -> Iterator[Path]:
    """Of this process's group and of those around it. In a container its own may be mounted as the root."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = groups / controller if controllers else groups
        group = root / path.lstrip("/")
        yield from (group, *(parent for parent in group.parents if parent.is_relative_to(root)))


def _cores(folder: Path) -> float | None:
    if (both := folder / "cpu.max").exists():
        quota, period = both.read_text(encoding="utf-8").split()
    else:
        quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
    return int(quota) / int(period) if quota.strip() != "max" and int(quota) > 0 else None


def _bytes(folder: Path) -> float | None:
    """The first version writes a number beyond any machine's where there is no limit."""
    file = folder / "memory.max"
    text = (file if file.exists() else folder / "memory.limit_in_bytes").read_text(encoding="utf-8").strip()
    return None if text == "max" else int(text)
