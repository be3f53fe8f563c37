"""The bridge to an endpoint as its tests open it: on a fake server, with little patience."""

from __future__ import annotations

from typing import Any

from schemas.base import StageName
from tests.fakes.models import window_of
from tests.fakes.openai_server import LABELS, FakeOpenAi
from workers.models.adapters.openai import OpenAiModel, load_openai
from workers.models.base import Unanswered
from workers.settings import OpenAiModel as OpenAiSettings
from workers.stages.results import EntitiesResult, FoundEntity, WindowAnswer

KEY = "sk-very-secret-0123456789"
DESCRIBED = {label: f"About {label}." for label in LABELS}
SURE = 0.9  # exp(LOGPROB), rounded


def settings_for(server: FakeOpenAi, **options: Any) -> OpenAiSettings:
    quick = {
        "backoff_s": 0.001,
        "max_backoff_s": 0.01,
        "read_timeout_s": 0.4,
        "connect_timeout_s": 5.0,
        "deadline_s": 20.0,
    }
    return OpenAiSettings.model_validate(
        {
            "kind": "openai",
            "base_url": server.url,
            "model": "tiny",
            "api_key": KEY,
            "relation_types": {"knows": "The head knows the tail."},
            **quick,
            **options,
        }
    )


def load(server: FakeOpenAi, opened: list[OpenAiModel], *stages: StageName, **options: Any) -> OpenAiModel:
    model = load_openai(
        settings_for(server, **options), stages=stages or (StageName.ENTITIES,), labels=DESCRIBED, max_sentences=1
    )
    opened.append(model)
    server.asked.clear()
    return model


def answers(model: OpenAiModel, *texts: str) -> list[WindowAnswer | Unanswered]:
    prepared = model.prepare([window_of(text) for text in texts])
    return model.decode(model.forward(prepared), prepared)


def codes(found: list[WindowAnswer | Unanswered]) -> list[str]:
    return [answer.code if isinstance(answer, Unanswered) else "ok" for answer in found]


def person(text: str, name: str) -> WindowAnswer:
    start = text.index(name)
    return {StageName.ENTITIES: EntitiesResult((FoundEntity("PER", start, start + len(name), SURE),))}
