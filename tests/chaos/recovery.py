"""How long nothing came out after a fault, from the times at which the records that were committed had been written."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.plan import Fault, Kind
from workers.transport.base import IncomingRecord


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened. Seconds since 1970; `ended_s` is when it was taken back."""

    fault: Fault
    at_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds after one fault, until the next one."""

    kind: Kind
    slowest_partition_s: float  # the longest in which a partition got nothing: until somebody else had taken it over
    group_s: float  # the longest in which no partition got anything
    reader_s: float  # the longest in which a reader of committed records saw nothing


def recoveries(
    injected: Sequence[Injected], came_out: Iterable[IncomingRecord], seen_s: Sequence[float]
) -> list[Recovery]:
    """`seen_s`: when a reader got records."""
    written: dict[int, list[float]] = {}
    for record in came_out:
        written.setdefault(record.partition.number, []).append((record.timestamp_ms or 0) / 1000)
    everywhere = sorted(time_s for times in written.values() for time_s in times)
    ends = [later.at_s for later in injected[1:]] + [float("inf")]
    return [
        Recovery(
            kind=happened.fault.kind,
            slowest_partition_s=max(
                (longest_gap(sorted(times), happened.at_s, end_s) for times in written.values()), default=0.0
            ),
            group_s=longest_gap(everywhere, happened.at_s, end_s),
            reader_s=longest_gap(seen_s, happened.at_s, end_s),
        )
        for happened, end_s in zip(injected, ends, strict=True)
    ]


def longest_gap(times_s: Sequence[float], start_s: float, end_s: float) -> float:
    """The longest time without one, begun before `end_s` and counted from `start_s`, however long it lasted."""
    gaps = (after - max(before, start_s) for before, after in pairwise(times_s) if after > start_s and before < end_s)
    return max(gaps, default=0.0)


def table(planned: Mapping[Kind, int], found: Sequence[Recovery]) -> str:
    """Markdown, a row for each kind of fault."""
    lines = [
        "| fault | times | until every partition went on, s: p50 | max | longest standstill of the group, s | "
        "longest a reader waited, s |",
        "|---|---|---|---|---|---|",
    ]
    for kind in [kind for kind in Kind if planned.get(kind)]:
        mine = [recovery for recovery in found if recovery.kind is kind]
        if not mine:
            lines.append(f"| {kind} | 0 | | | | |")
            continue
        slowest = [recovery.slowest_partition_s for recovery in mine]
        lines.append(
            f"| {kind} | {len(mine)} | {statistics.median(slowest):.1f} | {max(slowest):.1f} | "
            f"{max(recovery.group_s for recovery in mine):.1f} | {max(recovery.reader_s for recovery in mine):.1f} |"
        )
    return "\n".join(lines)
