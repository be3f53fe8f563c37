"""Reads the files of a recipe and makes examples of them. The same seed gives the same examples."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from workers.errors import ConfigurationError
from workers.lifecycle.data import Labelled, read_lines, read_related, read_tagged
from workers.lifecycle.examples import Example, ExampleMaker, unlabelled_example
from workers.lifecycle.labels import scheme_of
from workers.lifecycle.labelspace import LabelSpace, RelationScheme, Scheme, TagScheme
from workers.lifecycle.recipe import Source, TrainSettings
from workers.lifecycle.renaming import names_of, renamed
from workers.lifecycle.sentences import text_windows
from workers.lifecycle.teacher_recipe import TextFile
from workers.models.tokenizer import SubwordTokenizer

OTHER_NAMES, UNLABELLED = "other names", "unlabelled"  # as counted


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
    renamed: list[Example] = field(default_factory=list)  # of the same sources, with other names
    unlabelled: list[Example] = field(default_factory=list)

    @property
    def labelled(self) -> list[Example]:
        """All that can be learned from without a teacher."""
        return [*self.examples, *self.renamed]


def gather(folder: Path, tokenizer: SubwordTokenizer, recipe: TrainSettings) -> TrainingData:
    """Reads and cuts all training sets. Raises ConfigurationError for a file that cannot be read."""
    labels = LabelSpace(recipe.entity_types, recipe.relation_types)
    rng = random.Random(recipe.seed)  # noqa: S311
    examples: list[Example] = []
    counts: dict[str, int] = {}
    kept: list[Kept] = []
    learned: list[tuple[Source, ExampleMaker, list[Labelled]]] = []
    for source in recipe.sources:
        texts, scheme = read_source(folder, source), source_scheme(source, labels)
        if source.heldout:
            rng.shuffle(texts)
            kept.append(Kept(texts[: source.heldout], scheme, source.form == "related"))
            texts = texts[source.heldout :]
        maker = ExampleMaker(tokenizer, source.name, labels, scheme, max_tokens=recipe.max_tokens)
        learned.append((source, maker, texts[: recipe.limit]))
        made = list(_examples(maker, texts[: recipe.limit], source, recipe, rng, times=source.cuts))
        counts[source.name] = len(made)
        examples += made
    kept += [
        Kept(read_source(folder, source)[: recipe.limit], source_scheme(source, labels), source.form == "related")
        for source in recipe.dev
    ]
    again = _with_other_names(learned, recipe)
    windows = text_windows(tokenizer, list(_unlabelled(folder, recipe)), max_tokens=recipe.max_tokens)
    taught = _taught_everywhere(recipe, labels)
    unlabelled = [unlabelled_example(window, labels, taught) for window in windows if len(window.word_firsts)]
    counts |= {name: len(made) for name, made in ((OTHER_NAMES, again), (UNLABELLED, unlabelled)) if made}
    return TrainingData(examples, counts, kept, again, unlabelled)


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
    maker: ExampleMaker,
    texts: list[Labelled],
    source: Source,
    recipe: TrainSettings,
    rng: random.Random,
    *,
    times: int,
) -> Iterator[Example]:
    for _ in range(times):
        for text in joined(texts, recipe, rng) if source.form == "tagged" else texts:
            yield from maker.make(text, rng.randint(recipe.max_tokens // 3, recipe.max_tokens))


def _with_other_names(
    learned: list[tuple[Source, ExampleMaker, list[Labelled]]], recipe: TrainSettings
) -> list[Example]:
    """Of the sources that ask for it, by random numbers of their own: the other examples stay what they are."""
    times = [_times_renamed(source, recipe) for source, _, _ in learned]
    if not any(times):
        return []
    rng = random.Random(f"{recipe.seed}:names")  # noqa: S311
    named = ((text, maker.types) for _, maker, texts in learned for text in texts)
    names = names_of(named, recipe.entity_types)
    made: list[Example] = []
    for (source, maker, texts), count in zip(learned, times, strict=True):
        for _ in range(count):
            others = [other for text in texts if (other := renamed(text, maker.types, names, rng)) is not None]
            made += _examples(maker, others, source, recipe, rng, times=1)
    return made


def _taught_everywhere(recipe: TrainSettings, labels: LabelSpace) -> frozenset[str]:
    """Entity types that every source with any annotates."""
    annotated = [source_scheme(source, labels).tags.exhaustive for source in recipe.sources]
    return frozenset.intersection(*(types for types in annotated if types), frozenset(labels.entity_types))


def _times_renamed(source: Source, recipe: TrainSettings) -> int:
    if source.renamed is not None:
        return source.renamed
    return recipe.renamed if source.form == "tagged" else 0


def _unlabelled(folder: Path, recipe: TrainSettings) -> Iterator[str]:
    for file in recipe.unlabelled:
        yield from read_texts(folder, file)[: recipe.limit]


def read_texts(folder: Path, file: TextFile) -> list[str]:
    """Raises ConfigurationError for a file that cannot be read or a record without text."""
    rows = [row for row in read_lines(folder / file.path) if not file.genres or row.get("genre") in file.genres]
    texts = [row.get("text") for row in rows[: file.most]]
    told = [text for text in texts if isinstance(text, str)]
    if not told or len(told) < len(texts):
        raise ConfigurationError(f"{folder / file.path}: records without `text`, or none of its genres: correct it")
    return told


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
