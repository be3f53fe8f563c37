"""The one seam where torch's errors become ours, and the check of what a pass came to."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor

from workers.errors import ModelError, NotFinite, OutOfMemory


class model_errors:  # noqa: N801 - used as a context, like contextlib's
    """Inside, what torch raises is raised as OutOfMemory or ModelError. On CPU torch tells a failed allocation by its
    message alone.

    A class: from Python 3.12 on a generator that raises another error in place of the one it was thrown leaves a cycle
    (`contextlib`), which holds the tensors of the pass that failed, and memory is what the next try is short of.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, ModelError) or not isinstance(error, Exception):
            return
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            raise OutOfMemory(str(error)) from error
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):
            raise OutOfMemory(str(error)) from error
        raise ModelError(f"{type(error).__name__} in the forward pass") from error


def check_finite(numbers: Tensor) -> None:
    """Raises NotFinite. One such number makes the sum so: a tenth of the time that looking at each would take."""
    if not bool(torch.isfinite(numbers.sum(dtype=torch.float32))):
        raise NotFinite("a number of the pass is not finite")
