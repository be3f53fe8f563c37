"""A server on a real socket, and the bridges to it, closed at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.openai_server import FakeOpenAi
from workers.models.adapters.openai import OpenAiModel


@pytest.fixture
def server() -> Iterator[FakeOpenAi]:
    with FakeOpenAi() as fake:
        yield fake


@pytest.fixture
def opened() -> Iterator[list[OpenAiModel]]:
    """Closed at the end."""
    models: list[OpenAiModel] = []
    yield models
    for model in models:
        model.close()
