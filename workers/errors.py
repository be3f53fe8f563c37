"""Every exception this project raises, and what is done about each.

    EnrichError
    |- ConfigurationError   the start stops with one line: what, which limit, what to do     exit code 2
    |- DependencyError      Kafka, Redis or a remote model is not well: pause and retry,         exit code 3 if it lasts
    |  |                    never a dead letter
    |  |- CacheDown         the cache is skipped
    |  |- ModelDown         a model that runs elsewhere does not answer: pause and retry
    |  |- PublishFailed     the epoch was not committed: its records are read again
    |  |- DeviceLost        the device or its thread is gone: the worker stops, its records are read again
    |  |  |- WorkStuck      a call of a model does not come back: the same                       exit code 4
    |- ModelError           a batch failed: halved until the guilty text is alone, which is dead-lettered
       |- OutOfMemory       the batch was too large, not wrong: halved, and the budget is lowered
       |- NotFinite         a number of a pass is NaN or infinite: as any other

A bad record is not an exception but a value, `workers.enrich.outcome.Failure`, and ends as a dead letter.
Imports nothing of ours, so that every module may import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class EnrichError(Exception):
    """Base of all errors of this project."""


class ConfigurationError(EnrichError):
    """The configuration cannot work. The message is one line and says what to change."""


class DependencyError(EnrichError):
    """A service that is needed does not do its part."""


class CacheDown(DependencyError):
    """The cache did not answer in time or answered with an error."""


class ModelDown(DependencyError):
    """A model that runs elsewhere does not answer, whatever the text. It may come back: nobody's text is blamed."""


class PublishFailed(DependencyError):
    """An epoch's transaction did not commit, or nobody can tell; nothing of it may be counted as done."""


class DeviceLost(DependencyError):
    """The model answers nothing any more, whatever the text; or its device thread has ended."""


class WorkStuck(DeviceLost):
    """A call that was given plenty of time has not come back, and cannot be stopped from inside the process."""


class ModelError(EnrichError):
    """A model raised, or returned something that is not an answer."""


class OutOfMemory(ModelError):
    """The device has no memory left for a batch of this size."""


class NotFinite(ModelError):
    """A pass came to a number that is none: an overflow of the number format, or broken weights."""


@contextmanager
def extra_needed(extra: str) -> Iterator[None]:
    """A package that is missing is a wrong installation, told in one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        told = f"{error.name} is not installed: pip install 'enrich-workers[{extra}]'"
        raise ConfigurationError(told) from error
