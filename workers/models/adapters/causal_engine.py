"""Forward passes of a causal language model: greedy replies, and how likely continuations are. Device thread only.

Rows are padded on the left to a length that the caller chooses. How many rows there are changes the kernels of single
steps, and with them the bits (measured on CPU against one row: fp32 1e-6, bf16 1e-3 of a log-probability); with as many
rows a prompt gives the same bits in any place and any company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from workers.models.faults import check_finite
from workers.text.pieces import IntArray

# transformers renamed it within version 5.
CACHE = "cache" if any(field.name == "cache" for field in fields(CausalLMOutputWithPast)) else "past_key_values"


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written for one prompt."""

    ids: tuple[int, ...]  # without the token that ends the reply
    logprobs: tuple[float, ...]
    complete: bool  # whether it ended by itself


class _Watch(LogitsProcessor):
    """Notes how likely the best token of each step was; greedy search takes that one."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        exact = scores.float()
        self.steps.append(exact.max(dim=-1).values - exact.logsumexp(dim=-1))
        return scores


def _plain_generation(**options: object) -> GenerationConfig:
    make: Any = GenerationConfig  # has no annotations
    config: GenerationConfig = make(do_sample=False, num_beams=1, **options)
    return config


class CausalEngine:
    """A loaded model and how its rows are padded."""

    def __init__(self, model: PreTrainedModel, *, pad_id: int, end_ids: Sequence[int]) -> None:
        self._model: Any = model  # callable, and no two architectures have the same signature
        self._pad_id = pad_id
        own = model.generation_config.eos_token_id if model.generation_config else None
        listed = own if isinstance(own, list) else [own] if isinstance(own, int) else []
        self._end_ids = sorted({*end_ids, *listed})
        # Without it the folder's own wishes (sampling, a repetition penalty) would fill in what is left open below.
        model.generation_config = _plain_generation()

    @property
    def device(self) -> torch.device:
        return torch.device(self._model.device)

    @torch.inference_mode()
    def write(self, prompts: Sequence[IntArray], *, length: int, max_new_tokens: int) -> list[Generated]:
        """Greedy replies to prompts of `length` tokens or less. Nothing is drawn, nothing is penalised.

        Raises NotFinite.
        """
        ids, mask = self._padded(prompts, length)
        watch = _Watch()
        config = _plain_generation(
            max_new_tokens=max_new_tokens,
            pad_token_id=self._pad_id,
            eos_token_id=self._end_ids or None,
        )
        rows = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            logits_processor=LogitsProcessorList([watch]),
        )
        logprobs = torch.stack(watch.steps, dim=1)  # [B, steps]
        check_finite(logprobs)  # else the best of what is not a number would be written
        return [self._ended(row, own) for row, own in zip(rows[:, length:].tolist(), logprobs.tolist(), strict=True)]

    def _ended(self, ids: list[int], logprobs: list[float]) -> Generated:
        end = next((number for number, token in enumerate(ids) if token in self._end_ids), len(ids))
        return Generated(tuple(ids[:end]), tuple(logprobs[:end]), complete=end < len(ids))

    @torch.inference_mode()
    def rate(
        self, prompts: Sequence[IntArray], continuations: Sequence[Sequence[int]], *, length: int
    ) -> list[tuple[float, ...]]:
        """Per prompt and continuation: the mean log-probability of the continuation's tokens.

        Each prompt is read once; its cache is repeated for the continuations, which go through together. The mean, not
        the sum: a label of many tokens is not less likely for that. Raises NotFinite.
        """
        ids, mask = self._padded(prompts, length)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        read = self._model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        cache = getattr(read, CACHE)
        count, longest = len(continuations), max(map(len, continuations))
        cache.batch_repeat_interleave(count)
        first = read.logits[:, -1:].repeat_interleave(count, dim=0)  # [B*C, 1, V]
        going_on = torch.full((count, longest), self._pad_id, dtype=torch.long)
        valid = torch.zeros((count, longest), dtype=torch.bool)
        for row, tokens in enumerate(continuations):
            going_on[row, : len(tokens)] = torch.tensor(tokens)
            valid[row, : len(tokens)] = True
        going_on = going_on.repeat(len(prompts), 1).to(self.device)  # [B*C, T]
        valid = valid.repeat(len(prompts), 1).to(self.device)
        logits = first
        if longest > 1:
            # What is padded stands behind the continuation's end, where a causal model cannot look from inside.
            seen = torch.cat([mask.repeat_interleave(count, dim=0), torch.ones_like(going_on[:, :-1])], dim=1)
            steps = torch.arange(longest - 1, device=self.device)
            next_positions = mask.sum(dim=1).repeat_interleave(count)[:, None] + steps
            rest = self._model(
                input_ids=going_on[:, :-1], attention_mask=seen, position_ids=next_positions, **{CACHE: cache}
            ).logits
            logits = torch.cat([first, rest], dim=1)  # [B*C, T, V]
        chosen = logits.float().log_softmax(dim=-1).gather(2, going_on[:, :, None])[:, :, 0]
        means = (chosen * valid).sum(dim=1) / valid.sum(dim=1)
        check_finite(means)
        return [tuple(row) for row in means.reshape(len(prompts), count).tolist()]

    def _padded(self, prompts: Sequence[IntArray], length: int) -> tuple[Tensor, Tensor]:
        ids = torch.full((len(prompts), length), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(prompts), length), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, length - len(prompt) :] = torch.from_numpy(prompt)
            mask[row, length - len(prompt) :] = 1
        return ids.to(self.device), mask.to(self.device)
