"""Runs a model over texts as the product does: windows in batches of equal area, answers in the order of the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workers.models.prepared import PreparedWindow
from workers.models.shared import SharedEncoderModel
from workers.stages.results import WindowAnswer
from workers.text.pieces import Window

BATCH_TOKENS = 8_192


def answer(model: SharedEncoderModel, windows: Sequence[Window]) -> list[WindowAnswer]:
    prepared = model.prepare(windows)
    answers: dict[int, WindowAnswer] = {}
    for chosen in area_batches(prepared):
        batch = [prepared[number] for number in chosen]
        answers |= zip(chosen, model.decode(model.forward(batch), batch), strict=True)
    return [answers[number] for number in range(len(prepared))]


def area_batches(prepared: Sequence[PreparedWindow]) -> Iterator[list[int]]:
    """Numbers of windows in batches of equal area and at most BATCH_TOKENS, by area."""
    order = sorted(range(len(prepared)), key=lambda number: prepared[number].area)
    while order:
        area = prepared[order[0]].area
        chosen = [number for number in order[: max(1, BATCH_TOKENS // area)] if prepared[number].area == area]
        order = order[len(chosen) :]
        yield chosen


def whole(model: SharedEncoderModel, texts: Sequence[str]) -> list[Window]:
    """Each text as one window, or its start if it is longer than a window may be."""
    windows = []
    for text, tokens in zip(texts, model.tokenize(texts), strict=True):
        if len(tokens) > model.max_window_tokens:
            text = text[: int(tokens.starts[model.max_window_tokens])]
            tokens = tokens.between(0, len(text))
        windows.append(Window(text, 0, ((0, len(text)),), tokens))
    return windows
