"""Relations of documents against labels: which facts a model states about given entities, or about those it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from schemas.base import StageName
from workers.lifecycle.answers import answer
from workers.lifecycle.batches import make_batch
from workers.lifecycle.data import Labelled
from workers.lifecycle.examples import Example, ExampleMaker, cut, excerpt_of
from workers.lifecycle.labelspace import LabelSpace, Scheme, facts_of
from workers.lifecycle.score import Counts, best_threshold, compare
from workers.models.config import RelationType
from workers.models.folder import LoadedModel
from workers.models.shared import SharedEncoderModel
from workers.stages.results import RelationsResult
from workers.text.pieces import Window

LOWEST, HIGHEST = 0.4, 0.9  # bounds of a threshold: chosen on few examples it may lie anywhere
FEWEST = 8  # right candidates from which on a type has a threshold of its own
Fact = tuple[int, int, str]  # head cluster, tail cluster, our type; below 0 an entity that is none of the labelled
Floats = npt.NDArray[np.float32]


@torch.inference_mode()
def pair_scores(model: LoadedModel, example: Example) -> Floats:
    """[P, relation types]: probabilities for the example's own mentions."""
    batch = make_batch([example], model.encoder.words.weight.device)
    if batch.pairs is None:
        return np.zeros((0, len(model.config.relation_types)), dtype=np.float32)
    lower = model.encoder.read_lower(batch.ids, batch.mask, batch.shapes)
    hidden = model.encoder.read_tuned(lower, batch.mask, batch.shapes)
    logits = model.heads.relations(hidden.float(), batch.pairs)
    return torch.sigmoid(logits / model.config.relation_temperature).cpu().numpy()


def examples_of(
    model: LoadedModel, texts: Sequence[Labelled], scheme: Scheme, *, limit: int = 254
) -> list[list[Example]]:
    """The windows of each text, with its own mentions."""
    maker = ExampleMaker(model.tokenizer, "given", LabelSpace.of(model.config), scheme, max_tokens=limit)
    return [list(maker.make(text, limit)) for text in texts]


def choose_thresholds(model: LoadedModel, examples: Sequence[Example]) -> tuple[RelationType, ...]:
    """The model's relation types with the thresholds that are best for given entities; rare types share one."""
    scores = [pair_scores(model, example) for example in examples]
    columns: list[tuple[list[float], list[bool]]] = []
    for number in range(len(model.config.relation_types)):
        chosen = [example.known[:, number] for example in examples]
        columns.append(
            (
                [float(s) for rows, known in zip(scores, chosen, strict=True) for s in rows[known, number]],
                [
                    bool(right)
                    for example, known in zip(examples, chosen, strict=True)
                    for right in example.targets[known, number]
                ],
            )
        )
    shared, _ = best_threshold(
        [s for column in columns for s in column[0]], [r for column in columns for r in column[1]]
    )
    types = []
    for relation, (found, right) in zip(model.config.relation_types, columns, strict=True):
        threshold = best_threshold(found, right)[0] if sum(right) >= FEWEST else shared
        types.append(relation.model_copy(update={"threshold": round(min(max(threshold, LOWEST), HIGHEST), 3)}))
    return tuple(types)


def wanted_facts(labelled: Labelled, scheme: Scheme, labels: LabelSpace) -> set[Fact]:
    """Facts of our types whose two ends are of types that the relation joins."""
    assert scheme.relations is not None
    types = {mention.cluster: scheme.tags.types.get(mention.type) for mention in labelled.mentions}
    return {
        (head, tail, name)
        for head, tail, name, near in facts_of(labelled.cluster_facts(), scheme.relations, labels)
        if not near and types[head] in labels.relation(name).heads and types[tail] in labels.relation(name).tails
    }


def given_entities(model: LoadedModel, texts: Sequence[Labelled], scheme: Scheme) -> Counts:
    """Facts stated about the labelled entities."""
    labels = LabelSpace.of(model.config)
    limits = np.array([relation.threshold for relation in model.config.relation_types])
    total = Counts()
    for labelled, examples in zip(texts, examples_of(model, texts, scheme), strict=True):
        stated: set[Fact] = set()
        for example in examples:
            rows, types = np.nonzero(pair_scores(model, example) >= limits)
            heads, tails = example.clusters[example.pairs.heads[rows]], example.clusters[example.pairs.tails[rows]]
            stated |= {
                (int(head), int(tail), labels.relation_types[kind].name)
                for head, tail, kind in zip(heads, tails, types, strict=True)
                if head != tail
            }
        total += compare(stated, wanted_facts(labelled, scheme, labels))
    return total


@dataclass(frozen=True, slots=True)
class Part:
    """A window of a labelled document, and which cluster is mentioned where."""

    window: Window
    clusters: Mapping[tuple[int, int, str], int]


def parts_of(model: SharedEncoderModel, labelled: Labelled, scheme: Scheme, limit: int = 254) -> list[Part]:
    subwords = np.cumsum([0, *(len(tokens) for tokens in model.tokenize(labelled.tokens))])
    parts = []
    for first, last in cut(labelled, lambda a, b: int(subwords[b] - subwords[a]), limit):
        excerpt = excerpt_of(labelled, first, last)
        places = {
            (start, end, scheme.tags.types.get(mention.type, mention.type)): mention.cluster
            for start, end, mention, _ in excerpt.places
        }
        tokens = model.tokenize([excerpt.text])[0]
        parts.append(Part(Window(excerpt.text, 0, ((0, len(excerpt.text)),), tokens), places))
    return parts


def found_entities(
    model: SharedEncoderModel, texts: Sequence[Labelled], scheme: Scheme, labels: LabelSpace, *, min_score: float
) -> tuple[Counts, Counts]:
    """Mentions and facts that the model finds by itself, as the product does."""
    parts = [parts_of(model, labelled, scheme) for labelled in texts]
    answers = iter(answer(model, [part.window for document in parts for part in document]))
    thresholds = model.info.thresholds[StageName.RELATIONS]
    mentions, facts = Counts(), Counts()
    for labelled, document in zip(texts, parts, strict=True):
        stated: set[Fact] = set()
        for part in document:
            result = next(answers)[StageName.RELATIONS]
            assert isinstance(result, RelationsResult)
            found = [(e.start, e.end, e.type) if e.score >= min_score else None for e in result.entities]
            mentions += compare([place for place in found if place], part.clusters)
            numbers = [part.clusters.get(place, -1 - n) if place else None for n, place in enumerate(found)]
            for relation in result.relations:
                head, tail = numbers[relation.head], numbers[relation.tail]
                if (
                    relation.score >= thresholds[relation.type]
                    and head is not None
                    and tail is not None
                    and head != tail
                ):
                    stated.add((head, tail, relation.type))
        facts += compare(stated, wanted_facts(labelled, scheme, labels))
    return mentions, facts
