"""The part of a recipe that names a larger encoder, which learns the same data first and then teaches the model."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from workers.lifecycle.recipe_file import NamedFile
from workers.settings import FrozenSettings


class TextFile(NamedFile):
    """Texts without labels, as `text`. Only a teacher makes use of them."""

    genres: tuple[str, ...] = Field((), description="records with one of these as `genre`; all if not given")
    most: PositiveInt | None = Field(None, description="texts that are read, from the start; all if not given")


class TeacherSettings(FrozenSettings):
    """How the teachers learn, and what their word counts against the labels."""

    encoder: str = Field(
        description="Hugging Face encoder with BERT's uncased word pieces (BERT, MPNet, E5, BGE ...), by folder or name"
    )
    revision: str | None = Field(None, description="its commit, for a name of the hub")
    attribution: str = Field("", description="whose model it is and under which licence; goes into the model card")
    earlier: str | None = Field(
        None,
        description="model of the same types, by name or folder, that is believed where nobody taught the teachers: "
        "about types that a file does not annotate, and the entities in texts that teach relations alone",
    )
    encoder_rates: tuple[PositiveFloat, ...] = Field(
        (5e-5, 8e-5), min_length=1, description="learning rates, a teacher each; the mean of their answers is learned"
    )
    heads_rate: PositiveFloat = Field(1e-3, description="learning rate of the teachers' heads and word shapes")
    epochs: PositiveInt = Field(4, description="of each teacher")
    batch_tokens: PositiveInt = Field(8_192, description="padded tokens of a teacher's step")
    weight: PositiveFloat = Field(2.0, description="of the teachers' answers in the loss")
    label_weight: PositiveFloat = Field(0.5, description="of the labels beside them")
