"""The four enrichments: whether they are made, and from which score on."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from schemas.base import StageName
from workers.settings.base import FrozenSettings
from workers.settings.model import DEFAULT_MODEL


class StageOptions(FrozenSettings):
    """What every stage can be told."""

    model: str = Field(
        DEFAULT_MODEL, description="who answers: a name from `models`; stages that name the same one share its pass"
    )


class EntitySettings(StageOptions):
    enabled: bool = Field(True, description="whether entities are in the record")
    min_score: float | None = Field(
        None, ge=0, le=1, description="entities below are left out; each type's own threshold if not given"
    )


class RelationSettings(StageOptions):
    enabled: bool = Field(True, description="whether relations are in the record")
    min_score: float | None = Field(
        None, ge=0, le=1, description="relations below are left out; the model's own if not given"
    )


DEFAULT_LABELS = {
    "business": "Business and finance: companies, markets, trade, earnings and the economy.",
    "politics": "Politics and government: elections, parliament, ministers, laws and diplomacy.",
    "sport": "Sport: matches, teams, players, tournaments and results.",
    "technology": "Technology: software, computers, the internet, phones and gadgets.",
    "entertainment": "Entertainment and culture: films, music, television, books, art and celebrities.",
    "science and health": "Science, medicine and health: research, diseases, treatments and the environment.",
    "customer support": "A message from a customer who asks for help with a product, an order, a bill or an account.",
}


class ClassificationSettings(StageOptions):
    enabled: bool = Field(True, description="whether labels are in the record")
    labels: dict[str, str] = Field(
        default=DEFAULT_LABELS,
        min_length=1,
        description="label and a sentence that describes it; a good one is worth points",
    )
    min_score: float = Field(
        0.35, ge=0, le=1, description="labels below are left out; with none left the stage abstains"
    )
    multi_label: bool = Field(False, description="whether several labels may be given, not only the best")


class SummarySettings(StageOptions):
    enabled: bool = Field(True, description="whether a summary is in the record")
    max_sentences: PositiveInt = Field(3, description="sentences quoted")
    max_characters: PositiveInt = Field(
        1_200, ge=40, description="code points of a summary that a model writes; whole sentences"
    )
    min_sentences_in_document: PositiveInt = Field(
        4, description="shorter documents are their own summary: none is made"
    )


class StageSettings(FrozenSettings):
    """The four enrichments."""

    entities: EntitySettings = EntitySettings()
    relations: RelationSettings = RelationSettings()
    classification: ClassificationSettings = ClassificationSettings()
    summary: SummarySettings = SummarySettings()

    def of(self, stage: StageName) -> StageOptions:
        """The options of one stage."""
        options: StageOptions = getattr(self, stage.value)
        return options

    def enabled(self) -> tuple[StageName, ...]:
        """The stages that are switched on, in order."""
        return tuple(name for name in StageName if getattr(self, name.value).enabled)
