"""Work in a thread of its own that ends with it, for what computes beside the device's thread. Imports no torch.

On CPUs torch's OpenMP gives every thread that computes a team, which lives as long as that thread. While there are more
threads in teams than cores, those that wait for the next piece of work sleep instead of spinning, and a forward pass of
some hundred pieces takes a quarter longer. So models are loaded and measured apart, and passes are run by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


def apart(call: Callable[ParametersT, ResultT]) -> Callable[ParametersT, ResultT]:
    """`call`, in a new thread each time; the caller waits for it, and gets what it returns or raises."""

    @wraps(call)
    def run(*args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ResultT:
        with ThreadPoolExecutor(1, thread_name_prefix="apart") as pool:
            return pool.submit(call, *args, **kwargs).result()

    return run
