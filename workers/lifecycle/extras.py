"""What only the packaged model has beside entities and relations: the sentence space, salience, labels, test scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from rich.progress import Progress

from schemas.base import StageName
from workers.lifecycle.data import Summarized, read_lines, read_oracle, read_prominence, read_topics
from workers.lifecycle.evaluate import evaluate
from workers.lifecycle.examples import Example
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.salience import PERMISSIVE_GENRES, fit, read
from workers.lifecycle.sentences import restore_sentences, text_windows
from workers.lifecycle.topics import cosines_of, fit_temperature, readable
from workers.models.encoder import build_encoder
from workers.models.folder import LoadedModel, open_model
from workers.models.precision import DTYPES, choose_precision
from workers.models.shared import SharedEncoderModel
from workers.models.store import find_trunk
from workers.settings import DEFAULT_LABELS, ModelSettings

TEMPERATURE_TEXTS = 2_000
SHORT_TEXTS = ("banking77.train", "clinc150.train", "sentence_polarity.train")  # labels are as short as these
packaged_scores = evaluate


def restore_space(model: LoadedModel, examples: Sequence[Example], recipe: TrainSettings, *, data: Path) -> None:
    """The sentence branch after its lower layers were tuned; on the examples' texts, and on shorter and longer ones."""
    trunk = build_encoder(
        safetensors.torch.load(find_trunk().weights), recipe.encoder.model_copy(update={"case_at": "branch"})
    ).eval()
    texts = list(DEFAULT_LABELS.values())
    if recipe.packaged_extras:
        for name in SHORT_TEXTS:
            texts += [str(row["text"]) for row in read_lines(data / f"classification/{name}.jsonl")][: recipe.limit]
        documents = [*_summarized(data)][: recipe.limit]
        texts += [document.text for document in documents]
    windows = [example.window for example in examples] + text_windows(model, texts, max_tokens=recipe.max_tokens)
    precision = choose_precision(recipe.precision, torch.device("cpu"))
    with Progress() as bar:
        task = bar.add_task("restoring the sentence space")
        restore_sentences(
            model,
            trunk,
            windows,
            tokens=recipe.restore_tokens,
            batch_tokens=recipe.batch_tokens,
            rate=recipe.restore_rate,
            seed=recipe.seed,
            dtype=DTYPES[precision],
            report=lambda step, steps, loss: bar.update(
                task, completed=step, total=steps, description=f"restoring the sentence space: {loss:.4f}"
            ),
        )


def _summarized(data: Path) -> list[Summarized]:
    documents = read_oracle(data / "summarization/scitldr_a.train.jsonl")
    return documents + read_prominence(data / "summarization/gum.train.jsonl", PERMISSIVE_GENRES)


def learn_salience(model: LoadedModel, data: Path, *, seed: int) -> None:
    model.encoder.requires_grad_(False)
    fit(model.heads.salience, read(model, _summarized(data)), seed=seed)


def topic_temperature(folder: Path, data: Path, *, seed: int) -> float:
    """Fitted on intents with a permissive licence, offered by their names alone."""
    topics = read_topics(data / "classification/clinc150.dev.jsonl")[:TEMPERATURE_TEXTS]
    names = sorted({topic.label for topic in topics})
    settings = ModelSettings(name=str(folder))
    model = SharedEncoderModel(
        open_model(settings),
        labels={name: readable(name) for name in names},
        stages=(StageName.CLASSIFICATION,),
        settings=settings,
    )
    cosines = cosines_of(model, [topic.text for topic in topics])
    return fit_temperature(cosines, [names.index(topic.label) for topic in topics], seed=seed)
