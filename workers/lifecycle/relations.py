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
from workers.lifecycle.examples import Example, ExampleMaker, cut, excerpt_of, facts_of
from workers.lifecycle.labels import RELATION_SCHEMES, RELATION_TYPES, TAG_SCHEMES
from workers.lifecycle.score import Counts, best_threshold, compare
from workers.models.config import RelationType
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel
from workers.models.prepared import collate
from workers.models.readout import place
from workers.models.shared import SharedEncoderModel
from workers.stages.results import RelationsResult
from workers.text.pieces import Window

LOWEST, HIGHEST = 0.4, 0.9  # bounds of a threshold: chosen on few examples it may lie anywhere
FEWEST = 8  # right candidates from which on a type has a threshold of its own
SIGNATURES = {relation.name: relation for relation in RELATION_TYPES}
Fact = tuple[int, int, str]  # head cluster, tail cluster, our type; below 0 an entity that is none of the labelled
Floats = npt.NDArray[np.float32]


@torch.inference_mode()
def pair_scores(model: LoadedModel, example: Example) -> Floats:
    """[P, relation types]: probabilities for the example's own mentions."""
    batch = collate([example.window])
    device = model.encoder.words.weight.device
    mask = attention_mask(place(batch.lengths, device), batch.ids.shape[1])
    prepared = make_batch([example], model.encoder.read_lower(place(batch.ids, device), mask))
    if prepared.pairs is None:
        return np.zeros((0, len(RELATION_TYPES)), dtype=np.float32)
    hidden = model.encoder.read_tuned(prepared.lower, mask, prepared.shapes)
    return torch.sigmoid(model.heads.relations(hidden.float(), prepared.pairs)).cpu().numpy()


def examples_of(model: LoadedModel, texts: Sequence[Labelled], source: str, limit: int = 254) -> list[list[Example]]:
    maker = ExampleMaker(model.tokenizer, source, max_tokens=limit)
    return [list(maker.make(text, limit)) for text in texts]


def choose_thresholds(model: LoadedModel, examples: Sequence[Example]) -> tuple[RelationType, ...]:
    """The model's relation types with the thresholds that are best for given entities; rare types share one."""
    scores = [pair_scores(model, example) for example in examples]
    columns: list[tuple[list[float], list[bool]]] = []
    for number in range(len(RELATION_TYPES)):
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
    for relation, (found, right) in zip(RELATION_TYPES, columns, strict=True):
        threshold = best_threshold(found, right)[0] if sum(right) >= FEWEST else shared
        types.append(relation.model_copy(update={"threshold": round(min(max(threshold, LOWEST), HIGHEST), 3)}))
    return tuple(types)


def wanted_facts(labelled: Labelled, source: str) -> set[Fact]:
    """Facts of our types whose two ends are of types that the relation joins."""
    types = {mention.cluster: TAG_SCHEMES[source].types.get(mention.type) for mention in labelled.mentions}
    return {
        (head, tail, name)
        for head, tail, name, near in facts_of(labelled, RELATION_SCHEMES[source])
        if not near and types[head] in SIGNATURES[name].heads and types[tail] in SIGNATURES[name].tails
    }


def given_entities(model: LoadedModel, texts: Sequence[Labelled], source: str) -> Counts:
    """Facts stated about the labelled entities."""
    limits = np.array([relation.threshold for relation in model.config.relation_types])
    total = Counts()
    for labelled, examples in zip(texts, examples_of(model, texts, source), strict=True):
        stated: set[Fact] = set()
        for example in examples:
            rows, types = np.nonzero(pair_scores(model, example) >= limits)
            heads, tails = example.clusters[example.pairs.heads[rows]], example.clusters[example.pairs.tails[rows]]
            stated |= {
                (int(head), int(tail), RELATION_TYPES[kind].name)
                for head, tail, kind in zip(heads, tails, types, strict=True)
                if head != tail
            }
        total += compare(stated, wanted_facts(labelled, source))
    return total


@dataclass(frozen=True, slots=True)
class Part:
    """A window of a labelled document, and which cluster is mentioned where."""

    window: Window
    clusters: Mapping[tuple[int, int, str], int]


def parts_of(model: SharedEncoderModel, labelled: Labelled, source: str, limit: int = 254) -> list[Part]:
    subwords = np.cumsum([0, *(len(tokens) for tokens in model.tokenize(labelled.tokens))])
    parts = []
    for first, last in cut(labelled, lambda a, b: int(subwords[b] - subwords[a]), limit):
        excerpt = excerpt_of(labelled, first, last)
        places = {
            (start, end, TAG_SCHEMES[source].types.get(mention.type, mention.type)): mention.cluster
            for start, end, mention, _ in excerpt.places
        }
        tokens = model.tokenize([excerpt.text])[0]
        parts.append(Part(Window(excerpt.text, 0, ((0, len(excerpt.text)),), tokens), places))
    return parts


def found_entities(
    model: SharedEncoderModel, texts: Sequence[Labelled], source: str, *, min_score: float
) -> tuple[Counts, Counts]:
    """Mentions and facts that the model finds by itself, as the product does."""
    parts = [parts_of(model, labelled, source) for labelled in texts]
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
        facts += compare(stated, wanted_facts(labelled, source))
    return mentions, facts
