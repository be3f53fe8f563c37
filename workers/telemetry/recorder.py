"""What the worker's loop tells about itself, and to whom: once per epoch or once a second, never per document.

A recorder never raises and never waits: the loop does not depend on being watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CommittedEpoch:
    """An epoch that is visible. No key of a mapping comes from a document."""

    documents: Mapping[str, int]  # by outcome: enriched, dead_letter, tombstone
    dead_letters: Mapping[tuple[str, str], int]  # by failed step and code
    stages: Mapping[str, int]  # documents with an answer, by stage
    size_bytes: int  # of the records' values
    tokens: int  # of their windows, whoever answered them
    seconds: Mapping[str, float]  # by step, publish among them
    epoch_s: float  # from read to visible

    @property
    def count(self) -> int:
        return sum(self.documents.values())


@dataclass(frozen=True, slots=True)
class Load:
    """Where the worker stands at this moment."""

    problem: str | None = None  # why it cannot read or publish now
    stopping: bool = False
    partitions: int = 0  # that are this worker's
    lag: Mapping[tuple[str, int], int] = field(default_factory=dict)  # records not committed, by topic and partition
    epochs: int = 0  # under way, as are the next two
    documents: int = 0
    answered: int = 0  # of those documents, in epochs for which models have nothing more to do
    size_bytes: int = 0
    tokens: int = 0  # that models are asked about
    answered_tokens: int = 0  # of those

    @property
    def lag_records(self) -> int:
        return sum(self.lag.values())

    @property
    def waiting(self) -> int:
        """Records that were not taken yet."""
        return max(0, self.lag_records - self.documents)


class Recorder(Protocol):
    """Called from the worker's thread."""

    def turned(self) -> None:
        """The loop went round; it does so several times a second."""
        ...

    def committed(self, epoch: CommittedEpoch) -> None: ...

    def aborted(self, epochs: int) -> None:
        """So many epochs were given up and will be read again."""
        ...

    def standing(self, load: Load) -> None:
        """About once a second."""
        ...


class NullRecorder:
    """Nobody watches."""

    def turned(self) -> None:
        pass

    def committed(self, epoch: CommittedEpoch) -> None:
        pass

    def aborted(self, epochs: int) -> None:
        pass

    def standing(self, load: Load) -> None:
        pass


class Recorders:
    """Tells all of them."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def turned(self) -> None:
        for recorder in self._recorders:
            recorder.turned()

    def committed(self, epoch: CommittedEpoch) -> None:
        for recorder in self._recorders:
            recorder.committed(epoch)

    def aborted(self, epochs: int) -> None:
        for recorder in self._recorders:
            recorder.aborted(epochs)

    def standing(self, load: Load) -> None:
        for recorder in self._recorders:
            recorder.standing(load)
