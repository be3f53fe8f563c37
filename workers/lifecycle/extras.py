"""What a model has beside entities and relations: the sentence space, salience, and the packaged one's test scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
from rich.progress import Progress

from schemas.base import StageName
from workers.lifecycle.data import read_lines, read_topics
from workers.lifecycle.evaluate import evaluate
from workers.lifecycle.examples import Example
from workers.lifecycle.quoting import School
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.salience import SummedUp, read_documents, read_summed_up
from workers.lifecycle.sentences import begin_from, restore_sentences, text_windows
from workers.lifecycle.summary_recipe import SummedUpFile
from workers.lifecycle.topics import cosines_of, fit_temperature, readable
from workers.models.encoder import build_encoder
from workers.models.folder import LoadedModel, open_model
from workers.models.precision import DTYPES, choose_precision
from workers.models.shared import SharedEncoderModel
from workers.models.store import find_trunk
from workers.settings import DEFAULT_LABELS, ModelSettings
from workers.stages.results import Quoting

TEMPERATURE_TEXTS = 2_000
SHORT_TEXTS = ("banking77.train", "clinc150.train", "sentence_polarity.train")  # labels are as short as these
packaged_scores = evaluate


def restore_space(model: LoadedModel, examples: Sequence[Example], recipe: TrainSettings, *, data: Path) -> None:
    """The sentence branch after its lower layers were tuned; on the examples' texts, and on shorter and longer ones."""
    whole = recipe.encoder.model_copy(update={"case_at": "branch", "plain_layers": None})
    device = model.encoder.words.weight.device
    trunk = build_encoder(safetensors.torch.load(find_trunk().weights), whole).to(device).eval()
    if recipe.start is None:
        begin_from(model.encoder.plain, trunk.plain)
    texts = list(DEFAULT_LABELS.values())
    if recipe.packaged_extras:
        for name in SHORT_TEXTS:
            texts += [str(row["text"]) for row in read_lines(data / f"classification/{name}.jsonl")][: recipe.limit]
    texts += [document.text for file in summed_up(data, recipe.summed_up, recipe.limit) for document in file]
    windows = [example.window for example in examples] + text_windows(
        model.tokenizer, texts, max_tokens=recipe.max_tokens
    )
    precision = choose_precision(recipe.precision, device)
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


def summed_up(data: Path, files: Sequence[SummedUpFile], limit: int | None) -> list[list[SummedUp]]:
    """By file."""
    return [read_summed_up(data, file, limit) for file in files]


def learn_salience(model: LoadedModel, files: Sequence[Sequence[SummedUp]], *, seed: int) -> Quoting:
    """Puts a new salience head into the model; returns the weights by which its logits make a quote."""
    school, shape = School.of(read_documents(model, texts) for texts in files), model.config.heads
    head = school.head(model.encoder.width, shape, seed=seed)
    model.heads.salience.load_state_dict(head.state_dict())
    return school.quoting(model.encoder.width, shape, seed=seed)


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
