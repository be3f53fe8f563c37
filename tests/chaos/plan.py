"""What a chaos run is to do: which faults, in which order, to whom. The same seed gives the same schedule."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ECHO_WORKER = f"{sys.executable} -m tests.chaos.echo_worker"


class Kind(StrEnum):
    """What can happen: to a process, to the network between (from `cut` on with a cluster of ours only), to brokers."""

    KILL = "kill"  # SIGKILL, started again at once
    MEMBER = "member"  # SIGKILL of one of the processes that enrich for a worker: it ends, and is started again
    STOP = "stop"  # SIGTERM, started again when it has ended
    FREEZE = "freeze"  # SIGSTOP for longer than the session time-out, then SIGCONT
    CUT = "cut"  # connections are closed and new ones refused
    DELAY = "delay"  # everything takes longer
    HOLE = "hole"  # connections stand and nothing passes, for longer than the session time-out
    BROKER = "broker"  # SIGKILL of a broker, started again on its data
    OUTAGE = "outage"  # all brokers at once, for a minute


NETWORK = frozenset({Kind.CUT, Kind.DELAY, Kind.HOLE})
CLUSTER = frozenset({Kind.BROKER, Kind.OUTAGE})


@dataclass(frozen=True, slots=True)
class Fault:
    """`target` is a worker's slot (0..) or a broker's number (1..)."""

    kind: Kind
    target: int
    pause_s: float  # between its end and the next fault: short ones hit the group while it still rebalances


@dataclass(frozen=True, slots=True)
class Plan:
    documents: int
    workers: int
    faults: Mapping[Kind, int]
    command: str = ECHO_WORKER
    static: bool = False  # static membership: each worker keeps its name over a kill
    brokers: int = 1
    partitions: int = 6
    epoch_records: int = 32
    processes: int = 1  # that enrich for each worker; for a command that loads models
    epoch_ms: int = 20  # how long the echo worker holds an epoch
    hold_s: Mapping[Kind, float] = field(
        default_factory=lambda: {
            Kind.FREEZE: 6.0,
            Kind.HOLE: 6.0,
            Kind.CUT: 3.0,
            Kind.DELAY: 4.0,
            Kind.BROKER: 4.0,
            Kind.OUTAGE: 60.0,
        }
    )
    delay_s: float = 0.3
    pause_s: tuple[float, float] = (1.0, 4.0)
    patience_s: float = 240.0  # without a document coming out
    seed: int = 1

    def schedule(self) -> list[Fault]:
        chance = random.Random(self.seed)
        kinds = [kind for kind in Kind for _ in range(self.faults.get(kind, 0))]
        chance.shuffle(kinds)
        return [
            Fault(
                kind,
                chance.randint(1, self.brokers) if kind is Kind.BROKER else chance.randrange(self.workers),
                chance.uniform(*self.pause_s),
            )
            for kind in kinds
        ]

    def expected_s(self, fault: Fault) -> float:
        """A first guess at how long a fault takes with its pause; processes need seconds to start."""
        return self.hold_s.get(fault.kind, 0.0) + fault.pause_s + (6.0 if fault.kind in CLUSTER else 1.0)
