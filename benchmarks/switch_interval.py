"""How long a pass takes beside a thread that is busy in Python, by the interpreter's switch interval. Figures of 0012.

    python -m benchmarks.switch_interval [--seconds 30]

Two layers of the encoder's size, one thread of torch; the busy thread splits sentences. All take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time

import torch
from torch import nn

from workers.models.encoder import Layer, attention_mask
from workers.text.sentences import split_sentences

INTERVALS_S = (0.005, 0.001, 0.0005, 0.0001)
WINDOWS, TOKENS, WIDTH, INNER, HEADS = 4, 64, 384, 1_536, 12
TEXT = "Hello there Mr. Smith said. It is 5 p.m. now. " * 40


class Busy:
    """A thread that works while it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.done = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.go.wait()
            split_sentences(TEXT)
            self.done += 1


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="for all together (%(default)s)")
    end_s = time.monotonic() + parser.parse_args().seconds
    torch.set_num_threads(1)
    layers = nn.ModuleList(Layer(WIDTH, INNER, HEADS, 1e-12) for _ in range(2)).to(torch.bfloat16).eval()
    hidden = torch.randn(WINDOWS, TOKENS, WIDTH).bfloat16()
    mask = attention_mask(torch.full((WINDOWS,), TOKENS), TOKENS)
    busy = Busy()
    found: dict[str, list[tuple[float, float]]] = {}
    while time.monotonic() < end_s:
        for interval_s in (None, *INTERVALS_S):
            if interval_s is not None:
                sys.setswitchinterval(interval_s)
                busy.go.set()
            before, started_s = busy.done, time.perf_counter()
            state = hidden
            for layer in layers:
                state = layer(state, mask)
            seconds = time.perf_counter() - started_s
            busy.go.clear()
            name = "beside nobody" if interval_s is None else f"{1_000 * interval_s:g} ms"
            found.setdefault(name, []).append((seconds, (busy.done - before) / seconds))
    print("| switch interval | pass, ms | texts/s of the busy thread |\n| --- | --- | --- |")
    for name, turns in found.items():
        pass_ms, texts = (statistics.median(values) for values in zip(*turns[1:], strict=True))
        print(f"| {name} | {1_000 * pass_ms:.1f} | {texts:.0f} |")


if __name__ == "__main__":
    main()
