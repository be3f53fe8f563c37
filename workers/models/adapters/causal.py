"""A causal language model of transformers as a window model: a prompt per task, replies read strictly, labels rated.

Entities, relations and summaries are written by greedy search and parsed; labels are not written but compared: how
likely is each as the reply. A row is padded to a length of its own window alone, and every pass has as many rows: so an
answer is the same bits in any batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from schemas.base import StageName
from workers.errors import ConfigurationError, ModelError
from workers.models.adapters.causal_engine import CausalEngine, Generated
from workers.models.adapters.causal_prompt import BEGINNINGS, CausalTokenizer, Frame, label_continuations
from workers.models.adapters.weights import files_digest, load_weights
from workers.models.base import ModelInfo, Unanswered
from workers.models.faults import model_errors
from workers.models.precision import DTYPES, Precision, choose_device, choose_precision
from workers.models.prepared import AREA_MULTIPLE, padded_length
from workers.models.prompts import Vocabulary
from workers.models.prompts_replies import Reply
from workers.models.prompts_tasks import READING_VERSION, Results, Tasks, combine, tasks_for
from workers.models.store import find_folder
from workers.settings import CausalLanguageModel
from workers.stages.results import ClassificationResult, WindowAnswer
from workers.text.pieces import IntArray, TextTokens, Window

ROOM_FOR_ESCAPES = 32  # tokens a window may grow by when its text is escaped; one that grows more may not fit


FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
)
RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class PreparedText:
    """One window as it stands in every prompt."""

    window: Window
    ids: IntArray  # [D] of the escaped text
    padded: int  # D rounded up: the length of each prompt is this and a constant of its task
    area: int


@dataclass(frozen=True, slots=True)
class RawReplies:
    """Per task and item what was written; for labels their mean log-probabilities."""

    written: Mapping[StageName, Sequence[Generated]]
    rated: Sequence[tuple[float, ...]]  # [B][labels], empty if there is no such task


class CausalModel:
    """See the module."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: CausalTokenizer,
        tasks: Tasks,
        settings: CausalLanguageModel,
        info: ModelInfo,
    ) -> None:
        self._tokenizer = tokenizer
        self._tasks = tasks
        self._engine = CausalEngine(model, pad_id=tokenizer.pad_id, end_ids=tokenizer.end_ids)
        self._rows = settings.rows
        self._max_reply_tokens = settings.max_reply_tokens
        self._frames: dict[StageName, Frame] = {
            task: tokenizer.frame(task, prompt) for task, prompt in tasks.prompts.items()
        }
        self._labels = label_continuations(tasks.vocabulary.labels, tokenizer)
        self._overhead = max(map(len, self._frames.values())) + max(
            settings.max_reply_tokens, *(len(tokens) for tokens in self._labels or [()])
        )
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._room = (context if isinstance(context, int) else 1 << 20) - self._overhead
        frames = hashlib.sha256()
        for frame in self._frames.values():
            frames.update(frame.head.tobytes() + b"|" + frame.tail.tobytes() + b"|")
        revision = f"{info.revision}/{frames.hexdigest()}/{settings.max_reply_tokens}/{settings.rows}/{READING_VERSION}"
        self.info = replace(info, revision=hashlib.sha256(revision.encode()).hexdigest())

    @property
    def stages(self) -> tuple[StageName, ...]:
        return self._tasks.stages

    @property
    def max_window_tokens(self) -> int:
        """The most that leaves room for the prompt and the reply."""
        return (self._room - ROOM_FOR_ESCAPES) // AREA_MULTIPLE * AREA_MULTIPLE

    def dropped(self) -> dict[str, int]:
        """What was dropped from replies so far, by reason."""
        return self._tasks.tally.counts()

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self._tokenizer.cut(texts)

    def prepare(self, windows: Sequence[Window]) -> list[PreparedText]:
        """Raises ModelError if a text does not fit, which is cut by its tokens and grows when it is escaped."""
        prepared = []
        for window in windows:
            ids = self._tokenizer.document(window.text)
            padded = padded_length(max(1, len(ids)))
            if padded > self._room:
                raise ModelError(f"a window of {len(ids)} tokens does not fit the model's context")
            prepared.append(PreparedText(window, ids, padded, padded + self._overhead))
        return prepared

    def forward(self, batch: Sequence[PreparedText]) -> RawReplies:
        """Raises OutOfMemory, or ModelError for anything else that goes wrong."""
        with model_errors():
            if len({item.padded for item in batch}) != 1:
                raise ValueError("the items of a batch have different areas")
            written: dict[StageName, list[Generated]] = {}
            rated: list[tuple[float, ...]] = []
            for task, frame in self._frames.items():
                prompts = [frame.around(item.ids) for item in batch]
                length = batch[0].padded + len(frame)
                if task is StageName.CLASSIFICATION:
                    rate = partial(self._engine.rate, continuations=self._labels, length=length)
                    rated = self._in_passes(prompts, rate)
                else:
                    write = partial(self._engine.write, length=length, max_new_tokens=self._max_reply_tokens)
                    written[task] = self._in_passes(prompts, write)
            return RawReplies(written, rated)

    def _in_passes(self, prompts: Sequence[IntArray], run: Callable[[Sequence[IntArray]], list[RowT]]) -> list[RowT]:
        """Every pass has the same number of rows: a matrix product of another shape would give other bits."""
        found: list[RowT] = []
        for start in range(0, len(prompts), self._rows):
            rows = prompts[start : start + self._rows]
            found += run([*rows, *[rows[-1]] * (self._rows - len(rows))])[: len(rows)]
        return found

    def decode(self, raw: RawReplies, batch: Sequence[PreparedText]) -> list[WindowAnswer | Unanswered]:
        return [
            combine(self.stages, [self._outcome(task, raw, row, item.window) for task in self._frames])
            for row, item in enumerate(batch)
        ]

    def _outcome(self, task: StageName, raw: RawReplies, row: int, window: Window) -> Results | Unanswered:
        if task is StageName.CLASSIFICATION:
            scores = tuple(round(score, 4) for score in raw.rated[row])
            return {task: ClassificationResult(scores, len(window.tokens))}
        written = raw.written[task][row]
        text, ends = self._tokenizer.read(written.ids)
        shift = len(BEGINNINGS[task])
        reply = Reply(
            BEGINNINGS[task] + text, tuple(end + shift for end in ends), written.logprobs, complete=written.complete
        )
        return self._tasks.read(task, reply, window)


def load_causal(
    settings: CausalLanguageModel, *, stages: Sequence[StageName], labels: Mapping[str, str], max_sentences: int
) -> CausalModel:
    """The model in a folder. Raises ConfigurationError with what to do if there is none that can be used."""
    folder = find_folder(settings.name, revision=settings.revision, files=FILES)
    device = choose_device(settings.device)
    precision: Precision = choose_precision(settings.precision, device)
    vocabulary = Vocabulary(settings.entity_types, settings.relation_types, labels, max_sentences)
    tasks = tasks_for(stages, vocabulary, settings.templates)
    model = load_weights(folder, AutoModelForCausalLM)
    module: torch.nn.Module = model
    module.to(device, DTYPES[precision]).eval()
    info = ModelInfo(
        name=folder.name,
        revision=files_digest(folder, FILES),
        precision=precision,
        languages=frozenset(settings.languages),
        device=str(device),
        labels={
            StageName.ENTITIES: tuple(settings.entity_types),
            StageName.RELATIONS: tuple(settings.relation_types),
            StageName.CLASSIFICATION: tuple(labels),
        },
        thresholds={StageName.CLASSIFICATION: {"temperature": 1.0}},
    )
    loaded = CausalModel(model, CausalTokenizer(folder), tasks, settings, info)
    if loaded.max_window_tokens < AREA_MULTIPLE:
        raise ConfigurationError(
            f"the prompts and max_reply_tokens={settings.max_reply_tokens} leave no room for a text in {folder}: "
            "lower max_reply_tokens, shorten the templates, or use a model with a longer context"
        )
    return loaded
