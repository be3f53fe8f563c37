"""Every score that the model card states: measured on splits never trained on, through the product's own path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from schemas.base import StageName
from workers.lifecycle.answers import answer, whole
from workers.lifecycle.data import Labelled, read_oracle, read_related, read_tagged, read_topics
from workers.lifecycle.examples import excerpt_of
from workers.lifecycle.labels import scheme_of
from workers.lifecycle.labelspace import LabelSpace, Scheme
from workers.lifecycle.relations import found_entities, given_entities
from workers.lifecycle.salience import read, top_one_hits
from workers.lifecycle.score import Counts, compare
from workers.lifecycle.topics import zero_shot_accuracy
from workers.models.folder import open_model
from workers.models.shared import SharedEncoderModel
from workers.settings import DEFAULT_LABELS, EntitySettings, ModelSettings
from workers.stages.results import EntitiesResult

BBC_NAMES = {
    "business": "business",
    "politics": "politics",
    "sport": "sport",
    "tech": "technology",
    "entertainment": "entertainment",
}


def entity_counts(model: SharedEncoderModel, texts: list[Labelled], scheme: Scheme, types: frozenset[str]) -> Counts:
    """Strict: type and both ends must be right, of entities with the product's default score or better."""
    excerpts = [excerpt_of(text, 0, len(text.tokens)) for text in texts]
    answers = answer(model, whole(model, [excerpt.text for excerpt in excerpts]))
    total = Counts()
    least = EntitySettings().min_score
    for excerpt, found in zip(excerpts, answers, strict=True):
        result = found[StageName.ENTITIES]
        assert isinstance(result, EntitiesResult)
        wanted = [(a, b, scheme.tags.types.get(mention.type)) for a, b, mention, _ in excerpt.places]
        total += compare(
            [(e.start, e.end, e.type) for e in result.entities if e.type in types and e.score >= least],
            [place for place in wanted if place[2] in types],
        )
    return total


def evaluate(folder: Path, data: Path, *, report: Callable[[str], None] = print) -> dict[str, float]:
    """Scores in percent by name. `folder` is a model folder, `data` the folder of the data sets."""
    settings = ModelSettings(name=str(folder))
    loaded = open_model(settings)
    labels = LabelSpace.of(loaded.config)
    model = SharedEncoderModel(loaded, labels=DEFAULT_LABELS, settings=settings)
    scores: dict[str, float] = {}

    def state(name: str, value: float) -> None:
        scores[name] = round(100 * value, 1)
        report(f"{name}: {scores[name]}")

    plo = frozenset({"PER", "ORG", "LOC"})
    for source in ("uner_ewt", "wikigold"):
        counts = entity_counts(model, read_tagged(data / f"ner/{source}.test.jsonl"), scheme_of(source, labels), plo)
        state(f"entities {source}.test F1 PER/ORG/LOC", counts.f1)
        state(f"entities {source}.test precision", counts.precision)
        state(f"entities {source}.test recall", counts.recall)
    documents = read_related(data / "relations/redocred.test.jsonl")
    scheme = scheme_of("redocred", labels)
    mentions, facts = found_entities(model, documents, scheme, labels, min_score=EntitySettings().min_score)
    state("entities redocred.test F1, all six types", mentions.f1)
    state("relations redocred.test F1, found entities", facts.f1)
    state("relations redocred.test precision, found entities", facts.precision)
    given = given_entities(open_model(settings), documents, scheme)
    state("relations redocred.test F1, given entities", given.f1)
    state("relations redocred.test precision, given entities", given.precision)
    state("relations redocred.test recall, given entities", given.recall)
    topics = read_topics(data / "classification/bbc.test.jsonl")
    state(
        "labels bbc.test accuracy, zero-shot, five of the default labels", zero_shot_accuracy(model, topics, BBC_NAMES)
    )
    loaded = open_model(settings)
    sentences = read(loaded, read_oracle(data / "summarization/scitldr_a.test.jsonl"))
    state("salience scitldr_a.test best sentence is the oracle's", top_one_hits(loaded.heads.salience, sentences))
    return scores
