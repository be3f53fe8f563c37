"""Gives the sentence branch back what tuning the lower layers took: it learns to say what the untouched trunk says.

Distillation of hidden states: every token of the branch is drawn to the trunk's, so that windows, sentences and labels
keep their places in the trunk's sentence space. Needs texts, no labels.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from workers.lifecycle.batches import by_area
from workers.lifecycle.steps import adam, groups_of, rate_share, take_step
from workers.models.encoder import BranchedEncoder, attention_mask
from workers.models.folder import LoadedModel
from workers.models.heads import running_sums
from workers.models.prepared import Collated, PreparedWindow, collate, prepare_window
from workers.models.readout import place, pooled
from workers.models.tokenizer import SubwordTokenizer
from workers.text.pieces import Window


def restore_sentences(
    model: LoadedModel,
    trunk: BranchedEncoder,
    windows: Sequence[PreparedWindow],
    *,
    tokens: int,
    batch_tokens: int,
    rate: float,
    seed: int,
    dtype: torch.dtype,
    report: Callable[[int, int, float], None],
) -> None:
    """Changes the `plain` layers in place. `trunk` is the whole encoder as it came; `report` gets step, steps, loss."""
    encoder = model.encoder
    encoder.requires_grad_(False)
    encoder.plain.requires_grad_(True)
    rng = random.Random(seed)  # noqa: S311
    steps = -(-tokens // batch_tokens)
    optimizer = adam(groups_of(encoder.plain.parameters(), rate=rate, decay=0.0))
    for step, batch in zip(range(1, steps + 1), _batches(windows, batch_tokens, rng), strict=False):
        loss = _distance(encoder, trunk, batch, dtype=dtype)
        take_step(optimizer, loss, share=rate_share(step - 1, steps, warm_up=0.05))
        report(step, steps, loss.item())


def begin_from(layers: nn.ModuleList, trunk: nn.ModuleList) -> None:
    """The trunk's layers at even distances, its last one always: it ends in the space that is to be reached."""
    steps = max(1, len(layers) - 1)
    for number, layer in enumerate(reversed(layers)):
        layer.load_state_dict(trunk[len(trunk) - 1 - number * (len(trunk) - 1) // steps].state_dict())


def text_windows(tokenizer: SubwordTokenizer, texts: Sequence[str], *, max_tokens: int) -> list[PreparedWindow]:
    """The start of each text as a window; texts without a token are left out."""
    made = []
    for text, tokens in zip(texts, tokenizer.cut(texts), strict=True):
        if len(tokens) > max_tokens:
            text = text[: int(tokens.starts[max_tokens])]
            tokens = tokens.between(0, len(text))
        if len(tokens):
            window = Window(text, 0, ((0, len(text)),), tokens)
            made.append(prepare_window(window, start_id=tokenizer.start_id, end_id=tokenizer.end_id))
    return made


def _batches(windows: Sequence[PreparedWindow], batch_tokens: int, rng: random.Random) -> Iterator[Collated]:
    while True:
        for numbers in by_area(windows, batch_tokens, rng):
            yield collate([windows[number] for number in numbers])


def _distance(encoder: BranchedEncoder, trunk: BranchedEncoder, batch: Collated, *, dtype: torch.dtype) -> Tensor:
    """Squared distance of tokens, plus how far the windows' unit vectors turned away, weighted to a like size."""
    device = encoder.words.weight.device
    ids, shapes, lengths = (place(array, device) for array in (batch.ids, batch.shapes, batch.lengths))
    mask = attention_mask(lengths, ids.shape[1])
    real = mask[:, 0, 0, :]
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
        with torch.no_grad():
            lower = encoder.read_lower(ids, mask, shapes)
            wanted = trunk.read_plain(trunk.read_lower(ids, mask, shapes), mask).float()
        found = encoder.read_plain(lower, mask).float()
    tokens = F.mse_loss(found[real], wanted[real])
    turned = 1 - (pooled(found, lengths, running_sums(found)) * pooled(wanted, lengths, running_sums(wanted))).sum(1)
    return tokens + 10 * turned.mean()
