"""The price of the model: tokens a second of all four stages against one pass of the bare trunk.

Both run in one process and take turns batch by batch, so that a busy machine slows both down.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence

import torch

from workers.lifecycle.answers import BATCH_TOKENS
from workers.lifecycle.product import Product, windows_of
from workers.lifecycle.report import Speed
from workers.models.encoder import BranchedEncoder, attention_mask
from workers.models.folder import blank_model
from workers.models.heads import running_sums
from workers.models.prepared import PreparedWindow, collate
from workers.models.readout import place, pooled
from workers.models.shared import SharedEncoderModel
from workers.models.store import find_trunk
from workers.settings import DEFAULT_LABELS

TURNS = 9
WINDOWS = 96

Batch = Sequence[PreparedWindow]


def measure_speed(product: Product, texts: Sequence[str], *, turns: int = TURNS) -> Speed:
    """Windows are cut as the product cuts them; the trunk embeds each window, as it was made to."""
    model = product.model(*product.loaded.config.stages, labels=DEFAULT_LABELS)
    batches = _batches(model, product, texts)
    trunk = bare_trunk(product)
    tokens = sum(len(window.ids) for batch in batches for window in batch)
    _turn(model, trunk, batches)  # warms up
    whole, bare = zip(*(_turn(model, trunk, batches) for _ in range(turns)), strict=True)
    ratios = [b / w for b, w in zip(bare, whole, strict=True)]
    return Speed(
        tokens_per_s=round(tokens / statistics.median(whole)),
        trunk_tokens_per_s=round(tokens / statistics.median(bare)),
        ratio=round(statistics.median(ratios), 3),
        low=round(min(ratios), 3),
        high=round(max(ratios), 3),
        turns=turns,
        threads=torch.get_num_threads(),
    )


def _batches(model: SharedEncoderModel, product: Product, texts: Sequence[str]) -> list[Batch]:
    cut = [window for windows in windows_of(model, texts, product.settings.window) for window in windows]
    prepared = sorted(model.prepare(cut[:WINDOWS]), key=lambda window: window.area)
    batches: list[Batch] = []
    for area, group in itertools.groupby(prepared, key=lambda window: window.area):
        same, size = list(group), max(1, BATCH_TOKENS // area)
        batches += [same[start : start + size] for start in range(0, len(same), size)]
    return batches


def bare_trunk(product: Product) -> BranchedEncoder:
    """The trunk as it came, all its layers, in the model's precision."""
    shape = product.loaded.config.encoder.model_copy(update={"plain_layers": None})
    config = product.loaded.config.model_copy(update={"encoder": shape})
    files = find_trunk(
        product.settings.model.trunk, weights_sha256=config.trunk_sha256, tokenizer_sha256=config.tokenizer_sha256
    )
    words = product.loaded.encoder.words.weight  # on the device already, and in the precision of the passes
    return blank_model(config, files).encoder.to(words.device, words.dtype).eval()


def _turn(model: SharedEncoderModel, trunk: BranchedEncoder, batches: Sequence[Batch]) -> tuple[float, float]:
    """Seconds that all batches took the model, and the trunk."""
    whole_s = bare_s = 0.0
    for batch in batches:
        started_s = time.perf_counter()
        model.decode(model.forward(batch), batch)
        between_s = time.perf_counter()
        _embed(trunk, batch)
        whole_s += between_s - started_s
        bare_s += time.perf_counter() - between_s
    return whole_s, bare_s


@torch.inference_mode()
def _embed(trunk: BranchedEncoder, batch: Batch) -> None:
    device = trunk.words.weight.device
    collated = collate(batch)
    ids, shapes, lengths = (place(array, device) for array in (collated.ids, collated.shapes, collated.lengths))
    mask = attention_mask(lengths, collated.ids.shape[1])
    hidden = trunk.read_plain(trunk.read_lower(ids, mask, shapes), mask)
    pooled(hidden, lengths, running_sums(hidden)).cpu()
