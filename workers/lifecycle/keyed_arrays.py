"""Arrays on disk, tied by a digest to what they were made of: written whole or not at all, no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from workers.errors import ConfigurationError

_KEY = "of"  # the digest, in the file's metadata
Arrays = dict[str, npt.NDArray[Any]]


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], key: str) -> None:
    fresh = path.with_suffix(".new")
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, fresh, {_KEY: key}
    )
    os.replace(fresh, path)  # noqa: PTH105


def read_arrays(path: Path, key: str, *, what: str) -> Arrays:
    """`what` they should be of, for the message. Raises ConfigurationError if the file is damaged or of another key."""
    try:
        with safe_open(path, framework="np") as file:
            known = (file.metadata() or {}).get(_KEY)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ConfigurationError(f"{path} is damaged: delete it, and it is made again") from error
    if known != key:
        raise ConfigurationError(f"{path} is of {what}: choose another --out, or delete its folder")
    return arrays
