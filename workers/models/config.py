"""What is stored beside a model's weights: sizes, types, thresholds, digests, how it was made. Reads and checks it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError, model_validator

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.settings import FrozenSettings
from workers.stages.results import Quoting, RefusalRule

CONFIG_FILE = "config.json"
HEADS_FILE = "heads.safetensors"

EncoderPart = Literal["words", "positions", "norm", "case", "lower", "plain", "tuned"]


class RelationType(FrozenSettings):
    """A relation, what it may join, and from which probability on it counts."""

    name: str
    heads: tuple[str, ...]  # entity types it may start from
    tails: tuple[str, ...]  # entity types it may point to
    symmetric: bool = False
    threshold: float = Field(0.5, ge=0, le=1)


class EncoderShape(FrozenSettings):
    """Sizes of the trunk that its weights do not tell, where our branch leaves it, and which parts training changed."""

    layers: PositiveInt = 6
    shared_layers: NonNegativeInt = 3  # lower layers that both branches read
    attention_heads: PositiveInt = 12
    norm_epsilon: PositiveFloat = 1e-12
    case_at: Literal["input", "branch"] = "branch"  # where the encoder is told how words are written
    trained: tuple[EncoderPart, ...] = ("case", "tuned")  # stored with the heads; the rest is the trunk's
    plain_layers: PositiveInt | None = None  # of a branch whose uppermost layers were dropped
    tuned_layers: PositiveInt | None = None

    @model_validator(mode="after")
    def branches_are_of_the_trunk(self) -> Self:
        if max(self.plain_layers or 0, self.tuned_layers or 0) > max(0, self.layers - self.shared_layers):
            raise ValueError(f"a branch has more than the {self.layers - self.shared_layers} upper layers of the trunk")
        return self


class HeadShape(FrozenSettings):
    """Widths of the heads and the bound on pairs."""

    relation_width: PositiveInt = 128
    # Of fewer columns over an odd number of inputs, a row's bits depend on its place among the others (x86, fp32).
    salience_width: int = Field(64, ge=16)
    neighbours: PositiveInt = 12  # an entity is paired with this many before and after it; bounds the pairs of a window


class ClassifierShape(FrozenSettings):
    """Trained labels, and how sure a model must be to give one; for the rules see `stages.classification.sureness`."""

    labels: tuple[str, ...] = Field(min_length=2)
    descriptions: dict[str, str] = Field(default_factory=dict)  # by label
    refuse_by: RefusalRule = "probability"
    refuse_below: float = 0.0  # no label is given to a text that is less sure; chosen on dev


class TrainingRecord(FrozenSettings):
    """How the weights came to be; enough to make them again."""

    seed: int
    epochs: PositiveInt
    windows: dict[str, int]  # by data set
    seconds: float
    torch: str
    earlier: str | None = None  # revision of the model that was believed beside teachers


class ModelConfig(FrozenSettings):
    """The stored configuration of a model folder."""

    format: Literal[1] = 1
    name: str
    variant_of: str | None = None  # revision of the model that `enrich optimize` made it from: served behind a gate
    precision: Literal["int8"] | None = None  # what a variant was made for; else as the settings say
    languages: tuple[str, ...] = ("en",)
    trunk_sha256: str
    tokenizer_sha256: str
    heads_sha256: str
    stages: tuple[StageName, ...] = tuple(StageName)  # what it was trained to answer
    encoder: EncoderShape = EncoderShape()
    heads: HeadShape = HeadShape()
    entity_types: tuple[str, ...] = ()
    relation_types: tuple[RelationType, ...] = ()
    classifier: ClassifierShape | None = None  # None: any labels, told by their descriptions
    entity_thresholds: dict[str, float] = Field(
        default_factory=dict
    )  # score from which on a type counts, chosen on dev
    quoting: Quoting | None = None  # what makes a sentence worth quoting, tuned with the head; None: as usual
    entity_temperature: PositiveFloat = 1.0  # logits are divided by it: fitted on dev, so that scores are probabilities
    relation_temperature: PositiveFloat = 1.0
    temperature: PositiveFloat = 0.05  # softmax(score / temperature) are probabilities; of cosines or trained logits
    label_text: str = "{description}"  # what of a label is embedded; {name} and {description} are filled in
    training: TrainingRecord | None = None
    scores: dict[str, float] = Field(default_factory=dict)  # measured on splits that were never trained on


def revision_of(config: ModelConfig) -> str:
    """SHA-256 over what can change an answer: the configuration with the digests of heads, trunk and tokenizer.

    What is only told about the model is left out, and so is every default: neither a new score nor a new field makes
    another model of it. A default that is changed later shows in the receipt's code version.
    """
    told = config.model_dump_json(exclude={"training", "scores"}, exclude_defaults=True)
    return hashlib.sha256(told.encode()).hexdigest()


def read_config(folder: Path) -> ModelConfig:
    """Raises ConfigurationError if the file is missing or is not one of ours."""
    path = folder / CONFIG_FILE
    try:
        return ModelConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"model {folder}: cannot read {CONFIG_FILE} ({error.strerror}): set model.name to `default` or to a folder "
            "made by `enrich train`"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"model {folder}: {CONFIG_FILE} is not a model of this version ({where}: {first['msg']}): make it "
            "again with `enrich train`"
        ) from error


def write_config(folder: Path, config: ModelConfig) -> None:
    (folder / CONFIG_FILE).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
