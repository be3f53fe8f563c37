"""The student before it learns: a model to start from or the bare trunk, with the heads that the teacher asks for."""

from __future__ import annotations

import torch

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.lifecycle.distil_recipe import DistilSettings
from workers.lifecycle.distil_teacher import OUTSIDE, Teacher
from workers.lifecycle.train import take_over
from workers.models.config import ClassifierShape, EncoderPart, EncoderShape, ModelConfig
from workers.models.folder import LoadedModel, blank_model, open_model
from workers.models.store import TOKENIZER_SHA256, TRUNK_SHA256, find_trunk
from workers.settings import ModelSettings

LEAST_LABELS = 2


def first_student(recipe: DistilSettings, teacher: Teacher) -> LoadedModel:
    """Raises ConfigurationError if teacher and student have nothing in common."""
    torch.manual_seed(recipe.seed)
    start = open_model(ModelSettings(name=recipe.student, trunk=recipe.trunk)) if recipe.student else None
    config = _config(recipe, teacher, start.config if start else None)
    trunk = find_trunk(recipe.trunk, weights_sha256=config.trunk_sha256, tokenizer_sha256=config.tokenizer_sha256)
    model = blank_model(config, trunk)
    if start is not None:
        take_over(model, start)
    return model


def _config(recipe: DistilSettings, teacher: Teacher, start: ModelConfig | None) -> ModelConfig:
    base = start or ModelConfig(
        name=recipe.name, trunk_sha256=TRUNK_SHA256, tokenizer_sha256=TOKENIZER_SHA256, heads_sha256="", stages=()
    )
    types = _entity_types(recipe, teacher, base)
    relations = base.relation_types if types == base.entity_types else ()
    parts: dict[EncoderPart, None] = dict.fromkeys(base.encoder.trained if start else ())
    parts |= dict.fromkeys(("case", "tuned") if teacher.tags else ())
    parts |= dict.fromkeys(("plain",) if teacher.labels else ())
    return base.model_copy(
        update={
            "name": recipe.name,
            "variant_of": None,
            "precision": None,
            "heads_sha256": "",
            "encoder": EncoderShape.model_validate(base.encoder.model_dump() | {"trained": tuple(parts)}),
            "entity_types": types,
            "relation_types": relations,
            "stages": _stages(recipe, teacher, base, relations=bool(relations)),
            "classifier": ClassifierShape(labels=teacher.labels) if teacher.labels else base.classifier,
            **({"temperature": 1.0} if teacher.labels else {}),
            **({"entity_temperature": 1.0, "entity_thresholds": {}} if teacher.tags else {}),
            "training": None,
            "scores": {},
        }
    )


def _entity_types(recipe: DistilSettings, teacher: Teacher, base: ModelConfig) -> tuple[str, ...]:
    told = tuple(dict.fromkeys(tag[2:] for tag in teacher.tags if tag != OUTSIDE))
    types = recipe.entity_types or base.entity_types or told
    if teacher.tags and not set(types) & set(told):
        raise ConfigurationError(
            f"teacher {teacher.name} knows {', '.join(told)}, the student {', '.join(types)}: rename with `types` of "
            "the teacher, or set entity_types"
        )
    return types


def _stages(recipe: DistilSettings, teacher: Teacher, base: ModelConfig, *, relations: bool) -> tuple[StageName, ...]:
    """What the student answers afterwards. A head whose branch was tuned without it is not trusted any more."""
    stages = set(base.stages)
    if teacher.tags:
        stages |= {StageName.ENTITIES}
        if not (relations and any(source.form == "related" for source in recipe.hard)):
            stages -= {StageName.RELATIONS}
    if teacher.labels:
        stages = stages - {StageName.SUMMARY} | {StageName.CLASSIFICATION}
    return tuple(stage for stage in StageName if stage in stages)
