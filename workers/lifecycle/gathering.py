"""Reads the files of a recipe and makes examples of them. The same seed gives the same examples."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workers.lifecycle.data import Labelled, read_related, read_tagged
from workers.lifecycle.examples import Example, ExampleMaker
from workers.lifecycle.labels import scheme_of
from workers.lifecycle.labelspace import LabelSpace, RelationScheme, Scheme, TagScheme
from workers.lifecycle.recipe import Source, TrainSettings
from workers.models.tokenizer import SubwordTokenizer


@dataclass(frozen=True, slots=True)
class Kept:
    """Texts that are not learned from."""

    texts: list[Labelled]
    scheme: Scheme
    related: bool


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Examples to learn from, how many of each source, and what thresholds are fitted on."""

    examples: list[Example]
    counts: dict[str, int]
    kept: list[Kept]  # held-out parts of sources, and the dev sets


def gather(folder: Path, tokenizer: SubwordTokenizer, recipe: TrainSettings) -> TrainingData:
    """Reads and cuts all training sets. Raises ConfigurationError for a file that cannot be read."""
    labels = LabelSpace(recipe.entity_types, recipe.relation_types)
    rng = random.Random(recipe.seed)  # noqa: S311
    examples: list[Example] = []
    counts: dict[str, int] = {}
    kept: list[Kept] = []
    for source in recipe.sources:
        texts, scheme = read_source(folder, source), source_scheme(source, labels)
        if source.heldout:
            rng.shuffle(texts)
            kept.append(Kept(texts[: source.heldout], scheme, source.form == "related"))
            texts = texts[source.heldout :]
        maker = ExampleMaker(tokenizer, source.name, labels, scheme, max_tokens=recipe.max_tokens)
        made = list(_examples(maker, texts[: recipe.limit], source, recipe, rng))
        counts[source.name] = len(made)
        examples += made
    kept += [
        Kept(read_source(folder, source)[: recipe.limit], source_scheme(source, labels), source.form == "related")
        for source in recipe.dev
    ]
    return TrainingData(examples, counts, kept)


def read_source(folder: Path, source: Source) -> list[Labelled]:
    texts = (read_related if source.form == "related" else read_tagged)(folder / source.path)
    return texts if source.no_names is None else [_without(text, source.no_names) for text in texts]


def _without(text: Labelled, no_names: str) -> Labelled:
    kept = tuple(mention for mention in text.mentions if not text.tokens[mention.start].startswith(no_names))
    return replace(text, mentions=kept)


def source_scheme(source: Source, labels: LabelSpace) -> Scheme:
    """As the recipe says; what it does not say is as the tables say for a file of this name."""
    scheme = scheme_of(source.name, labels)
    tags, relations = scheme.tags, scheme.relations
    if source.types is not None:
        tags = TagScheme(source.types, frozenset(source.types.values()) & frozenset(labels.entity_types))
    if source.relations is not None:
        relations = RelationScheme(source.relations, exhaustive=True)
    return Scheme(tags, relations)


def _examples(
    maker: ExampleMaker, texts: list[Labelled], source: Source, recipe: TrainSettings, rng: random.Random
) -> Iterator[Example]:
    for _ in range(source.cuts):
        for text in joined(texts, recipe, rng) if source.form == "tagged" else texts:
            yield from maker.make(text, rng.randint(recipe.max_tokens // 3, recipe.max_tokens))


def joined(sentences: list[Labelled], recipe: TrainSettings, rng: random.Random) -> Iterator[Labelled]:
    """Neighbouring sentences made into longer texts, as windows of documents are, and some left alone."""
    position = 0
    while position < len(sentences):
        words = 0 if rng.random() < recipe.single_share else rng.randint(20, recipe.max_tokens // 2)
        end = position + 1
        size = len(sentences[position].tokens)
        while end < len(sentences) and size + len(sentences[end].tokens) <= words:
            size += len(sentences[end].tokens)
            end += 1
        yield _concatenated(sentences[position:end])
        position = end


def _concatenated(parts: list[Labelled]) -> Labelled:
    if len(parts) == 1:
        return parts[0]
    starts = [0]
    for part in parts[:-1]:
        starts.append(starts[-1] + len(part.tokens))
    mentions = tuple(
        type(mention)(mention.start + start, mention.end + start, mention.type, number)
        for number, (mention, start) in enumerate(
            (mention, start) for part, start in zip(parts, starts, strict=True) for mention in part.mentions
        )
    )
    tokens = tuple(token for part in parts for token in part.tokens)
    return Labelled(parts[0].id, tokens, mentions, sentence_starts=tuple(starts))
