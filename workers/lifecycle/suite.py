"""Which files are scored, and how each is to be read. Holds the sets that the packaged model is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, PositiveInt, TypeAdapter, ValidationError

from workers.errors import ConfigurationError
from workers.lifecycle.naming import LabelMap
from workers.lifecycle.recipe_file import read_yaml
from workers.settings import FrozenSettings


class SetTask(FrozenSettings):
    """One file to score."""

    path: Path
    names: LabelMap = LabelMap()
    labels: dict[str, str] | None = Field(None, description="label: a sentence that describes it, else the name")
    outside: Path | None = Field(None, description="file of texts that fit no label")
    sentences: PositiveInt | None = Field(None, description="sentences of a summary, else as the references have")


# Written from the names of the topics alone, before any text was scored with them.
BBC_TOPICS = {
    "business": "Business and finance: companies, markets, trade, earnings and the economy.",
    "entertainment": "Entertainment and culture: films, music, television, books, art and celebrities.",
    "politics": "Politics and government: elections, parliament, ministers, laws and diplomacy.",
    "sport": "Sport: matches, teams, players, tournaments and results.",
    "tech": "Technology: software, computers, the internet, phones and gadgets.",
}
STANDARD = (
    SetTask(path=Path("ner/uner_ewt.test.jsonl")),
    SetTask(path=Path("ner/wikigold.test.jsonl")),
    SetTask(path=Path("ner/wnut17.test.jsonl")),
    SetTask(path=Path("relations/redocred.test.jsonl")),
    SetTask(path=Path("relations/knowledgenet.dev.jsonl")),
    SetTask(path=Path("classification/bbc.test.jsonl"), labels=BBC_TOPICS),
    SetTask(path=Path("summarization/cnndm_frank.test.jsonl"), sentences=3),
    SetTask(path=Path("summarization/scitldr_a.test.jsonl"), sentences=1),
)


def standard_suite(folder: Path) -> tuple[SetTask, ...]:
    """The sets of `STANDARD` that the folder has. Raises ConfigurationError if it has none."""
    there = tuple(
        task.model_copy(update={"path": folder / task.path}) for task in STANDARD if (folder / task.path).is_file()
    )
    if not there:
        wanted = ", ".join(str(task.path) for task in STANDARD)
        raise ConfigurationError(f"{folder} holds none of the standard data sets ({wanted}): name another folder")
    return there


def tasks_of(paths: Sequence[Path], common: SetTask) -> tuple[SetTask, ...]:
    """One task per file, in order; a folder stands for its *.jsonl. All are read as `common` says."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not inside:
            raise ConfigurationError(f"{path} holds no *.jsonl file: name another folder")
        files += inside
    return tuple(common.model_copy(update={"path": file}) for file in files)


def read_labels(path: Path) -> dict[str, str]:
    """Label and description from a YAML file. Raises ConfigurationError, one line, for anything else."""
    try:
        found = TypeAdapter(dict[str, str]).validate_python(read_yaml(path))
    except ValidationError as error:
        raise ConfigurationError(f"{path}: not a list of `label: description`: correct it") from error
    if not found:
        raise ConfigurationError(f"{path} describes no label: write `label: description` lines")
    return found
