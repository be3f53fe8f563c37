"""What teaches: a model that says how likely each tag of a word is, or each label of a text, as logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForTokenClassification

from workers.errors import ConfigurationError
from workers.lifecycle.answers import BATCH_TOKENS
from workers.lifecycle.distil_recipe import TeacherSpec
from workers.models.adapters.checkpoint import open_checkpoint
from workers.models.adapters.rows import Logits, PreparedRows, weighted_mean
from workers.models.adapters.sequence_classification import SequenceClassifier, load_sequence_classifier
from workers.models.adapters.token_classification import TokenClassifier
from workers.models.encoder import attention_mask
from workers.models.folder import LoadedModel, open_model
from workers.models.heads import pad_rows, running_sums
from workers.models.precision import choose_device
from workers.models.prepared import PreparedWindow, collate, prepare_window
from workers.models.readout import place, pooled
from workers.settings import SequenceClassificationModel, SharedModel, TokenClassificationModel
from workers.text.pieces import IntArray, Window

OUTSIDE = "O"
_MOST = 60_000.0  # fp16 ends a little above
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SoftText:
    """What a teacher said about one text. Either part may have no columns."""

    starts: IntArray  # [W] code point where a word of the teacher's starts
    ends: IntArray  # [W]
    tags: Floats  # [W, tags] logits
    labels: Floats  # [labels] logits

    def as_stored(self) -> SoftText:
        """With the numbers that a file gives back (fp16), so that a run that was stopped learns from the same ones."""
        tags, labels = (
            np.clip(logits, -_MOST, _MOST).astype(np.float16).astype(np.float32) for logits in (self.tags, self.labels)
        )
        return SoftText(self.starts, self.ends, tags, labels)


class Teacher(Protocol):
    """Texts in, logits out. Tags are `O`, `B-` and `I-` with a type."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def say(self, texts: Sequence[str]) -> list[SoftText]:
        """One entry per text, in order. Of a text longer than the teacher reads, its start."""
        ...


def open_teacher(spec: TeacherSpec) -> Teacher:
    """Raises ConfigurationError, one line, for a model that is not there or cannot teach."""
    match spec:
        case SharedModel():
            return SharedTeacher(open_model(spec), choose_device(spec.device))
        case TokenClassificationModel():
            return TokenTeacher(_Tagger(open_checkpoint(spec, AutoModelForTokenClassification), spec))
        case SequenceClassificationModel():
            return TextTeacher(load_sequence_classifier(spec))


class SharedTeacher:
    """A model of our own kind: entities if it finds them, labels if it was trained for some."""

    def __init__(self, loaded: LoadedModel, device: torch.device) -> None:
        config = loaded.config
        self._loaded, self._device = loaded, device
        loaded.encoder.to(device).eval()
        loaded.heads.to(device).eval()
        self.name, self.revision = config.name, loaded.revision
        self.tags: tuple[str, ...] = ()
        if config.entity_types:
            self.tags = (OUTSIDE, *(f"{place}-{name}" for name in config.entity_types for place in "BI"))
        self.labels = config.classifier.labels if config.classifier else ()
        if not self.tags and not self.labels:
            raise ConfigurationError(f"teacher {config.name} has neither entity types nor trained labels: name another")

    def say(self, texts: Sequence[str]) -> list[SoftText]:
        windows = [self._prepared(text) for text in texts]
        said: dict[int, SoftText] = {}
        for area in sorted({window.area for window in windows}):
            alike = [number for number, window in enumerate(windows) if window.area == area]
            size = max(1, BATCH_TOKENS // area)
            for start in range(0, len(alike), size):
                chosen = alike[start : start + size]
                said |= zip(chosen, self._read([windows[number] for number in chosen]), strict=True)
        return [said[number] for number in range(len(texts))]

    def _prepared(self, text: str) -> PreparedWindow:
        tokenizer, most = self._loaded.tokenizer, self._loaded.encoder.positions.num_embeddings - 2
        tokens = tokenizer.cut([text])[0]
        if len(tokens) > most:
            text = text[: int(tokens.starts[most])]
            tokens = tokens.between(0, len(text))
        window = Window(text, 0, ((0, len(text)),), tokens)
        return prepare_window(window, start_id=tokenizer.start_id, end_id=tokenizer.end_id)

    @torch.inference_mode()
    def _read(self, windows: Sequence[PreparedWindow]) -> list[SoftText]:
        batch, encoder, heads = collate(windows), self._loaded.encoder, self._loaded.heads
        ids, shapes, lengths = (place(a, self._device) for a in (batch.ids, batch.shapes, batch.lengths))
        mask = attention_mask(lengths, ids.shape[1])
        lower = encoder.read_lower(ids, mask, shapes)
        tags, labels = np.zeros((len(batch.word_items), 0), np.float32), np.zeros((len(windows), 0), np.float32)
        if self.tags:
            hidden = encoder.read_tuned(lower, mask, shapes).float()
            words = hidden[place(batch.word_items, self._device), place(batch.word_firsts, self._device)]
            tags = (heads.tag_logits(words) / self._loaded.config.entity_temperature).cpu().numpy()
        if heads.classifier is not None:
            plain = encoder.read_plain(lower, mask).float()
            vectors = pooled(plain, lengths, running_sums(plain))
            logits = heads.classifier(pad_rows(vectors))[: len(windows)] / self._loaded.config.temperature
            labels = logits.cpu().numpy()
        cuts = batch.word_offsets
        return [
            SoftText(window.word_starts, window.word_ends, tags[cuts[row] : cuts[row + 1]], labels[row])
            for row, window in enumerate(windows)
        ]


class _Tagger(TokenClassifier):
    """The adapter, and what it knows before it decides."""

    def tags(self) -> tuple[str, ...]:
        scheme = self._scheme
        marks = ["B" if begins else "I" for begins in scheme.begins]
        found = tuple(f"{mark}-{name}" if name else OUTSIDE for mark, name in zip(marks, scheme.types, strict=True))
        types = {tag[2:] for tag in found if tag != OUTSIDE}
        if not types <= {tag[2:] for tag in found if tag.startswith("B-")}:
            raise ConfigurationError(
                "the teacher's labels do not say where an entity begins (B-): name another teacher"
            )
        return found

    def soft_text(self, item: PreparedRows, said: Sequence[Logits]) -> SoftText:
        """A word is what its first token says, which an earlier row has seen with more of the text behind it."""
        tokens = item.window.tokens
        logits = np.zeros((len(tokens), said[0].shape[-1]), dtype=np.float32)
        for row, seen in reversed(list(zip(item.rows, said, strict=True))):
            logits[row.first : row.first + row.count] = seen[row.at : row.at + row.count]
        begins = ~self._subwords(item.window)
        begins[:1] = True
        firsts = np.flatnonzero(begins)
        lasts = np.append(firsts[1:], len(tokens))[: len(firsts)] - 1
        return SoftText(tokens.starts[firsts], tokens.ends[lasts], logits[firsts], np.zeros(0, np.float32))


class TokenTeacher:
    """Any transformers model that gives every token a label, B and I."""

    labels: tuple[str, ...] = ()

    def __init__(self, model: _Tagger) -> None:
        self._model = model
        self.name, self.revision, self.tags = model.info.name, model.info.revision, model.tags()

    def say(self, texts: Sequence[str]) -> list[SoftText]:
        items = self._model.prepare(_windows(texts, self._model))
        said = [self._model.forward([item])[0] for item in items]
        return [self._model.soft_text(item, logits) for item, logits in zip(items, said, strict=True)]


class TextTeacher:
    """Any transformers model that gives a text one of its labels."""

    tags: tuple[str, ...] = ()

    def __init__(self, model: SequenceClassifier) -> None:
        if model.info.independent_labels:
            raise ConfigurationError(f"teacher {model.info.name} gives several labels at once, which is not distilled")
        self._model = model
        self.name, self.revision = model.info.name, model.info.revision
        self.labels = next(iter(model.info.labels.values()))

    def say(self, texts: Sequence[str]) -> list[SoftText]:
        none = np.zeros(0, np.int32)
        items = self._model.prepare(_windows(texts, self._model))
        said = [weighted_mean(item, self._model.forward([item])[0]).astype(np.float32) for item in items]
        return [SoftText(none, none, np.zeros((0, 0), np.float32), logits) for logits in said]


def _windows(texts: Sequence[str], model: TokenClassifier | SequenceClassifier) -> list[Window]:
    return [
        Window(text, 0, ((0, len(text)),), tokens) for text, tokens in zip(texts, model.tokenize(texts), strict=True)
    ]
