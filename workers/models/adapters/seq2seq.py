"""Summaries written by a Hugging Face sequence-to-sequence model: BART, T5, Pegasus. Cuts, prepares, writes, decodes.

The same window gives the same words in any batch (`python -m benchmarks.seq2seq_invariance`):

* The encoder reads one window at a time. Its padded length is the window's own affair, so its bits are too.
* A step of the decoder multiplies few rows, and kernels change with their number: in fp32 on a CPU 1, 2 to 15 and more
  rows give other bits. So windows are written in groups of always `rows`; places that are left hold copies of the first
  window, which end when that one ends. With one number of rows, the place and the neighbours make no difference.
* Attention is eager: the others take another kernel where nothing is padded. Nothing is sampled.

On a GPU nobody has measured this.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.adapters.seq2seq_folder import LoadedSeq2Seq, open_seq2seq
from workers.models.base import ModelInfo
from workers.models.faults import check_finite, model_errors
from workers.models.precision import DTYPES, choose_device, choose_precision
from workers.models.prepared import AREA_MULTIPLE, padded_length
from workers.settings import SequenceToSequenceModel
from workers.stages.results import WindowAnswer, WrittenSummary
from workers.text.pieces import IntArray, TextTokens, Window

LEAST_WINDOW_TOKENS = 16


@dataclass(frozen=True, slots=True)
class PreparedText:
    """One window as token ids, with prefix and special tokens."""

    ids: IntArray  # [L]

    @property
    def area(self) -> int:
        return padded_length(len(self.ids))


@dataclass(frozen=True, slots=True)
class RawTexts:
    """What was written, as token ids, and how many there may be at most."""

    rows: list[list[int]]  # start token first; filled behind the end
    most: int


class _Numbers(LogitsProcessor):
    """Notes the highest score of each step, which is a number unless the step came to one that is none."""

    def __init__(self) -> None:
        self.highest: list[Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self.highest.append(scores.max())
        return scores


class Seq2SeqModel:
    """Implements `workers.models.base.WindowModel` for summaries. Give `forward` to one thread at a time."""

    stages = (StageName.SUMMARY,)

    def __init__(self, loaded: LoadedSeq2Seq, spec: SequenceToSequenceModel) -> None:
        self._tokenizer = loaded.tokenizer
        self._writing = loaded.writing
        self._tokens = loaded.tokens
        self._device = choose_device(spec.device)
        precision = choose_precision(spec.precision, self._device)
        self._model = cast(Any, loaded.model)  # its generation has no annotations
        self._model.to(device=self._device, dtype=DTYPES[precision]).eval()
        self._model.generation_config = deepcopy(loaded.tokens)  # else transformers fills what we leave open from it
        framing = len(self._tokenizer.before) + len(self._tokenizer.after)
        self.max_window_tokens = loaded.max_input_tokens // AREA_MULTIPLE * AREA_MULTIPLE - framing
        if self.max_window_tokens < LEAST_WINDOW_TOKENS:
            raise ConfigurationError(
                f"model {loaded.name} reads {loaded.max_input_tokens} tokens, {framing} of them its prefix and special "
                "tokens: shorten the prefix"
            )
        self.info = ModelInfo(
            name=loaded.name,
            revision=loaded.revision,
            precision=precision,
            languages=frozenset(spec.languages),
            thresholds={StageName.SUMMARY: self._writing.numbers()},
            device=str(self._device),
        )

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self._tokenizer.cut(texts)

    def prepare(self, windows: Sequence[Window]) -> list[PreparedText]:
        """Raises ValueError for a window that is longer than the model reads: nothing is cut off."""
        for window in windows:
            if len(window.tokens) > self.max_window_tokens:
                raise ValueError(f"a window of {len(window.tokens)} tokens for a model of {self.max_window_tokens}")
        before, after = self._tokenizer.before, self._tokenizer.after
        return [PreparedText(np.concatenate([before, window.tokens.ids, after])) for window in windows]

    @torch.inference_mode()
    def forward(self, batch: Sequence[PreparedText]) -> RawTexts:
        """Writes all summaries. Raises OutOfMemory, or ModelError for anything else that goes wrong."""
        with model_errors():
            areas = {item.area for item in batch}
            if len(areas) != 1:
                raise ValueError(f"the items of a batch have different areas: {sorted(areas)}")
            (area,) = areas
            least, most = self._writing.limits(area)
            plan = self._plan(least, most)
            rows: list[list[int]] = []
            for first in range(0, len(batch), self._writing.rows):
                rows += self._write(batch[first : first + self._writing.rows], area, plan)
            return RawTexts(rows, most)

    def decode(self, raw: RawTexts, batch: Sequence[PreparedText]) -> list[WindowAnswer]:
        """One answer per item, with a `WrittenSummary`."""
        return [{StageName.SUMMARY: self._summary(row, raw.most)} for row in raw.rows]

    def _plan(self, least: int, most: int) -> GenerationConfig:
        wanted = self._writing
        plan: Any = deepcopy(self._tokens)  # has no annotations
        plan.update(
            do_sample=False,
            num_beams=wanted.num_beams,
            max_new_tokens=most,
            min_new_tokens=least or None,
            no_repeat_ngram_size=wanted.no_repeat_ngram or None,
        )
        if wanted.num_beams > 1:
            plan.update(length_penalty=wanted.length_penalty, early_stopping=wanted.early_stopping)
        made: GenerationConfig = plan
        return made

    def _write(self, items: Sequence[PreparedText], area: int, plan: GenerationConfig) -> list[list[int]]:
        """Token ids of up to `rows` windows."""
        masks, states = zip(*(self._read(item, area) for item in items), strict=True)
        empty = self._writing.rows - len(items)
        mask = torch.cat([*masks, *[masks[0]] * empty])  # [rows, area]
        hidden = torch.cat([*states, *[states[0]] * empty])  # [rows, area, width]
        check_finite(hidden)
        encoded = BaseModelOutput(last_hidden_state=hidden)
        numbers = _Numbers()
        written = self._model.generate(
            encoder_outputs=encoded,
            attention_mask=mask,
            generation_config=plan,
            logits_processor=LogitsProcessorList([numbers]),
        )
        check_finite(torch.stack(numbers.highest))
        found: list[list[int]] = written[: len(items)].tolist()
        return found

    def _read(self, item: PreparedText, area: int) -> tuple[Tensor, Tensor]:
        """[1, area] mask and [1, area, width] hidden states of one window."""
        ids = torch.zeros((1, area), dtype=torch.int64)
        mask = torch.zeros((1, area), dtype=torch.int64)
        ids[0, : len(item.ids)] = torch.from_numpy(item.ids.astype(np.int64))
        mask[0, : len(item.ids)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        states: Tensor = self._model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        return mask, states

    def _summary(self, row: list[int], most: int) -> WrittenSummary:
        ends = self._tokens.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends])
        written = row[1:]
        length = next((at for at, token in enumerate(written) if token in stops), len(written))
        # A model that is forced to end has its end mark in the last place, whether it had finished or not.
        return WrittenSummary(self._tokenizer.write(written[:length]), finished=length < most - 1)


def load_seq2seq(spec: SequenceToSequenceModel) -> Seq2SeqModel:
    """The model that the settings name, ready to run. Raises ConfigurationError, one line, for what cannot work."""
    return Seq2SeqModel(open_seq2seq(spec), spec)
