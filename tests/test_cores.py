"""What a container's limit leaves, read from control groups of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from workers.cores import granted_cores, usable_cores, usable_memory_bytes
from workers.models import precision


def written(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("own", "around", "cores"),
    [
        ("200000 100000", "max 100000", 2),
        ("150000 100000", "max 100000", 1),
        ("50000 100000", None, 1),
        ("max 100000", "max 100000", None),
        ("400000 100000", "300000 100000", 3),
        ("what is this", None, None),
        (None, None, None),
    ],
)
def test_the_narrowest_group_counts(tmp_path: Path, own: str | None, around: str | None, cores: int | None) -> None:
    (tmp_path / "own").write_text("0::/pods/worker\n", encoding="utf-8")
    if own is not None:
        written(tmp_path / "groups/pods/worker", "cpu.max", own)
    if around is not None:
        written(tmp_path / "groups/pods", "cpu.max", around)
    assert granted_cores(tmp_path / "groups", tmp_path / "own") == cores


@pytest.mark.parametrize(("quota", "cores"), [("350000", 3), ("-1", None)])
def test_the_first_version_is_read_too(tmp_path: Path, quota: str, cores: int | None) -> None:
    """As a container sees it: the path is the host's, its own group is mounted as the root."""
    (tmp_path / "own").write_text("4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n", encoding="utf-8")
    written(tmp_path / "groups/cpu", "cpu.cfs_quota_us", quota)
    written(tmp_path / "groups/cpu", "cpu.cfs_period_us", "100000")
    assert granted_cores(tmp_path / "groups", tmp_path / "own") == cores


def test_a_system_without_control_groups_limits_nothing(tmp_path: Path) -> None:
    assert granted_cores(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("lines", "file", "limit", "granted"),
    [
        ("0::/pods/worker", "pods/worker/memory.max", "1073741824", 1 << 30),
        ("0::/pods/worker", "pods/memory.max", "1073741824", 1 << 30),
        ("0::/pods/worker", "pods/worker/memory.max", "max", None),
        ("4:memory:/docker/1", "memory/memory.limit_in_bytes", "1073741824", 1 << 30),
        ("4:memory:/docker/1", "memory/memory.limit_in_bytes", "9223372036854771712", None),
        ("3:cpu:/docker/1", "memory/memory.limit_in_bytes", "1073741824", None),
        ("0::/pods/worker", "pods/worker/memory.max", "what is this", None),
    ],
)
def test_memory_is_bound_by_the_narrowest_group_and_by_the_machine(
    tmp_path: Path, lines: str, file: str, limit: str, granted: int | None
) -> None:
    (tmp_path / "own").write_text(f"{lines}\n", encoding="utf-8")
    path = tmp_path / "groups" / file
    written(path.parent, path.name, f"{limit}\n")
    whole = usable_memory_bytes(tmp_path, tmp_path / "absent")
    assert whole > 1 << 30
    assert usable_memory_bytes(tmp_path / "groups", tmp_path / "own") == (granted or whole)


def test_without_a_limit_all_cores_are_used() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("granted", "threads"), [(1, 1), (1_000, None), (None, None)])
def test_an_operation_takes_no_more_threads_than_were_granted(
    monkeypatch: pytest.MonkeyPatch, granted: int | None, threads: int | None
) -> None:
    monkeypatch.setattr(precision, "granted_cores", lambda: granted)
    assert precision.default_threads.__wrapped__() == (threads or torch.get_num_threads())
