"""What a generative model is asked about a window, and how its replies become the window's answer.

One request per task: entities alone, or entities and relations together where relations are wanted, labels, a summary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas.base import StageName
from workers.models.base import Unanswered
from workers.models.prompts import Prompt, Vocabulary, load_prompt
from workers.models.prompts_places import Tally, known_name, link_relations, locate_entities, spread
from workers.models.prompts_replies import (
    EntitiesReply,
    LabelsReply,
    RelationsReply,
    Reply,
    Unreadable,
    read_json,
    read_summary,
)
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    RelationsResult,
    StageResult,
    WindowAnswer,
    WrittenSummary,
)
from workers.text.pieces import Window
from workers.text.sentences import split_sentences

READING_VERSION = "1"  # of the code that reads replies; part of a generative model's revision
Results = Mapping[StageName, StageResult]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one model. `read` is safe to call from several threads."""

    stages: tuple[StageName, ...]
    vocabulary: Vocabulary
    prompts: Mapping[StageName, Prompt]  # by task, which is named after the stage it is for
    tally: Tally = field(default_factory=Tally)

    def read(self, task: StageName, reply: Reply, window: Window) -> Results | Unanswered:
        """What the reply says about the stages of this task. Unanswered if it is not what was asked for."""
        readers: Mapping[StageName, Callable[[Reply, Window], Results]] = {
            StageName.ENTITIES: self._entities,
            StageName.RELATIONS: self._relations,
            StageName.CLASSIFICATION: self._classification,
            StageName.SUMMARY: self._summary,
        }
        try:
            return readers[task](reply, window)
        except Unreadable as error:
            self.tally.add("unreadable_reply")
            return Unanswered("unreadable_reply" if reply.complete else "reply_cut_off", f"{task.value}: {error}")

    def _entities(self, reply: Reply, window: Window) -> Results:
        parsed, read = read_json(reply, EntitiesReply)
        mentions = locate_entities(
            parsed.entities,
            window.text,
            tuple(self.vocabulary.entity_types),
            lambda row: read.score(("text", row), ("type", row)),
            self.tally,
        )
        return {StageName.ENTITIES: EntitiesResult(tuple(mention.entity for mention in mentions))}

    def _relations(self, reply: Reply, window: Window) -> Results:
        parsed, read = read_json(reply, RelationsReply)
        mentions = locate_entities(
            parsed.entities,
            window.text,
            tuple(self.vocabulary.entity_types),
            lambda row: read.score(("text", row), ("type", row)),
            self.tally,
        )
        relations = link_relations(
            parsed.relations,
            mentions,
            tuple(self.vocabulary.relation_types),
            lambda row: read.score(("head", row), ("relation", row), ("tail", row)),
            self.tally,
        )
        entities = tuple(mention.entity for mention in mentions)
        return {
            StageName.ENTITIES: EntitiesResult(entities),
            StageName.RELATIONS: RelationsResult(entities, relations),
        }

    def _classification(self, reply: Reply, window: Window) -> Results:
        parsed, read = read_json(reply, LabelsReply)
        labels = tuple(self.vocabulary.labels)
        chosen: dict[str, float] = {}
        for row, name in enumerate(parsed.labels):
            known = known_name(name, labels)
            if known is None:
                self.tally.add("unknown_label")
            else:
                chosen.setdefault(known, read.score(("labels", row)))
        scores = spread(labels, tuple(chosen.items()))
        return {StageName.CLASSIFICATION: ClassificationResult(scores, len(window.tokens))}

    def _summary(self, reply: Reply, window: Window) -> Results:
        text, finished = read_summary(reply)
        return {StageName.SUMMARY: WrittenSummary(shortened(text, self.vocabulary.max_sentences), finished)}


def tasks_for(
    stages: Sequence[StageName], vocabulary: Vocabulary, templates: Mapping[StageName, Path], tally: Tally | None = None
) -> Tasks:
    """The fewest requests that answer these stages. Raises ConfigurationError for a template that cannot be one."""
    wanted = [
        stage for stage in stages if not (stage is StageName.ENTITIES and StageName.RELATIONS in stages)
    ]  # asking for relations gives the entities as well
    prompts = {stage: load_prompt(stage, vocabulary, templates.get(stage)) for stage in wanted}
    return Tasks(tuple(stages), vocabulary, prompts, tally or Tally())


def combine(stages: Sequence[StageName], outcomes: Sequence[Results | Unanswered]) -> WindowAnswer | Unanswered:
    """The answer of a window from the outcomes of its tasks; a task without answer leaves the window without one."""
    whole: dict[StageName, StageResult] = {}
    for outcome in outcomes:
        if isinstance(outcome, Unanswered):
            return outcome
        whole |= outcome
    return {stage: whole[stage] for stage in stages}


def shortened(text: str, max_sentences: int) -> str:
    """One line without control characters, of so many sentences at most: a model may not keep to what it was told."""
    line = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in text).split())
    sentences = split_sentences(line)
    return line[: sentences[max_sentences - 1][1]] if len(sentences) > max_sentences else line
