"""Labelled texts become training examples: windows as the model sees them, with targets and masks as arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.lifecycle.data import Labelled, Mention
from workers.lifecycle.labelspace import AMBIGUOUS, LabelSpace, RelationScheme, Scheme, TagScheme, facts_of
from workers.lifecycle.tagmasks import open_tags, possible_tags, tags_for
from workers.models.pairs import Mentions, Pairs, neighbouring
from workers.models.prepared import PreparedWindow, prepare_window
from workers.models.tokenizer import SubwordTokenizer
from workers.text.bio import TaggedSpans, tag_count
from workers.text.pieces import Window

Array = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """How likely teachers think what a window teaches. A word of zeros is one that they were not asked about."""

    tags: Floats  # [W, tags] probabilities
    open_tags: Flags  # [tags] no entity, and those of types that nobody taught them on such texts
    relations: Floats  # [P, relation types] probabilities
    believed: Flags  # [P, relation types] which of these are learned


@dataclass(frozen=True, slots=True)
class Example:
    """One window and what it teaches."""

    source: str
    window: PreparedWindow
    possible: Flags  # [W, tags] tags a word may have; more than one where the data set does not say
    mentions: Mentions  # positions in tokens
    pairs: Pairs
    targets: Flags  # [P, relation types]
    known: Flags  # [P, relation types] false where the data set does not say
    clusters: Array  # [E] which thing of the text a mention is of
    open_tags: Flags  # [tags] between which its data set does not tell: no entity, and types that it does not annotate
    soft: SoftLabels | None = None

    @property
    def teaches_tags(self) -> bool:
        """Whether it says of any word what it is, or is not."""
        return not bool(self.open_tags.all())


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Whole sentences of a labelled text, as one text of their own."""

    text: str
    places: tuple[tuple[int, int, Mention, int], ...]  # code points of a mention, the mention, its number


def excerpt_of(labelled: Labelled, first: int, last: int) -> Excerpt:
    """Tokens [first, last) joined by blanks. The tokenizer cuts at blanks and punctuation alike, so that a missing or
    added blank does not change the subwords."""
    ends = np.cumsum([len(token) + 1 for token in labelled.tokens[first:last]]) - 1
    places = []
    for number, mention in enumerate(labelled.mentions):
        if first <= mention.start < mention.end <= last:
            start = ends[mention.start - first] - len(labelled.tokens[mention.start])
            places.append((int(start), int(ends[mention.end - first - 1]), mention, number))
    return Excerpt(" ".join(labelled.tokens[first:last]), tuple(places))


def cut(labelled: Labelled, lengths: Callable[[int, int], int], limit: int) -> Iterator[tuple[int, int]]:
    """Token ranges of whole sentences that have at most `limit` subwords; a longer sentence stands alone."""
    bounds = [*labelled.sentence_starts, len(labelled.tokens)]
    first = bounds[0]
    for here, after in itertools.pairwise(bounds):
        if lengths(first, after) > limit:
            yield first, here
            first = here
    yield first, bounds[-1]


def unlabelled_example(window: PreparedWindow, labels: LabelSpace, taught: Collection[str]) -> Example:
    """A window that only a teacher can make something of; `taught`: types that it learned on all kinds of text."""
    none = np.zeros(0, dtype=np.int64)
    unknown = np.zeros((0, len(labels.relation_types)), dtype=bool)
    return Example(
        source="unlabelled",
        window=window,
        possible=np.ones((len(window.word_firsts), tag_count(len(labels.entity_types))), dtype=bool),
        mentions=Mentions(none, none, none, none),
        pairs=Pairs(none, none),
        targets=unknown,
        known=unknown,
        clusters=none,
        open_tags=open_tags(taught, labels.entity_types),
    )


class ExampleMaker:
    """Makes examples of one data set."""

    def __init__(
        self, tokenizer: SubwordTokenizer, source: str, labels: LabelSpace, scheme: Scheme, *, max_tokens: int
    ) -> None:
        self._tokenizer = tokenizer
        self._source = source
        self._labels = labels
        self._tags: TagScheme = scheme.tags
        self._relations: RelationScheme | None = scheme.relations
        self._max_tokens = max_tokens

    @property
    def types(self) -> Mapping[str, str]:
        """The data set's entity types -> the model's."""
        return self._tags.types

    def make(self, labelled: Labelled, limit: int) -> Iterator[Example]:
        """One example per cut. What is longer than a window is left out: it could not be seen whole."""
        subwords = np.cumsum([0, *(len(tokens) for tokens in self._tokenizer.cut(labelled.tokens))])
        for first, last in cut(labelled, lambda a, b: int(subwords[b] - subwords[a]), limit):
            if first < last and (example := self._example(labelled, excerpt_of(labelled, first, last))):
                yield example

    def _example(self, labelled: Labelled, excerpt: Excerpt) -> Example | None:
        tokens = self._tokenizer.cut([excerpt.text])[0]
        if not 0 < len(tokens) <= self._max_tokens:
            return None
        window = prepare_window(
            Window(excerpt.text, 0, ((0, len(excerpt.text)),), tokens),
            start_id=self._tokenizer.start_id,
            end_id=self._tokenizer.end_id,
        )
        spans, owners = self._word_spans(window, excerpt, labelled)
        kept = np.flatnonzero(spans.types >= 0)
        known_spans = TaggedSpans(spans.starts[kept], spans.ends[kept], spans.types[kept])
        mentions = Mentions(
            items=np.zeros(len(kept), dtype=np.int64),
            firsts=window.word_firsts[known_spans.starts].astype(np.int64),
            lasts=window.word_lasts[known_spans.ends - 1].astype(np.int64),
            types=known_spans.types,
        )
        possible = possible_tags(known_spans, len(window.word_firsts), self._tags, self._labels.entity_types)
        for start, end in zip(spans.starts[spans.types < 0], spans.ends[spans.types < 0], strict=True):
            possible[start:end, [0, *tags_for("MISC", self._labels.entity_types)]] = True
        if self._relations is None or (not labelled.facts and labelled.annotated is None):
            pairs = Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        else:
            pairs = neighbouring(mentions.items, neighbours=12)
        targets, known = self._relation_targets(labelled, [owners[k] for k in kept], mentions, pairs)
        if possible.all() and not known.any():
            return None  # it teaches nothing
        clusters = np.array([labelled.mentions[owners[number]].cluster for number in kept], dtype=np.int64)
        told = open_tags(self._tags.exhaustive, self._labels.entity_types)
        return Example(self._source, window, possible, mentions, pairs, targets, known, clusters, told)

    def _word_spans(
        self, window: PreparedWindow, excerpt: Excerpt, labelled: Labelled
    ) -> tuple[TaggedSpans, list[int]]:
        """Mentions as spans of the model's words, those that overlap an earlier one left out; type -1 is AMBIGUOUS."""
        rows: list[tuple[int, int, int, int]] = []
        for start, end, mention, number in excerpt.places:
            ours = self._type_of(mention, number, labelled)
            lo, hi = np.searchsorted(window.word_starts, (start, end)).tolist()
            if ours is not None and lo < hi:
                rows.append((lo, hi, self._labels.entity_types.index(ours) if ours != AMBIGUOUS else -1, number))
        rows.sort(key=lambda row: (row[0], -row[1]))
        taken: list[tuple[int, int, int, int]] = []
        for row in rows:
            if not taken or row[0] >= taken[-1][1]:
                taken.append(row)
        columns = np.array([row[:3] for row in taken], dtype=np.int64).reshape(-1, 3)
        return TaggedSpans(columns[:, 0], columns[:, 1], columns[:, 2]), [row[3] for row in taken]

    def _type_of(self, mention: Mention, number: int, labelled: Labelled) -> str | None:
        if mention.type in self._tags.types or self._relations is None:
            return self._tags.types.get(mention.type)
        # FewRel does not type its entities: the relation they stand in does, where it leaves no choice.
        for fact in labelled.facts:
            name = self._relations.ours(fact.type)
            if name is not None and number in (fact.head, fact.tail):
                relation = self._labels.relation(name)
                return relation.heads[0] if relation.heads == relation.tails else None
        return None

    def _relation_targets(
        self, labelled: Labelled, owners: Sequence[int], mentions: Mentions, pairs: Pairs
    ) -> tuple[Flags, Flags]:
        """Targets and what is known of them. Of all pairs of mentions of a fact the nearest is its expression; the
        others are neither right nor wrong."""
        targets = np.zeros((len(pairs), len(self._labels.relation_types)), dtype=bool)
        known = np.zeros_like(targets)
        if self._relations is None or not len(pairs):
            return targets, known
        known[:, self._looked_for(labelled)] = True
        known &= self._labels.fitting[mentions.types[pairs.heads], mentions.types[pairs.tails]]
        clusters = [labelled.mentions[owner].cluster for owner in owners]
        by_clusters: dict[tuple[int, int], list[int]] = {}
        for number, (head, tail) in enumerate(zip(pairs.heads.tolist(), pairs.tails.tolist(), strict=True)):
            by_clusters.setdefault((clusters[head], clusters[tail]), []).append(number)
        apart = np.abs(mentions.firsts[pairs.heads] - mentions.firsts[pairs.tails])
        for head, tail, name, near in facts_of(labelled.cluster_facts(), self._relations, self._labels):
            rows = by_clusters.get((head, tail), [])
            relation = self._labels.relation_numbers[name]
            known[rows, relation] &= targets[rows, relation]
            if rows and not near:
                best = min(rows, key=lambda row: (apart[row], row))
                fits = self._labels.fitting[
                    mentions.types[pairs.heads[best]], mentions.types[pairs.tails[best]], relation
                ]
                targets[best, relation] = known[best, relation] = fits
        return targets, known

    def _looked_for(self, labelled: Labelled) -> list[int]:
        assert self._relations is not None
        if labelled.annotated is None and self._relations.exhaustive:
            return list(range(len(self._labels.relation_types)))
        theirs = labelled.annotated or frozenset(fact.type for fact in labelled.facts)
        names = {self._relations.ours(name) for name in theirs}
        return [self._labels.relation_numbers[name] for name in names if name is not None]
