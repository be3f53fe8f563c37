"""How a sequence-to-sequence model writes. What is not given is as the model's own files say."""

from __future__ import annotations

from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from workers.settings.base import FrozenSettings


class GenerationSettings(FrozenSettings):
    """Length and search of a written summary. Never sampled: the same window gives the same words."""

    max_new_tokens: PositiveInt | None = Field(None, description="tokens of one window's summary, at most")
    min_new_tokens: NonNegativeInt | None = Field(None, description="tokens before it may end")
    max_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the same as a share of the window's padded length, so that short texts get short summaries",
    )
    num_beams: PositiveInt | None = Field(None, le=32, description="beams of the search; 1 is greedy and fastest")
    length_penalty: float | None = Field(None, ge=-10, le=10, description="beams only: above 0 prefers long summaries")
    no_repeat_ngram: NonNegativeInt | None = Field(None, description="no n-gram of this size twice; 0 allows any")
    prefix: str | None = Field(None, max_length=256, description="words put before every window, as T5's 'summarize: '")
    rows: PositiveInt = Field(
        8,
        le=256,
        description="windows in one pass; always so many, for the same bits; raise on a GPU, 1 if windows are rare",
    )

    @model_validator(mode="after")
    def lengths_are_in_order(self) -> Self:
        least, most = self.min_new_tokens, self.max_new_tokens
        if least is not None and most is not None and least > most:
            raise ValueError(
                f"min_new_tokens={least} exceeds max_new_tokens={most}: lower the first or raise the second"
            )
        return self
