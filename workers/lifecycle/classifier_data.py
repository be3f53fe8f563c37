"""Texts with labels become examples: read with the team's own keys, drawn and split by label. No weights here."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workers.errors import ConfigurationError
from workers.lifecycle.classifier_recipe import ClassifierRecipe, LabelledFile
from workers.lifecycle.data import Topic, read_lines
from workers.lifecycle.topics import readable
from workers.models.prepared import PreparedWindow, prepare_window
from workers.models.tokenizer import SubwordTokenizer
from workers.text.pieces import Window

FEWEST_TO_SPLIT = 4  # texts of a label; with fewer none of them is given up for dev


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text ready for the device, and the number of its label."""

    window: PreparedWindow
    label: int


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a run learns from and is judged by."""

    labels: tuple[str, ...]
    train: list[Topic]
    dev: list[Topic]
    split: bool  # whether dev was cut out of the training files
    counts: dict[str, int]  # texts by training file
    tests: dict[str, list[Topic]]  # by file
    other_dev: list[str]  # texts of no label
    other_test: list[str]

    def everything(self) -> Lessons:
        """Dev is learned from as well."""
        return replace(self, train=self.train + self.dev, dev=[], other_dev=[])


def read_labelled(folder: Path, files: Sequence[LabelledFile]) -> list[Topic]:
    """All records, labels as they stand. Raises ConfigurationError with file and line for one that lacks a key."""
    return [topic for file in files for topic in _read(folder, file, labelled=True)]


def read_texts(folder: Path, files: Sequence[LabelledFile]) -> list[str]:
    """Texts alone; a label is not asked for."""
    return [topic.text for file in files for topic in _read(folder, file, labelled=False)]


def _read(folder: Path, file: LabelledFile, *, labelled: bool) -> list[Topic]:
    path = folder / file.path
    topics = []
    for number, row in enumerate(read_lines(path), start=1):
        text, label = row.get(file.text), row.get(file.label) if labelled else ""
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(
                f"{path}: record {number} has no text under `{file.text}`: set the file's `text` key"
            )
        if not isinstance(label, str | int) or (labelled and label == ""):
            raise ConfigurationError(
                f"{path}: record {number} has no label under `{file.label}`: set the file's `label` key"
            )
        topics.append(Topic(text, str(label)))
    return topics


def gather_lessons(folder: Path, recipe: ClassifierRecipe) -> Lessons:
    """Reads all that the run will need. Raises ConfigurationError for a file or a label that will not do."""
    read = {file.name: _read(folder, file, labelled=True) for file in recipe.train}
    topics = [topic for group in read.values() for topic in group]
    labels = tuple(sorted({topic.label for topic in topics}))
    if len(labels) < 2:
        raise ConfigurationError(f"the training files have {len(labels)} label: two or more are needed")
    unknown = sorted(set(recipe.descriptions) - set(labels))
    if unknown:
        raise ConfigurationError(f"recipe: descriptions of `{unknown[0]}`, which is no label of the training files")
    rng = random.Random(recipe.seed)  # noqa: S311
    groups = {label: [topic for topic in topics if topic.label == label] for label in labels}
    for group in groups.values():
        rng.shuffle(group)
    groups = {label: group[: recipe.per_class] for label, group in groups.items()}
    train, dev = [topic for group in groups.values() for topic in group], read_labelled(folder, recipe.dev)
    if not recipe.dev:
        train, dev = _split(groups, recipe.dev_share)
    tests = {file.name: read_labelled(folder, [file]) for file in recipe.test}
    for name, group in {"dev": dev, **tests}.items():
        strangers = sorted({topic.label for topic in group} - set(labels))
        if strangers:
            raise ConfigurationError(f"{name}: the training files do not teach the label `{strangers[0]}`")
    return Lessons(
        labels=labels,
        train=train,
        dev=dev,
        split=not recipe.dev,
        counts={name: len(group) for name, group in read.items()},
        tests=tests,
        other_dev=read_texts(folder, recipe.other_dev),
        other_test=read_texts(folder, recipe.other_test),
    )


def _split(groups: Mapping[str, Sequence[Topic]], share: float) -> tuple[list[Topic], list[Topic]]:
    train, dev = list[Topic](), list[Topic]()
    for group in groups.values():
        count = max(1, round(share * len(group))) if len(group) >= FEWEST_TO_SPLIT else 0
        dev += group[:count]
        train += group[count:]
    return train, dev


def label_topics(lessons: Lessons, recipe: ClassifierRecipe) -> list[Topic]:
    """Every label as a text of itself."""
    if not recipe.label_texts:
        return []
    return [Topic(recipe.descriptions.get(label, readable(label)), label) for label in lessons.labels]


def examples_of(
    tokenizer: SubwordTokenizer, topics: Sequence[Topic], labels: Sequence[str], *, max_tokens: int
) -> list[TextExample]:
    """The first `max_tokens` of each text; texts without any token are left out."""
    numbers = {label: number for number, label in enumerate(labels)}
    ends = {"start_id": tokenizer.start_id, "end_id": tokenizer.end_id}
    examples = []
    for topic, tokens in zip(topics, tokenizer.cut([topic.text for topic in topics]), strict=True):
        text = topic.text
        if len(tokens) > max_tokens:
            text = text[: int(tokens.starts[max_tokens])]
            tokens = tokens.between(0, len(text))
        if len(tokens):
            examples.append(TextExample(prepare_window(Window(text, 0, (), tokens), **ends), numbers[topic.label]))
    return examples
