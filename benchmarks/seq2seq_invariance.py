"""Are the words, and the bits behind them, of a written summary the same alone and in a batch? For real sizes.

    python -m benchmarks.seq2seq_invariance [--layers 2]

Random weights as wide as BART-base, Pegasus-large and T5-small, with
fewer layers and a small vocabulary. For fp32 and bf16, for one and two threads:
the scores of every step of a window alone against the same window in batches, as the adapter writes them (groups of
`rows`), and, to show that it matters, as `generate` is used by others (as many rows as there are windows).
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PegasusConfig,
    PegasusForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.fakes.tiny_seq2seq import WORDS, unigram_tokenizer, window_of
from workers.models.adapters.seq2seq import PreparedText, Seq2SeqModel, load_seq2seq
from workers.settings import SequenceToSequenceModel

STEPS, ROWS, WINDOWS, WORDS_EACH, VOCABULARY = 6, 8, 8, 50, 4_096


def shapes(layers: int) -> dict[str, Any]:
    bart: Any = BartConfig
    pegasus: Any = PegasusConfig
    t5: Any = T5Config
    sizes = {"d_model": 768, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072}
    both = {"encoder_layers": layers, "decoder_layers": layers, "vocab_size": VOCABULARY}
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return {
        "bart": lambda: BartForConditionalGeneration(bart(**sizes, **both, **ids, forced_eos_token_id=1)),
        "pegasus": lambda: PegasusForConditionalGeneration(pegasus(**both, **ids, d_model=1024)),
        "t5": lambda: T5ForConditionalGeneration(
            t5(num_layers=layers, vocab_size=VOCABULARY, decoder_start_token_id=0)
        ),
    }


def scores(model: Seq2SeqModel, batch: Sequence[PreparedText]) -> list[torch.Tensor]:
    """Per window [steps, vocabulary], as the search saw them, groups one after another."""
    seen: list[torch.Tensor] = []
    handle = model._model.get_output_embeddings().register_forward_hook(
        lambda module, given, out: seen.append(out[:, -1].float().clone())
    )
    try:
        model.forward(batch)
    finally:
        handle.remove()
    groups = [torch.stack(seen[at : at + STEPS]) for at in range(0, len(seen), STEPS)]
    return [group[:, row] for group in groups for row in range(group.shape[1])][: len(batch)]


def differing(alone: Sequence[torch.Tensor], together: Sequence[torch.Tensor]) -> str:
    pairs = list(zip(alone, together, strict=True))
    other = sum(not torch.equal(one, two) for one, two in pairs)
    words = sum(not torch.equal(one.argmax(-1), two.argmax(-1)) for one, two in pairs)
    return f"{other:>3} of {len(pairs)} with other bits, {words} with other words"


def measure(family: str, make: Any, folder: Path) -> None:
    torch.manual_seed(1)
    made = make()
    made.save_pretrained(folder)
    unigram_tokenizer().save(str(folder / "tokenizer.json"))
    for precision in ("fp32", "bf16"):
        spec: dict[str, Any] = {"kind": "seq2seq", "name": str(folder), "precision": precision, "device": "cpu"}
        exact = {"num_beams": 1, "max_new_tokens": STEPS, "min_new_tokens": STEPS, "prefix": ""}
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for title, alone_rows, batch_rows in (("groups of 8", ROWS, ROWS), ("as many rows", 1, WINDOWS)):
                one, many = (
                    load_seq2seq(SequenceToSequenceModel.model_validate(spec | exact | {"rows": rows}))
                    for rows in (alone_rows, batch_rows)
                )
                rng = random.Random(2)
                windows = [window_of(one, " ".join(rng.choices(WORDS, k=WORDS_EACH))) for _ in range(WINDOWS)]
                batch = one.prepare(windows)
                size = max(set(map(len, (item.ids for item in batch))), key=lambda n: n)
                batch = [item for item in batch if item.area == -(-size // 16) * 16]
                alone = [scores(one, [item])[0] for item in batch]
                print(f"{family:8} {precision} {threads} threads, {title:12} {differing(alone, scores(many, batch))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=1, help="of encoder and of decoder")
    for family, make in shapes(parser.parse_args().layers).items():
        with tempfile.TemporaryDirectory() as folder:
            measure(family, make, Path(folder))


if __name__ == "__main__":
    main()
