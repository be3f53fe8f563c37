"""Relations between entities that are given: the model's pass and its relation head, with other people's entities.

Apart from where the entities come from, this is what the product does; the results go through the same merging.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from schemas import Entity
from workers.lifecycle.answers import area_batches
from workers.models.answers import RELATION_FLOOR
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel
from workers.models.pairs import Mentions
from workers.models.prepared import PreparedWindow, collate
from workers.models.readout import place, read_relations
from workers.models.shared import SharedEncoderModel
from workers.stages.results import FoundEntity, FoundRelation, RelationsResult
from workers.text.pieces import Window

Placed = tuple[FoundEntity, int, int]  # an entity, position of its first and of its last subword


def relate_given(
    loaded: LoadedModel, model: SharedEncoderModel, windows: Sequence[Window], given: Sequence[Sequence[Entity]]
) -> list[RelationsResult]:
    """One result per window; `given` are the entities of the document that each window is of.

    `model` was made from `loaded` and has put its weights on the device.
    """
    prepared = model.prepare(windows)
    placed = [_placed(*row, loaded.config.entity_types) for row in zip(windows, prepared, given, strict=True)]
    results: dict[int, RelationsResult] = {}
    for chosen in area_batches(prepared):
        batch = _relate(loaded, [prepared[number] for number in chosen], [placed[number] for number in chosen])
        results |= zip(chosen, batch, strict=True)
    return [results[number] for number in range(len(prepared))]


def _placed(
    window: Window, prepared: PreparedWindow, entities: Sequence[Entity], types: tuple[str, ...]
) -> list[Placed]:
    """The entities that lie in the window as a whole and are of a type of the model, by start."""
    found: list[Placed] = []
    for entity in sorted(entities, key=lambda e: (e.start, e.end)):
        start, end = entity.start - window.start, entity.end - window.start
        if start < 0 or end > len(window.text) or entity.type not in types:
            continue
        first, after = np.searchsorted(prepared.word_starts, (start, end)).tolist()
        if first < after:
            subwords = int(prepared.word_firsts[first]), int(prepared.word_lasts[after - 1])
            found.append((FoundEntity(entity.type, start, end, 1.0), *subwords))
    return found


@torch.inference_mode()
def _relate(
    loaded: LoadedModel, batch: Sequence[PreparedWindow], placed: Sequence[list[Placed]]
) -> list[RelationsResult]:
    encoder, config = loaded.encoder, loaded.config
    device = encoder.words.weight.device
    collated = collate(batch)
    ids, shapes, lengths = (place(array, device) for array in (collated.ids, collated.shapes, collated.lengths))
    mask = attention_mask(lengths, collated.ids.shape[1])
    hidden = encoder.read_tuned(encoder.read_lower(ids, mask, shapes), mask, shapes)
    counts = [len(row) for row in placed]
    flat = [item for row in placed for item in row]
    mentions = Mentions(
        items=np.repeat(np.arange(len(batch)), counts),
        firsts=np.array([first for _, first, _ in flat], dtype=np.int64),
        lasts=np.array([last for _, _, last in flat], dtype=np.int64),
        types=np.array([config.entity_types.index(entity.type) for entity, _, _ in flat], dtype=np.int64),
    )
    found = read_relations(
        hidden, collated, mentions, loaded.heads, config.heads.neighbours, config.relation_temperature
    )
    by_window: list[list[FoundRelation]] = [[] for _ in batch]
    before = np.concatenate([[0], np.cumsum(counts)])
    for pair, kind in zip(*np.nonzero(found.scores >= RELATION_FLOOR), strict=True):
        head, tail = int(found.pairs.heads[pair]), int(found.pairs.tails[pair])
        row = int(mentions.items[head])
        first = int(before[row])
        score = float(found.scores[pair, kind])
        name = config.relation_types[int(kind)].name
        by_window[row].append(FoundRelation(name, head - first, tail - first, score))
    return [
        RelationsResult(tuple(entity for entity, _, _ in row), tuple(relations))
        for row, relations in zip(placed, by_window, strict=True)
    ]
