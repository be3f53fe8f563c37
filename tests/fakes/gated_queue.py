"""A gated queue played through, document by document: what the formulas of `workers.planning.queueing` stand for."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from workers.planning.queueing import GatedQueue


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds that documents were in the queue, sorted."""

    latencies_s: list[float]

    @property
    def mean_s(self) -> float:
        return sum(self.latencies_s) / len(self.latencies_s)

    def quantile_s(self, share: float) -> float:
        return self.latencies_s[math.ceil(share * len(self.latencies_s)) - 1]


def play(queue: GatedQueue, *, documents: int, seed: int) -> Played:
    """Epochs follow each other: each takes what arrived during the one before."""
    chance = random.Random(seed)
    mu, sigma = math.log(queue.lengths.p50 / queue.tokens_per_s), queue.lengths.sigma
    latencies: list[float] = []
    next_arrival_s = chance.expovariate(queue.documents_per_s)
    gate_s = queue.epoch_s  # when the present epoch closes its gate
    while len(latencies) < documents:
        arrived = []
        while next_arrival_s <= gate_s:
            arrived.append(next_arrival_s)
            next_arrival_s += chance.expovariate(queue.documents_per_s)
        end_s = gate_s + queue.epoch_s + sum(chance.lognormvariate(mu, sigma) for _ in arrived)
        latencies += [end_s - at for at in arrived]
        gate_s = end_s
    return Played(sorted(latencies[documents // 10 :]))
