"""`enrich evaluate`: a model and labelled files in, a report out. Read first: what is scored how, by name.

Everything a model says is taken as the product gives it: same windows, thresholds and merging.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workers.errors import ConfigurationError
from workers.lifecycle.bootstrap import Bootstrap
from workers.lifecycle.extraction import score_extraction
from workers.lifecycle.figures import Meter
from workers.lifecycle.formats import DataFile, ExtractionSet, LabelSet, read_file
from workers.lifecycle.labelling import score_labels
from workers.lifecycle.product import Product, open_product
from workers.lifecycle.report import Report, SetReport, Speed
from workers.lifecycle.speed import measure_speed
from workers.lifecycle.suite import SetTask, standard_suite
from workers.lifecycle.summaries import score_summaries
from workers.models.precision import use_threads
from workers.settings import ModelSettings, Settings

PACKAGES = ("enrich-workers", "torch", "tokenizers", "numpy", "rouge-score")


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured beside the figures, and how much of each file is read."""

    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    limit: int | None = None  # records of a file
    speed: bool = False


def evaluate_model(
    name: str,
    tasks: Sequence[SetTask],
    settings: Settings,
    options: Options | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Report:
    """Scores of one model on all files. `report` gets the name of each file as it is begun.

    Raises ConfigurationError for a model or a file that cannot be read, and for a file that the model cannot be
    scored on; of several files it is enough that one can be, the others have no figures.
    """
    options = options or Options()
    started_s = time.monotonic()
    use_threads(settings.model.threads)
    product = open_product(name, settings)
    files = [(task, read_file(task.path, options.limit)) for task in tasks]  # all, before the first long pass
    sets = []
    for task, file in files:
        report(file.name)
        sets.append(_score_set(product, task, file, options))
    info = product.model().info
    if not any(one.figures for one in sets):
        unknown = ", ".join(name for one in sets for name in one.not_scored) or "there are none"
        raise ConfigurationError(
            f"no name in the data ({unknown}) is one of model {info.name}: say with --map what is meant"
        )
    return Report(
        model=info.name,
        revision=info.revision,
        precision=info.precision,
        versions={"python": platform.python_version(), **_versions()},
        draws=options.bootstrap.draws,
        seed=options.bootstrap.seed,
        seconds=round(time.monotonic() - started_s, 1),
        sets=tuple(sets),
        speed=_speed(product, [file for _, file in files], report) if options.speed else None,
    )


def _score_set(product: Product, task: SetTask, file: DataFile, options: Options) -> SetReport:
    started_s = time.monotonic()
    content, unknown = file.content, tuple[str, ...]()
    meter = Meter(file.items, options.bootstrap)
    if isinstance(content, ExtractionSet):
        scored = score_extraction(product, content, task.names, meter)
        figures, unknown = scored.figures, scored.unknown
    elif isinstance(content, LabelSet):
        outside = _outside(task, options.limit)
        meter = Meter(file.items + len(outside.topics), options.bootstrap)
        labelled = score_labels(product, content.topics, outside.topics, task.labels, task.names, meter)
        figures, unknown = labelled.figures, labelled.unknown
    else:
        figures = score_summaries(product, content.documents, task.sentences, meter)
    return SetReport(
        name=file.name,
        sha256=file.sha256,
        items=file.items,
        seconds=round(time.monotonic() - started_s, 1),
        not_scored=unknown,
        figures=tuple(figures),
    )


def _outside(task: SetTask, limit: int | None) -> LabelSet:
    if task.outside is None:
        return LabelSet(())
    content = read_file(task.outside, limit).content
    if not isinstance(content, LabelSet):
        raise ConfigurationError(f"{task.outside} holds no labelled texts: --out-of-scope wants text and label")
    return content


def _speed(product: Product, files: Sequence[DataFile], report: Callable[[str], None]) -> Speed:
    report("speed")
    return measure_speed(product, [text for file in files for text in texts_of(file)])


def texts_of(file: DataFile) -> list[str]:
    content = file.content
    if isinstance(content, ExtractionSet):
        return [" ".join(text.tokens) for text in content.texts]
    return [one.text for one in (content.topics if isinstance(content, LabelSet) else content.documents)]


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # only rouge-score is optional
    return found


def evaluate(folder: Path, data: Path, *, report: Callable[[str], None] = print) -> dict[str, float]:
    """What the model card states, of the standard sets that `data` has."""
    return stated_scores(ModelSettings(name=str(folder)), standard_suite(data), report=report)


def stated_scores(
    model: ModelSettings, tasks: Sequence[SetTask], *, report: Callable[[str], None] = print
) -> dict[str, float]:
    """F1, accuracy and ROUGE in points by name: what a card states."""
    found = evaluate_model(model.name, tasks, Settings(model=model), report=report)
    stated = ((one.name, figure) for one in found.sets for figure in one.figures if figure.gated)
    return {f"{name} {figure.name}": round(figure.value, 1) for name, figure in stated}
