"""Which models answer, and how they run: the default one, and those that stages name, a closed choice by `kind`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from schemas.base import StageName
from workers.settings.base import FrozenSettings
from workers.settings.flow import WindowSettings
from workers.settings.generation import GenerationSettings
from workers.settings.generative import EndpointOptions, PromptOptions

DEFAULT_MODEL = "default"  # the name of `model` where a stage names one

ENTITIES, CLASSIFICATION, SUMMARY = StageName.ENTITIES, StageName.CLASSIFICATION, StageName.SUMMARY


class ModelSettings(FrozenSettings):
    """The model of every stage that names no other, and how it runs."""

    serves: ClassVar[frozenset[StageName]] = frozenset(StageName)

    name: str = Field("default", description="packaged model by name, or a folder made by `enrich train`")
    trunk: Path | None = Field(None, description="folder of the trunk's files; found by digest elsewhere if not given")
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="auto: what was measured to be fast here; fp32 or bf16 make unlike machines answer alike"
    )
    compile: bool = Field(
        False, description="whether the encoder is compiled: a little faster; needs g++, and minutes at each start"
    )
    padding: Literal["auto", "always", "never"] = Field(
        "auto", description="of windows in a pass; auto: none where the attention kernel takes several lengths (CUDA)"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    threads: NonNegativeInt = Field(
        0,
        description="threads of one operation, of all `epoch.processes` together; 0: as is fast here, within the "
        "container's limit; workers that share a machine want a part of its cores each",
    )


class NamedModel(FrozenSettings):
    """What every entry of `models` may say. A subclass adds `kind`, the stages it serves, and its own options."""

    serves: ClassVar[frozenset[StageName]] = frozenset()

    window: WindowSettings | None = Field(
        None, description="how texts are cut for this model; like `window`, and no longer than it reads, if not given"
    )


class SharedModel(NamedModel, ModelSettings):
    """A second model made by `enrich train`."""

    serves: ClassVar[frozenset[StageName]] = frozenset(StageName)
    kind: Literal["shared"]


class CheckpointModel(NamedModel):
    """A checkpoint of Hugging Face transformers: safetensors and a fast tokenizer, none of its own code."""

    name: str = Field(min_length=1, description="a folder, or a name that the model store finds")
    revision: str | None = Field(None, description="commit on the Hugging Face hub; needed for a name found there")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the hardware has it")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes of what it reads; none: any language")


class TokenClassificationModel(CheckpointModel):
    """Entities from a tag per token (BIO, IO or BILOU labels)."""

    serves: ClassVar[frozenset[StageName]] = frozenset({ENTITIES})
    kind: Literal["token-classification"]
    aggregation: Literal["first", "average", "max", "simple"] = Field(
        "first",
        description="the tag of a word: its first token's, the mean's, the surest token's; simple: every token its own",
    )
    types: dict[str, str] = Field(
        {}, description="model's type and the one to write; empty leaves it out; types not named keep their name"
    )


class SequenceClassificationModel(CheckpointModel):
    """Labels that the model was trained for."""

    serves: ClassVar[frozenset[StageName]] = frozenset({CLASSIFICATION})
    kind: Literal["sequence-classification"]
    independent_labels: bool | None = Field(
        None, description="whether several labels may be true at once (a sigmoid each); as the model says if not given"
    )


class ZeroShotModel(CheckpointModel):
    """Labels of `stages.classification.labels`, judged by a model of natural language inference."""

    serves: ClassVar[frozenset[StageName]] = frozenset({CLASSIFICATION})
    kind: Literal["zero-shot"]
    hypothesis: str = Field(
        "This text is about {label}.",
        description="what the text must entail for a label to be true; {label} and {description} are filled in",
    )
    independent_labels: bool = Field(
        False, description="whether several labels may be true at once: each is entailed against contradicted"
    )

    @model_validator(mode="after")
    def hypothesis_depends_on_the_label(self) -> Self:
        try:
            filled = {self.hypothesis.format(label=mark, description=mark) for mark in "ab"}
        except (KeyError, IndexError, ValueError, AttributeError):
            filled = set()
        if len(filled) < 2:
            raise ValueError("hypothesis holds neither {label} nor {description}, or another {...}: add one, double it")
        return self


class CausalLanguageModel(CheckpointModel, PromptOptions):
    """A causal language model, asked in words; labels are rated, the rest is written and read strictly."""

    serves: ClassVar[frozenset[StageName]] = frozenset(StageName)
    kind: Literal["causal"]
    rows: PositiveInt = Field(
        8,
        le=256,
        description="windows in one pass; always so many, for the same bits; raise on a GPU, 1 if windows are rare",
    )


class OpenAiModel(NamedModel, EndpointOptions, PromptOptions):
    """Any endpoint that serves `/chat/completions` as OpenAI and vLLM do."""

    serves: ClassVar[frozenset[StageName]] = frozenset(StageName)
    kind: Literal["openai"]


class SequenceToSequenceModel(CheckpointModel, GenerationSettings):
    """Summaries that a sequence-to-sequence model writes in its own words: BART, T5, Pegasus."""

    serves: ClassVar[frozenset[StageName]] = frozenset({SUMMARY})
    kind: Literal["seq2seq"]


# A new kind is a class above and a line here; `workers.compose.open_model` makes the model of it.
ModelSpec = Annotated[
    SharedModel
    | TokenClassificationModel
    | SequenceClassificationModel
    | ZeroShotModel
    | CausalLanguageModel
    | OpenAiModel
    | SequenceToSequenceModel,
    Field(discriminator="kind"),
]
