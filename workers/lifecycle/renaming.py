"""The same sentences about others: names in labelled texts replaced by names of the same type from all of them.

What stands around a name then tells more about its type than the name does (Dai and Adel 2020, An Analysis of Simple
Data Augmentation for Named Entity Recognition, there "mention replacement").
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from workers.lifecycle.data import Labelled, Mention

Names = dict[str, list[tuple[str, ...]]]  # by the model's type

SHARE = 0.7  # of the names that are replaced
LONGEST = 6  # tokens: longer "names" are titles or slips
FIXED = frozenset({"DATE", "NUMBER"})  # their words say what they are


def names_of(texts: Iterable[tuple[Labelled, Mapping[str, str]]], entity_types: Collection[str]) -> Names:
    """All different names by type, in a fixed order; with each text its types -> the model's `entity_types`."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for text, types in texts:
        for mention in text.mentions:
            kind = types.get(mention.type, "")
            if kind in entity_types and kind not in FIXED and mention.end - mention.start <= LONGEST:
                found.setdefault(kind, set()).add(text.tokens[mention.start : mention.end])
    return {kind: sorted(names) for kind, names in found.items()}


def renamed(text: Labelled, types: Mapping[str, str], names: Names, rng: random.Random) -> Labelled | None:
    """With other names, the labels moved along. None where there is none to replace, or where mentions overlap."""
    tokens: list[str] = []
    mentions: list[Mention] = []
    read = 0
    for mention in text.mentions:
        if mention.start < read:
            return None
        tokens += text.tokens[read : mention.start]
        own = text.tokens[mention.start : mention.end]
        others = names.get(types.get(mention.type, ""), [])
        name = rng.choice(others) if others and rng.random() < SHARE else own
        mentions.append(replace(mention, start=len(tokens), end=len(tokens) + len(name)))
        tokens += name
        read = mention.end
    if not mentions:
        return None
    starts = _moved(text.sentence_starts, text.mentions, mentions)
    return replace(text, tokens=(*tokens, *text.tokens[read:]), mentions=tuple(mentions), sentence_starts=starts)


def _moved(starts: tuple[int, ...], before: tuple[Mention, ...], after: list[Mention]) -> tuple[int, ...]:
    """Where sentences begin once the names before them have other lengths."""
    moved = []
    for start in starts:
        grown = [new.end - old.end for old, new in zip(before, after, strict=True) if old.end <= start]
        moved.append(start + (grown[-1] if grown else 0))
    return tuple(moved)
