"""A model that writes summaries, of each family: the same words in any company, and those that transformers writes."""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

from schemas.base import StageName
from tests.fakes.texts import any_text
from tests.fakes.tiny_seq2seq import FAMILIES, WORDS, open_tiny, window_of, write_seq2seq, written
from workers.errors import ModelError, NotFinite
from workers.models.adapters.seq2seq import Seq2SeqModel
from workers.stages.results import WrittenSummary
from workers.text.pieces import Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows

GREEDY: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 16, "no_repeat_ngram": 2}
BEAMS: dict[str, Any] = {"num_beams": 3, "max_new_tokens": 12, "length_penalty": 2.0}
FIRST_END: dict[str, Any] = {"num_beams": 2, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: write_seq2seq(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


def some_texts(count: int, *, seed: int, least: int = 1, most: int = 14) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(least, most))) for _ in range(count)]


def reference_tokenizer(folder: Path) -> Any:
    make: Any = PreTrainedTokenizerFast  # has no annotations
    return make(tokenizer_file=str(folder / "tokenizer.json"))


def by_area(model: Seq2SeqModel, texts: list[str]) -> list[list[Window]]:
    groups: dict[int, list[Window]] = {}
    for text in texts:
        window = window_of(model, text)
        groups.setdefault(model.prepare([window])[0].area, []).append(window)
    return list(groups.values())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_gets_the_same_words_alone_and_in_any_company(
    folders: dict[str, Path], family: str, options: dict[str, Any], precision: str
) -> None:
    model = open_tiny(folders[family], precision=precision, rows=4, **options)
    rng = random.Random(5)
    lengths: set[int] = set()
    for windows in by_area(model, some_texts(9, seed=1)):
        alone = [written(model, [window])[0] for window in windows]
        lengths |= {len(summary.text) for summary in alone}
        for size in (2, len(windows)):
            order = rng.sample(range(len(windows)), min(size, len(windows)))
            assert written(model, [windows[at] for at in order]) == [alone[at] for at in order]
    assert len(lengths) >= 3, "these texts end at different times, or the test shows nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bits_behind_the_words_are_the_same_too(folders: dict[str, Path], family: str) -> None:
    """Words may be equal by luck: here the scores of every step are compared, bit for bit."""
    model = open_tiny(folders[family], rows=4, **GREEDY)
    (windows, *_) = sorted(by_area(model, some_texts(30, seed=2)), key=len, reverse=True)
    alone = [step_scores(model, [window])[0] for window in windows[:4]]
    together = step_scores(model, windows[:4])
    assert len(together) == 4
    for one, other in zip(alone, together, strict=True):
        steps = min(len(one), len(other))  # alone it may stop earlier
        assert steps > 0
        assert torch.equal(one[:steps], other[:steps])


def step_scores(model: Seq2SeqModel, windows: list[Window]) -> list[torch.Tensor]:
    """Per window [steps, vocabulary], as the generation saw them."""
    seen: list[torch.Tensor] = []
    head = model._model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, given, out: seen.append(out[:, -1].clone()))
    try:
        model.forward(model.prepare(windows))
    finally:
        handle.remove()
    return [torch.stack([step[row] for step in seen]) for row in range(len(windows))]


@pytest.mark.parametrize("options", [GREEDY, BEAMS, FIRST_END], ids=["greedy", "beams", "two beams"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_what_transformers_writes(folders: dict[str, Path], family: str, options: dict[str, Any]) -> None:
    """transformers 5 has no summarization pipeline: its `generate` is the reference, with its own attention."""
    model = open_tiny(folders[family], prefix="", rows=1, **options)
    plain = AutoModelForSeq2SeqLM.from_pretrained(folders[family], dtype=torch.float32)
    plain.generation_config.num_beams = None
    tokenizer = reference_tokenizer(folders[family])
    names = {"no_repeat_ngram": "no_repeat_ngram_size"}
    asked = {names.get(name, name): value for name, value in options.items()}
    for text in some_texts(5, seed=3):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        ours = model.forward(model.prepare([window_of(model, text)])).rows[0]
        theirs = plain.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, **asked)[0].tolist()
        assert ours == theirs


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_are_kept(folders: dict[str, Path], family: str) -> None:
    for beams in (1, 2):
        model = open_tiny(folders[family], min_new_tokens=7, max_new_tokens=11, num_beams=beams, rows=1)
        for text in some_texts(6, seed=4, least=3, most=3):
            batch = model.prepare([window_of(model, text)])
            raw = model.forward(batch)
            ends = [at for at, token in enumerate(raw.rows[0][1:]) if token in model._tokenizer.after]
            assert 7 <= (ends[0] if ends else 11) <= 11
            (answer,) = model.decode(raw, batch)
            summary = answer[StageName.SUMMARY]
            assert isinstance(summary, WrittenSummary)
            assert summary.finished == (bool(ends) and ends[0] < 10)


def test_a_share_of_the_window_bounds_the_summary_of_a_short_one(folders: dict[str, Path]) -> None:
    model = open_tiny(folders["t5"], max_new_tokens=60, min_new_tokens=30, max_share=0.25)
    assert model._writing.limits(8) == (2, 2)
    assert model._writing.limits(96) == (24, 24)
    batch = model.prepare([window_of(model, "the river of the town")])
    assert len(model.forward(batch).rows[0]) == 1 + batch[0].area // 4


@pytest.mark.parametrize("family", FAMILIES)
def test_no_pair_of_tokens_comes_twice_if_that_is_asked_for(folders: dict[str, Path], family: str) -> None:
    model = open_tiny(folders[family], num_beams=1, max_new_tokens=30, min_new_tokens=28, no_repeat_ngram=2, rows=1)
    for text in some_texts(3, seed=6):
        row = model.forward(model.prepare([window_of(model, text)])).rows[0][1:]
        pairs = list(pairwise(row))
        assert len(set(pairs)) == len(pairs) > 20


def test_the_models_own_files_say_what_the_settings_do_not(folders: dict[str, Path]) -> None:
    own = open_tiny(folders["t5"])
    assert own.info.thresholds[StageName.SUMMARY]["max_new_tokens"] == 39  # max_length counts the start token
    assert own.info.thresholds[StageName.SUMMARY]["num_beams"] == 2
    assert own._writing.prefix == "summarize: "
    other = open_tiny(folders["t5"], num_beams=4, prefix="")
    assert other.info.thresholds[StageName.SUMMARY]["num_beams"] == 4
    assert other._tokenizer.before.tolist() == []


@pytest.mark.parametrize("family", ["t5", "mt5", "pegasus"])
def test_a_prefix_is_read_as_if_it_stood_before_the_text(folders: dict[str, Path], family: str) -> None:
    model = open_tiny(folders[family], prefix="summarize: ")
    tokenizer = reference_tokenizer(folders[family])
    for text in some_texts(5, seed=7):
        (prepared,) = model.prepare([window_of(model, text)])
        assert prepared.ids.tolist() == tokenizer("summarize: " + text)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_cannot_spell_a_special_token(folders: dict[str, Path], family: str) -> None:
    model = open_tiny(folders[family])
    special = {*model._tokenizer.before[:1], *model._tokenizer.after, *model._tokenizer._forbidden}
    for text in ("</s> the end", "<s><pad></s>", "a</s>b"):
        assert not special & set(window_of(model, text).tokens.ids.tolist()) - {
            int(i) for i in model._tokenizer.before[1:]
        }


@cache
def cutter(folder: Path) -> Seq2SeqModel:
    return open_tiny(folder)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None)
@given(text=any_text)
def test_every_token_is_read_and_no_window_is_too_long(folders: dict[str, Path], family: str, text: str) -> None:
    model = cutter(folders[family])
    (tokens,) = model.tokenize([text])
    assert (tokens.starts[1:] >= tokens.starts[:-1]).all()
    assert (tokens.words[1:] >= tokens.words[:-1]).all()
    windows = cut_windows(text, tokens, split_sentences(text), max_tokens=model.max_window_tokens, overlap_tokens=0)
    read = sum(int((window.tokens.ends > window.tokens.starts).sum()) for window in windows)
    assert read == int((tokens.ends > tokens.starts).sum()), "all but white space"
    for item in model.prepare(windows):
        assert item.area <= {"bart": 128, "t5": 96, "mt5": 512, "pegasus": 112}[family]


def test_a_window_that_is_too_long_is_refused_and_not_cut(folders: dict[str, Path]) -> None:
    model = open_tiny(folders["bart"])
    with pytest.raises(ValueError, match="a window of 127 tokens for a model of 126"):
        model.prepare([window_of(model, "x" * 127)])


def test_windows_of_different_lengths_are_no_batch(folders: dict[str, Path]) -> None:
    model = open_tiny(folders["t5"])
    with pytest.raises(ModelError):
        model.forward(model.prepare([window_of(model, "the river"), window_of(model, "the river " * 20)]))


@pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_decoder_that_comes_to_no_number_is_an_error_and_not_a_summary(
    folders: dict[str, Path], wrong: float, options: dict[str, Any]
) -> None:
    model = open_tiny(folders["bart"], rows=2, **options)
    model._model.final_logits_bias[0, 7] = wrong
    with pytest.raises(NotFinite):
        written(model, [window_of(model, "The bank of the river.")])
