"""Entities from any transformers model that gives every token a label."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from transformers import AutoModelForTokenClassification

from schemas.base import StageName
from workers.models.adapters.checkpoint import Checkpoint, open_checkpoint, revision_with
from workers.models.adapters.encoding import Row
from workers.models.adapters.rows import DECIMALS, Logits, PreparedRows, RowModel, pieces
from workers.models.adapters.token_labels import Flags, Floats, group_tokens, read_scheme
from workers.models.base import ModelInfo
from workers.settings import TokenClassificationModel
from workers.stages.results import EntitiesResult, FoundEntity, WindowAnswer
from workers.text.pieces import Window

CODE_VERSION = "1"


class TokenClassifier(RowModel):
    """Give `forward` to one thread at a time."""

    def __init__(self, checkpoint: Checkpoint, spec: TokenClassificationModel) -> None:
        self._scheme = read_scheme(checkpoint.labels, spec.types)
        self._aggregation = spec.aggregation
        choices = (CODE_VERSION, checkpoint.labels, spec.aggregation, sorted(spec.types.items()))
        info = ModelInfo(
            name=checkpoint.name,
            revision=revision_with(checkpoint, *choices),
            precision=checkpoint.precision,
            languages=frozenset(spec.languages),
            labels={StageName.ENTITIES: tuple(dict.fromkeys(filter(None, self._scheme.types)))},
            device=str(checkpoint.device),
        )
        room = checkpoint.max_tokens - checkpoint.encoder.one.size - 1
        super().__init__(checkpoint, info=info, stage=StageName.ENTITIES, room=room)

    def rows_of(self, window: Window) -> list[Row]:
        ids, frame = window.tokens.ids, self._checkpoint.encoder.one
        cuts = pieces(len(ids), self.max_window_tokens)
        return [frame.around([ids[start:end]], first=start) for start, end in cuts]

    def answer(self, item: PreparedRows, logits: Sequence[Logits]) -> WindowAnswer:
        window = item.window
        if not len(window.tokens):
            return {StageName.ENTITIES: EntitiesResult(())}
        probabilities = _softmax(_joined(item, logits))
        groups = group_tokens(probabilities, self._subwords(window), self._scheme, self._aggregation)
        found: list[FoundEntity] = []
        for first, last, label, score in zip(
            groups.firsts.tolist(), groups.lasts.tolist(), groups.labels.tolist(), groups.scores.tolist(), strict=True
        ):
            start, end = _span(window.text, int(window.tokens.starts[first]), int(window.tokens.ends[last]))
            # Pieces of one character, such as an emoji's bytes, have the same place: the first counts.
            if self._scheme.types[label] and max(start, found[-1].end if found else 0) == start < end:
                found.append(FoundEntity(self._scheme.types[label], start, end, min(round(score, DECIMALS), 1.0)))
        return {StageName.ENTITIES: EntitiesResult(tuple(found))}

    def _subwords(self, window: Window) -> Flags:
        """Which tokens go on with the word before. Where the vocabulary does not say so: those without space before,
        and the further bytes of a letter (which transformers takes for words, where the letter starts one)."""
        tokens, encoder = window.tokens, self._checkpoint.encoder
        if encoder.marks_subwords:
            inside: Flags = encoder.piece_lengths(tokens.ids) != tokens.ends - tokens.starts
        else:
            before = [window.text[start - 1 : start + 1] for start in tokens.starts.tolist()]
            inside = np.array([len(pair) == 2 and not any(map(str.isspace, pair)) for pair in before], dtype=bool)
            has_width = tokens.ends > tokens.starts
            inside[1:] |= (tokens.starts[1:] == tokens.starts[:-1]) & has_width[:-1]
        if encoder.unknown_id is not None:
            inside &= tokens.ids != encoder.unknown_id
        return inside


def load_token_classifier(spec: TokenClassificationModel) -> TokenClassifier:
    """Raises ConfigurationError, one line, for a checkpoint that cannot do it."""
    return TokenClassifier(open_checkpoint(spec, AutoModelForTokenClassification), spec)


def _joined(item: PreparedRows, logits: Sequence[Logits]) -> npt.NDArray[np.float64]:
    """[N, labels]: each token from the row in which it stands farthest from an edge."""
    count = len(item.window.tokens)
    joined = np.zeros((count, logits[0].shape[-1]), dtype=np.float64)
    depth = np.full(count, -1)
    for row, said in zip(item.rows, logits, strict=True):
        place = np.arange(row.first, row.first + row.count)
        own = np.minimum(place - row.first, place[-1] - place)
        better = own > depth[place]
        joined[place[better]] = said[row.at : row.at + row.count][better]
        depth[place[better]] = own[better]
    return joined


def _softmax(logits: npt.NDArray[np.float64]) -> Floats:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares


def _span(text: str, start: int, end: int) -> tuple[int, int]:
    """Without outer white space; with the marks that a tokenizer drops, or the span would cut a letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
