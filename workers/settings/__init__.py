"""Every option, declared once: unit in the name, bound in the type, default, and the reason to change it.

Where values come from is `workers.configuration`'s business. Frozen; an unknown option is an error, and a combination
that cannot work is refused at the start with what, which limit, and what to do.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import StageName
from workers.settings.base import FrozenSettings
from workers.settings.calibration import CalibrationSettings
from workers.settings.flow import (
    BatchSettings,
    CacheSettings,
    EpochSettings,
    LimitSettings,
    OutputSettings,
    WindowSettings,
)
from workers.settings.insights import InsightsSettings
from workers.settings.kafka import KafkaSettings
from workers.settings.model import (
    DEFAULT_MODEL,
    CausalLanguageModel,
    CheckpointModel,
    ModelSettings,
    ModelSpec,
    NamedModel,
    OpenAiModel,
    SequenceClassificationModel,
    SequenceToSequenceModel,
    SharedModel,
    TokenClassificationModel,
    ZeroShotModel,
)
from workers.settings.serve import ServeSettings
from workers.settings.stages import (
    DEFAULT_LABELS,
    ClassificationSettings,
    EntitySettings,
    RelationSettings,
    StageOptions,
    StageSettings,
    SummarySettings,
)
from workers.settings.store import StoreSettings
from workers.settings.telemetry import TelemetrySettings

__all__ = [
    "DEFAULT_LABELS",
    "DEFAULT_MODEL",
    "BatchSettings",
    "CacheSettings",
    "CalibrationSettings",
    "CausalLanguageModel",
    "CheckpointModel",
    "ClassificationSettings",
    "EntitySettings",
    "EpochSettings",
    "FrozenSettings",
    "InsightsSettings",
    "KafkaSettings",
    "LimitSettings",
    "ModelSettings",
    "ModelSpec",
    "NamedModel",
    "OpenAiModel",
    "OutputSettings",
    "RelationSettings",
    "SequenceClassificationModel",
    "SequenceToSequenceModel",
    "ServeSettings",
    "Settings",
    "SharedModel",
    "StageOptions",
    "StageSettings",
    "StoreSettings",
    "SummarySettings",
    "TelemetrySettings",
    "TokenClassificationModel",
    "WindowSettings",
    "ZeroShotModel",
]


ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class Settings(FrozenSettings):
    """The whole tree."""

    kafka: KafkaSettings = KafkaSettings()
    epoch: EpochSettings = EpochSettings()
    limits: LimitSettings = LimitSettings()
    window: WindowSettings = WindowSettings()
    model: ModelSettings = ModelSettings()
    models: dict[ModelName, ModelSpec] = Field(
        {}, description="models that stages can name beside the default one: name, and `kind` with its options"
    )
    store: StoreSettings = StoreSettings()
    batch: BatchSettings = BatchSettings()
    cache: CacheSettings = CacheSettings()
    stages: StageSettings = StageSettings()
    output: OutputSettings = OutputSettings()
    insights: InsightsSettings = InsightsSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    serve: ServeSettings = ServeSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    def spec(self, name: str) -> ModelSettings | ModelSpec:
        """The model of that name."""
        return self.model if name == DEFAULT_MODEL else self.models[name]

    def lanes(self) -> dict[str, tuple[StageName, ...]]:
        """The models that are needed, and the enabled stages that each serves. Two names of one model are one lane."""
        lanes: dict[str, list[StageName]] = {}
        for stage in self.stages.enabled():
            named = self.stages.of(stage).model
            same = next((name for name in lanes if self.spec(name) == self.spec(named)), named)
            lanes.setdefault(same, []).append(stage)
        return {name: tuple(stages) for name, stages in lanes.items()}

    @model_validator(mode="after")
    def stages_name_models_that_serve_them(self) -> Self:
        if DEFAULT_MODEL in self.models:
            raise ValueError(f"models.{DEFAULT_MODEL} is the name of `model`: choose another name, or change `model`")
        for stage in StageName:
            option, name = f"stages.{stage.value}.model", self.stages.of(stage).model
            if name != DEFAULT_MODEL and name not in self.models:
                raise ValueError(f"{option}={name} is not in models: add it there, or correct the name")
            if stage not in self.spec(name).serves:
                can = [other.value for other in StageName if other in self.spec(name).serves]
                raise ValueError(f"{option}={name} serves {' and '.join(can)} only: name another model")
        return self

    @model_validator(mode="after")
    def sizes_fit(self) -> Self:
        windows = {f"models.{name}.window": spec.window for name, spec in self.models.items() if spec.window}
        for option, window in {"window": self.window, **windows}.items():
            most = self.batch.max_padded_tokens
            if most is not None and window.max_tokens + 2 > most:
                raise ValueError(
                    f"{option}.max_tokens={window.max_tokens} does not fit batch.max_padded_tokens="
                    f"{most}: lower the first or raise the second"
                )
        if self.limits.max_record_bytes > self.epoch.max_in_flight_bytes:
            raise ValueError(
                f"limits.max_record_bytes={self.limits.max_record_bytes} exceeds epoch.max_in_flight_bytes="
                f"{self.epoch.max_in_flight_bytes}: lower the first or raise the second"
            )
        if self.stages.relations.enabled and not self.stages.entities.enabled:
            raise ValueError("stages.relations needs stages.entities: enable entities or disable relations")
        return self
