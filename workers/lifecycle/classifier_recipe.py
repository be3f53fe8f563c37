"""The recipe of a text classifier: which files teach which labels, what is tuned, and how. Reads and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from workers.lifecycle.recipe_file import NamedFile, read_recipe_file
from workers.models.config import EncoderPart
from workers.settings import FrozenSettings


class LabelledFile(NamedFile):
    """Texts with a label each."""

    text: str = Field("text", description="key of the text")
    label: str = Field("label", description="key of the label; not read where the texts have none of the labels")


class ClassifierRecipe(FrozenSettings):
    """A recipe with `task: classification`. The defaults suit some thousand short texts."""

    task: Literal["classification"] = Field(description="labels for whole texts")
    name: str = Field(min_length=1, description="name in the receipts")
    languages: tuple[str, ...] = Field(("en",), description="ISO 639 codes of the texts")
    train: tuple[LabelledFile, ...] = Field(min_length=1, description="what it learns from")
    dev: tuple[LabelledFile, ...] = Field(
        (), description="best epoch, temperature and threshold are chosen on it; cut out of train if not given"
    )
    dev_share: float = Field(0.1, gt=0, lt=1, description="part of each label's texts that is cut out where dev is not")
    refit: bool = Field(
        True, description="train again on all texts when dev was cut out: twice the time, but no text is wasted"
    )
    test: tuple[LabelledFile, ...] = Field((), description="measured at the end, for the card; never learned from")
    other_dev: tuple[LabelledFile, ...] = Field(
        (), description="texts that none of the labels fit: they choose when to give no label"
    )
    other_test: tuple[LabelledFile, ...] = Field((), description="the same kind of texts, for the card")
    descriptions: dict[str, str] = Field(
        default_factory=dict, description="sentence that describes a label; learned from as one more text of it"
    )
    label_texts: bool = Field(True, description="whether the label's description, or its name, is learned from too")
    per_class: PositiveInt | None = Field(None, description="texts per label, drawn by the seed; all if not given")
    tune: Literal["full", "lora", "upper", "frozen"] = Field(
        "full",
        description="all layers; low-rank changes of them; the sentence branch's own; none. The last two keep the "
        "entities and relations of `start`",
    )
    start: str | None = Field(None, description="model to start from, by name or folder; the bare trunk if not given")
    lora_rank: PositiveInt = Field(16, description="rank of the changes with tune: lora")
    head_start: Literal["means", "random"] = Field(
        "means", description="first weights of the head: means of the labels"
    )
    sharpness: PositiveFloat = Field(16.0, description="length of those means; the cosine's factor in the first logits")
    seed: int = Field(7, description="of the texts drawn, their order and the noise")
    epochs: PositiveInt = Field(8, description="passes over the texts")
    patience: PositiveInt = Field(3, description="epochs without a better dev accuracy until it stops")
    batch_tokens: PositiveInt = Field(1_024, description="padded tokens of a step")
    encoder_rate: PositiveFloat = Field(2e-4, description="learning rate of what is tuned of the encoder")
    head_rate: PositiveFloat = Field(2e-3, description="learning rate of the head")
    warm_up: PositiveFloat = Field(0.06, lt=1, description="part of the steps in which the rates rise")
    weight_decay: NonNegativeFloat = Field(0.01, description="AdamW")
    dropout: float = Field(0.1, ge=0, lt=1, description="of the text's vector before the head")
    forget: float = Field(0.1, ge=0, lt=1, description="part of subwords shown as unknown ones")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="part of the target spread over all labels")
    average: float = Field(0.99, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    keep: float = Field(
        0.97, gt=0, le=1, description="part of rightly labelled dev texts that the threshold may not refuse"
    )
    max_tokens: PositiveInt = Field(254, le=510, description="longest text; the rest is not learned from")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 1 where others use the cores too, 0: all")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="of the passes; the weights stay fp32")

    @model_validator(mode="after")
    def tuning_fits(self) -> Self:
        if self.tune == "upper" and self.start is None:
            raise ValueError("tune: upper is for a model that keeps its other heads: set start, or tune: full")
        return self

    @property
    def keeps_heads(self) -> bool:
        """Whether the other heads of `start` stay right."""
        return self.start is not None and self.tune in ("upper", "frozen")

    def tuned_parts(self) -> tuple[EncoderPart, ...]:
        """The word vectors are left alone: half of all weights, and words not seen would not follow the seen."""
        parts: dict[str, tuple[EncoderPart, ...]] = {"frozen": (), "upper": ("plain",)}
        return parts.get(self.tune, ("lower", "plain"))


def read_classifier_recipe(path: Path) -> ClassifierRecipe:
    """Raises ConfigurationError, one line, for a file that is not a recipe."""
    return read_recipe_file(path, ClassifierRecipe, see="docs/train-your-own.md")
