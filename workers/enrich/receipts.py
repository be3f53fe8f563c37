"""What a record says of who answered: model, thresholds and code of each stage. The same for all documents of a run."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from schemas import Receipt, StageName
from workers.enrich.lanes import Lane, by_stage
from workers.models.base import ModelInfo
from workers.settings import StageSettings
from workers.stages import classification, entities, relations, summary
from workers.stages.fingerprint import fingerprint

PACKAGE_VERSION = version("enrich-workers")
CODE = {
    StageName.ENTITIES: entities.CODE_VERSION,
    StageName.RELATIONS: relations.CODE_VERSION,
    StageName.CLASSIFICATION: classification.CODE_VERSION,
    StageName.SUMMARY: summary.CODE_VERSION,
}


def code_version(stage: StageName) -> str:
    """Version of the package and of the stage's code: in the cache key and in the receipt."""
    return f"{PACKAGE_VERSION}+{stage.value}.{CODE[stage]}"


def receipts_of(lanes: Sequence[Lane], stages: StageSettings) -> tuple[Receipt, ...]:
    """One per stage that a lane serves, in the order of the stages."""
    return tuple(
        Receipt(
            stage=stage,
            model=lane.info.name,
            revision=lane.info.revision,
            precision=lane.info.precision,
            settings=fingerprint(stage, stages),
            thresholds=thresholds_of(stage, lane.info, stages),
            code=code_version(stage),
        )
        for stage, lane in by_stage(lanes).items()
    )


def thresholds_of(stage: StageName, info: ModelInfo, stages: StageSettings) -> dict[str, float]:
    """The thresholds in force: the settings' where they say something, else the model's."""
    own = dict(info.thresholds.get(stage, {}))
    if stage is StageName.RELATIONS and stages.relations.min_score is not None:
        return {"min_score": stages.relations.min_score}
    if stage is StageName.ENTITIES and stages.entities.min_score is not None:
        return {"min_score": stages.entities.min_score}
    if stage is StageName.CLASSIFICATION:
        own["min_score"] = stages.classification.min_score
    return own
