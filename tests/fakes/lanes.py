"""Pipelines whose stages name models of their own, which a test puts in place of those that the settings name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from schemas import EnrichedDocument, StageName
from tests.fakes.models import OracleModel
from tests.fakes.pipelines import incoming, payload
from workers.compose import open_pipeline
from workers.enrich.outcome import Enriched
from workers.enrich.pipeline import Pipeline
from workers.settings import Settings


def settings_of(naming: Mapping[StageName, str], **other: Any) -> Settings:
    """These stages name model `other`, which is a shared model only by its settings: the tests put their own there."""
    names = set(naming.values())
    models: dict[str, object] = {name: {"kind": "shared", "name": name} for name in names}
    models |= {name: {"kind": "shared", "name": name, **options} for name, options in other.pop("models", {}).items()}
    stages: dict[str, dict[str, object]] = {stage.value: {"model": name} for stage, name in naming.items()}
    for stage, options in other.pop("stages", {}).items():
        stages[stage] = {**stages.get(stage, {}), **options}
    return Settings.model_validate({"models": models, "stages": stages, **other})


def serving(settings: Settings, models: Mapping[str, OracleModel]) -> dict[str, OracleModel]:
    """The models, told which stages are theirs, as loading does it."""
    for name, stages in settings.lanes().items():
        models[name].stages = stages
    return dict(models)


@contextmanager
def lanes_of(settings: Settings, models: Mapping[str, OracleModel]) -> Iterator[Pipeline]:
    with open_pipeline(settings, serving(settings, models)) as pipeline:
        yield pipeline


def enrich(pipeline: Pipeline, *texts: str) -> list[EnrichedDocument]:
    outcomes = pipeline.enrich([incoming(payload(text, name=str(n)), offset=n) for n, text in enumerate(texts)])
    assert all(isinstance(outcome, Enriched) for outcome in outcomes)
    return [outcome.document for outcome in outcomes if isinstance(outcome, Enriched)]
