"""Layers, attention and threads of a pass on a CPU: what decision 0017 rests on. Figures are ratios in one run.

    python -m benchmarks.cpu_pass [--turns 9]

Eight layers of the packaged model's shape, untrained, on windows of several lengths: plain linear layers against packed
ones, torch's fused attention against attention in chunks, and the same layers in a new thread, before and after the
main thread has computed and so holds a team of its own. Prints a table, writes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from copy import deepcopy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from benchmarks.report import Spread, in_turns, ratios, shown
from workers.apart import apart
from workers.models.attention import attend
from workers.models.encoder import Layer, attention_mask
from workers.models.packed import pack_linears

WIDTH, INNER, HEADS, LAYERS = 384, 1_536, 12, 8
BATCHES = ((64, 48), (24, 128), (12, 248))  # windows, tokens of each
Run = Callable[[], float]


def seconds_of(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s


def compare(name: str, before: Run, after: Run, turns: int) -> None:
    apart(before)(), apart(after)()  # warm up
    found = in_turns({"before": before, "after": after}, turns)
    faster = shown(ratios(found["before"], found["after"]))
    median = Spread.of(found["before"]).median
    print(f"| {name} | {1000 * median:.1f} | {faster} |", flush=True)


@torch.inference_mode()
def through(layers: nn.ModuleList, hidden: Tensor, mask: Tensor) -> Tensor:
    for layer in layers:
        hidden = layer(hidden, mask)
    return hidden


@apart
def made(dtype: torch.dtype) -> tuple[nn.ModuleList, nn.ModuleList]:
    """The same layers twice, the second ones packed. Apart, as all that computes here: the caller has no team."""
    plain = nn.ModuleList(Layer(WIDTH, INNER, HEADS, 1e-12) for _ in range(LAYERS)).to(dtype).eval()
    packed = deepcopy(plain)
    pack_linears(packed)
    return plain, packed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9, help="(%(default)s)")
    turns = parser.parse_args().turns
    print("| what | before, ms | after is faster by |\n| --- | --- | --- |")
    for dtype in (torch.bfloat16, torch.float32):
        plain, packed = made(dtype)
        for rows, length in BATCHES:
            measure(plain, packed, rows, length, dtype, turns)


def measure(
    plain: nn.ModuleList, packed: nn.ModuleList, rows: int, length: int, dtype: torch.dtype, turns: int
) -> None:
    what = f"{dtype}, {rows} windows of {length}".removeprefix("torch.")
    hidden = apart(torch.zeros)(rows, length, WIDTH, dtype=dtype)
    mask = attention_mask(torch.full((rows,), length), length)
    parts = apart(torch.zeros)(3, rows, HEADS, length, WIDTH // HEADS, dtype=dtype)

    @torch.inference_mode()
    def attention(call: Callable[..., Tensor]) -> float:
        return seconds_of(lambda: call(*parts, mask))

    def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    def layers(chosen: nn.ModuleList) -> float:
        return seconds_of(lambda: through(chosen, hidden, mask))

    def beside_a_team() -> float:
        (torch.ones(512, 512) @ torch.ones(512, 512)).sum()  # this thread has a team now, until it ends
        return apart(layers)(packed)

    compare(f"{what}: linear layers packed", lambda: layers(plain), lambda: layers(packed), turns)
    if dtype == torch.bfloat16:
        compare(f"{what}: attention in chunks", lambda: attention(fused), lambda: attention(attend), turns)
        compare(f"{what}: no other team", beside_a_team, lambda: apart(layers)(packed), turns)


if __name__ == "__main__":
    main()
