"""The default model: one encoder pass per window, and all four stages read from it. Cuts, prepares, runs, decodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from schemas.base import StageName
from workers.errors import ConfigurationError
from workers.models.answers import AnswerReader, RawAnswers
from workers.models.attention import Reach
from workers.models.base import ModelInfo
from workers.models.classifier import offered_labels, refusal_of
from workers.models.faults import check_finite, model_errors
from workers.models.folder import LoadedModel, open_model
from workers.models.heads import running_sums
from workers.models.precision import choose_device
from workers.models.prepared import (
    AREA_MULTIPLE,
    Collated,
    PreparedWindow,
    collate,
    lay_end_to_end,
    prepare_windows,
)
from workers.models.readout import (
    FoundSentences,
    cosines,
    label_logits,
    place,
    pooled_between,
    quantise,
    reach_of,
    read_entities,
    read_relations,
    read_sentences,
)
from workers.models.ready import pads, ready_encoder
from workers.settings import ModelSettings
from workers.stages.results import WindowAnswer
from workers.text.pieces import TextTokens, Window

DEFAULT_SCORE = 0.5  # of an entity type whose threshold was not fitted


class SharedEncoderModel:
    """Implements `workers.models.base.WindowModel`. Give `forward` to one thread at a time."""

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        labels: Mapping[str, str],
        stages: Sequence[StageName] = tuple(StageName),
        settings: ModelSettings | None = None,
    ) -> None:
        settings = settings or ModelSettings()
        self._config = config = loaded.config
        self._tokenizer = loaded.tokenizer
        self._device = choose_device(settings.device)
        self._encoder, precision = ready_encoder(loaded.encoder, config, settings, self._device)
        self._padded = pads(settings, precision, self._device)
        self._heads = loaded.heads.to(self._device).eval()  # fp32: they cost 2 % of the pass
        self.stages = tuple(stages)
        self._reader = AnswerReader(config, self.stages)
        self.max_window_tokens = loaded.encoder.positions.num_embeddings // AREA_MULTIPLE * AREA_MULTIPLE - 2
        offered = offered_labels(config, labels)
        self._label_columns = self._label_vectors = None
        if config.classifier is not None:
            numbers = [config.classifier.labels.index(label) for label in offered]
            self._label_columns = torch.tensor(numbers, device=self._device)
        elif StageName.CLASSIFICATION in self.stages:
            self._label_vectors = self._embed_labels(labels)
        relation_names = tuple(relation.name for relation in config.relation_types)
        self.info = ModelInfo(
            name=config.name,
            revision=loaded.revision,
            precision=precision,
            languages=frozenset(config.languages),
            padded=self._padded,
            device=str(self._device),
            labels={
                StageName.ENTITIES: config.entity_types,
                StageName.RELATIONS: relation_names,
                StageName.CLASSIFICATION: offered,
            },
            thresholds={
                StageName.ENTITIES: {
                    name: config.entity_thresholds.get(name, DEFAULT_SCORE) for name in config.entity_types
                },
                StageName.RELATIONS: {relation.name: relation.threshold for relation in config.relation_types},
                StageName.CLASSIFICATION: {"temperature": config.temperature, **refusal_of(config)},
                StageName.SUMMARY: {} if config.quoting is None else config.quoting.named(),
            },
        )

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self._tokenizer.cut(texts)

    def prepare(self, windows: Sequence[Window]) -> list[PreparedWindow]:
        start_id, end_id = self._tokenizer.start_id, self._tokenizer.end_id
        return prepare_windows(windows, start_id=start_id, end_id=end_id, padded=self._padded)

    @torch.inference_mode()
    def forward(self, batch: Sequence[PreparedWindow]) -> RawAnswers:
        """One pass for all stages. Raises OutOfMemory, or ModelError for anything else that goes wrong."""
        with model_errors():
            collated = self._collate(batch)
            reach, lower = self._read_lower(collated)
            entities = relations = scores = sentences = None
            if StageName.ENTITIES in self.stages or StageName.RELATIONS in self.stages:
                tuned = self._encoder.read_tuned(lower, reach, place(collated.shapes, self._device))
                check_finite(tuned)
                config = self._config
                entities = read_entities(tuned, collated, self._heads, config.entity_temperature)
                if StageName.RELATIONS in self.stages:
                    relations = read_relations(
                        tuned,
                        collated,
                        entities.mentions,
                        self._heads,
                        config.heads.neighbours,
                        config.relation_temperature,
                    )
            if StageName.CLASSIFICATION in self.stages or StageName.SUMMARY in self.stages:
                sums, windows = self._pool(collated, reach, lower)
                if self._label_vectors is not None:
                    scores = cosines(windows, self._label_vectors)
                elif self._heads.classifier is not None and self._label_columns is not None:
                    scores = label_logits(windows, self._heads.classifier, self._label_columns)
                if StageName.SUMMARY in self.stages:
                    vectors, salience = read_sentences(sums, windows, collated, self._heads)
                    sentences = FoundSentences(salience.cpu().numpy(), quantise(vectors))
            return RawAnswers(collated, entities, relations, scores, sentences)

    def decode(self, raw: RawAnswers, batch: Sequence[PreparedWindow]) -> list[WindowAnswer]:
        """One answer per item, with an entry for each of `stages`."""
        return self._reader.answers(raw, batch)

    def _collate(self, batch: Sequence[PreparedWindow]) -> Collated:
        return collate(batch) if self._padded else lay_end_to_end(batch)

    def _read_lower(self, batch: Collated) -> tuple[Reach, Tensor]:
        ids, shapes = place(batch.ids, self._device), place(batch.shapes, self._device)
        reach = reach_of(batch, self._device, padded=self._padded)
        return reach, self._encoder.read_lower(ids, reach, shapes)

    def _pool(self, batch: Collated, reach: Reach, lower: Tensor) -> tuple[Tensor, Tensor]:
        """Running sums of the sentence branch and the windows' unit vectors."""
        plain = self._encoder.read_plain(lower, reach)
        check_finite(plain)
        sums = running_sums(plain)
        places = batch.rows, batch.columns, batch.columns + batch.lengths
        return sums, pooled_between(sums, *(place(array, self._device) for array in places))

    @torch.inference_mode()
    def _embed_labels(self, labels: Mapping[str, str]) -> Tensor:
        """[L, D]: one by one, so that a label's vector does not depend on the others."""
        vectors = []
        for name, description in labels.items():
            text = self._config.label_text.format(name=name, description=description)
            tokens = self.tokenize([text])[0]
            batch = self._collate(self.prepare([Window(text, 0, (), _first(tokens, self.max_window_tokens))]))
            vectors.append(self._pool(batch, *self._read_lower(batch))[1])
        return torch.cat(vectors)


def load_model(
    settings: ModelSettings, *, labels: Mapping[str, str], stages: Sequence[StageName] = tuple(StageName)
) -> SharedEncoderModel:
    """The model that the settings name, ready to run.

    Raises ConfigurationError if a file is missing or is another, or if the model was not made for one of `stages`.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = open_model(settings, serving=True)
    for stage in stages:
        if stage not in loaded.config.stages:
            raise ConfigurationError(
                f"model {loaded.config.name} does no {stage.value}: set stages.{stage.value}.enabled to false, or name "
                "another model"
            )
    return SharedEncoderModel(loaded, labels=labels, stages=stages, settings=settings)


def _first(tokens: TextTokens, count: int) -> TextTokens:
    return TextTokens(tokens.ids[:count], tokens.starts[:count], tokens.ends[:count], tokens.words[:count])
