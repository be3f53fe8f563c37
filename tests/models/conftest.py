"""An empty store of models, and a web server that a test fills with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer, serving
from workers.models.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


@pytest.fixture
def web() -> Iterator[ModelServer]:
    with serving(ModelServer({})) as server:
        yield server
