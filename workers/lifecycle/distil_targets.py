"""From what a teacher said of its words to what the student's words should say. Pure numpy; asks no model.

A word of the student's takes what the teacher said of the word it lies in. A type that the teacher has no tag for is
one with O: the student is neither drawn to it nor away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.lifecycle.distil_teacher import OUTSIDE, SoftText
from workers.models.prepared import PreparedWindow
from workers.text.bio import tag_count

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SoftExample:
    """One window and what the teacher thinks of it, at the recipe's temperature."""

    window: PreparedWindow
    tags: Floats  # [W, S] probabilities of the student's tags; no rows if tags are not distilled
    taught: Flags  # [W] false for a word that the teacher has no word for
    labels: Floats  # [L] probabilities; empty if labels are not distilled


@dataclass(frozen=True, slots=True)
class TagMap:
    """The teacher's tags in the student's numbers."""

    to_student: Numbers  # [K] number of the student's tag; O for a type that it does not have
    groups: Numbers  # [S] the column that stands for a tag: itself, or O where the teacher has no such type

    @property
    def count(self) -> int:
        return len(self.groups)


def map_tags(tags: Sequence[str], entity_types: Sequence[str]) -> TagMap:
    numbers = {OUTSIDE: 0}
    for kind, name in enumerate(entity_types):
        numbers |= {f"B-{name}": 1 + 2 * kind, f"I-{name}": 2 + 2 * kind}
    known = {numbers[tag] for tag in tags if tag in numbers}
    groups = [number if number in known else 0 for number in range(tag_count(len(entity_types)))]
    return TagMap(np.array([numbers.get(tag, 0) for tag in tags], dtype=np.int64), np.array(groups, dtype=np.int64))


def soft_example(window: PreparedWindow, soft: SoftText, tag_map: TagMap, *, temperature: float) -> SoftExample:
    labels = softened(soft.labels[None], temperature)[0] if len(soft.labels) else soft.labels
    words = len(window.word_starts)
    if not soft.tags.shape[1]:
        return SoftExample(window, np.zeros((0, tag_map.count), np.float32), np.zeros(0, bool), labels)
    owners = np.searchsorted(soft.starts, window.word_starts, side="right") - 1
    safe = owners.clip(min=0)
    taught = np.zeros(words, dtype=bool)
    tags = np.zeros((words, tag_map.count), dtype=np.float32)
    if len(soft.starts):
        taught = (owners >= 0) & (soft.ends[safe] > window.word_starts)
        np.add.at(tags.T, tag_map.to_student, softened(soft.tags, temperature)[safe].T)
        inside = np.zeros(words, dtype=bool)
        inside[1:] = taught[1:] & (owners[1:] == owners[:-1])
        # A later part of the teacher's word cannot begin an entity again.
        tags[inside, 2::2] += tags[inside, 1::2]
        tags[inside, 1::2] = 0.0
    return SoftExample(window, tags, taught, labels)


def softened(logits: Floats, temperature: float) -> Floats:
    """[N, K] logits -> probabilities."""
    scaled = logits.astype(np.float64) / temperature
    odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Floats = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
