"""The recipe of summaries: texts with what people wrote to sum them up, and the model that learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from workers.lifecycle.recipe_file import NamedFile, read_recipe_file
from workers.settings import FrozenSettings


class SummedUpFile(NamedFile):
    """Texts with a `summary`, or several `references`, each."""

    genres: tuple[str, ...] = Field((), description="records with one of these as `genre`; all if not given")


class SummaryRecipe(FrozenSettings):
    """A recipe with `task: summary`. The encoder and the other heads stay as they are."""

    task: Literal["summary"] = Field(description="which sentences to quote")
    name: str = Field(min_length=1, description="name in the receipts")
    start: str = Field("default", description="model whose sentences are judged, by name or folder")
    train: tuple[SummedUpFile, ...] = Field(min_length=1, description="what it learns from")
    test: tuple[NamedFile, ...] = Field((), description="measured at the end, for the card; never learned from")
    sentences: PositiveInt | None = Field(None, description="of a tested summary; as the references have if not given")
    seed: int = Field(7, description="of the head's first weights, the order of the texts and the quotes compared")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 1 where others use the cores too, 0: all")
    limit: PositiveInt | None = Field(None, description="texts per file; for a quick try")


def read_summary_recipe(path: Path) -> SummaryRecipe:
    """Raises ConfigurationError, one line, for a file that is not a recipe."""
    return read_recipe_file(path, SummaryRecipe, see="docs/train-your-own.md")
