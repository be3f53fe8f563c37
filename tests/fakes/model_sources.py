"""Folders at URLs that a test fills with a model, and the look at a store that nothing came to."""

from __future__ import annotations

from collections.abc import Mapping

import fsspec

from tests.fakes.model_server import ModelServer
from workers.models.shelf import Shelf


class Source:
    """A folder at a URL that a test fills."""

    def __init__(self, url: str, web: ModelServer | None = None) -> None:
        self.url, self._web = url, web

    def put(self, files: Mapping[str, bytes]) -> Source:
        for name, data in files.items():
            if self._web is not None:
                self._web.files[f"/m/{name}"] = data
            else:
                with fsspec.open(f"{self.url}/{name}", "wb", auto_mkdir=True) as file:
                    file.write(data)
        return self


def is_empty(shelf: Shelf) -> bool:
    """No model, no name, nothing half fetched."""
    halves = [path for path in (shelf.root / "incoming").glob("*") if path.is_dir()]
    return (shelf.digests(), shelf.names(), halves) == ((), {}, [])
