"""A recorder that remembers, and epochs and loads to tell recorders."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.telemetry.recorder import CommittedEpoch, Load


@dataclass
class RememberingRecorder:
    """Everything it was told, in order."""

    turns: int = 0
    epochs: list[CommittedEpoch] = field(default_factory=list)
    aborted_epochs: list[int] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    def turned(self) -> None:
        self.turns += 1

    def committed(self, epoch: CommittedEpoch) -> None:
        self.epochs.append(epoch)

    def aborted(self, epochs: int) -> None:
        self.aborted_epochs.append(epochs)

    def standing(self, load: Load) -> None:
        self.loads.append(load)


def an_epoch(*, enriched: int = 3, dead: int = 1, tombstones: int = 0, tokens: int = 300) -> CommittedEpoch:
    return CommittedEpoch(
        documents={"enriched": enriched, "dead_letter": dead, "tombstone": tombstones},
        dead_letters={("validate", "invalid_json"): dead} if dead else {},
        stages={"entities": enriched},
        size_bytes=1_000,
        tokens=tokens,
        seconds={"forward": 0.2, "publish": 0.02},
        epoch_s=0.3,
    )


def a_load(lag: int, *, documents: int = 0, problem: str | None = None, stopping: bool = False) -> Load:
    """Behind by `lag` records on one partition, of which `documents` are under way."""
    partition = {("documents", 0): lag}
    return Load(
        problem, stopping, 1, partition, epochs=int(documents > 0), documents=documents, size_bytes=100 * documents
    )
