"""What a distillation is made of: a teacher, texts without labels, and how the student learns from what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from workers.lifecycle.recipe import Source
from workers.lifecycle.recipe_file import read_recipe_file
from workers.settings import FrozenSettings, SequenceClassificationModel, SharedModel, TokenClassificationModel

TeacherSpec = Annotated[
    SharedModel | TokenClassificationModel | SequenceClassificationModel, Field(discriminator="kind")
]


class DistilSettings(FrozenSettings):
    """A recipe. Only the teacher, the corpus and a name have to be given."""

    name: str = Field(min_length=1, description="name of the student in the receipts")
    teacher: TeacherSpec = Field(description="the model to learn from, as an entry of `models` says it")
    corpus: tuple[str, ...] = Field(
        min_length=1, description="files of JSON lines with `text`, inside --data or absolute; labels are not read"
    )
    student: str | None = Field(None, description="model to start from, by name or folder; the bare trunk if not given")
    trunk: Path | None = Field(None, description="folder of the trunk's files; found by digest elsewhere if not given")
    entity_types: tuple[str, ...] = Field((), description="the student's; none: those it has, else the teacher's")
    hard: tuple[Source, ...] = Field((), description="labelled files that are learned beside, as in `enrich train`")
    hard_weight: PositiveFloat = Field(1.0, description="of their loss against the teacher's")
    temperature: PositiveFloat = Field(
        2.0, description="both sides' logits are divided by it; higher tells more of what the teacher thought unlikely"
    )
    heldout: float = Field(
        0.05, gt=0, lt=1, description="part of the texts not learned from: how close the student came is told on them"
    )
    seed: int = Field(7, description="of the order of texts and of new heads")
    epochs: PositiveInt = Field(3, description="passes over the corpus")
    batch_tokens: PositiveInt = Field(4_096, description="padded tokens of a step")
    encoder_rate: PositiveFloat = Field(1e-4, description="learning rate of the tuned layers")
    heads_rate: PositiveFloat = Field(1e-3, description="learning rate of the heads")
    warm_up: PositiveFloat = Field(0.06, lt=1, description="part of the steps in which the rates rise")
    weight_decay: NonNegativeFloat = Field(0.01, description="AdamW, of matrices alone")
    max_tokens: PositiveInt = Field(254, ge=16, le=510, description="longest piece of a text")
    texts_per_file: PositiveInt = Field(1_000, description="pieces in one file of soft labels; what a stop can cost")
    limit: PositiveInt | None = Field(None, description="texts of a corpus file; for a quick try")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 0 leaves it to torch")


def read_distil_recipe(path: Path) -> DistilSettings:
    """Raises ConfigurationError, one line, for a file that is missing or says something impossible."""
    return read_recipe_file(path, DistilSettings, see="workers/lifecycle/distil_recipe.py")
