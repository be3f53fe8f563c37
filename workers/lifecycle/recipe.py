"""What a training run is made of: its settings, and which files teach what. Only sets that let weights be shared."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError

from workers.errors import ConfigurationError
from workers.lifecycle.data import Labelled, read_related, read_tagged
from workers.lifecycle.examples import Example, ExampleMaker
from workers.models.tokenizer import SubwordTokenizer
from workers.settings import FrozenSettings


class TrainSettings(FrozenSettings):
    """The recipe of the packaged model. Every default is what it was made with."""

    name: str = Field("enrich-minilm-en", description="name in the receipts")
    seed: int = Field(7, description="of the order of the data, the cuts and the heads' first weights")
    epochs: PositiveInt = Field(4, description="passes over the data")
    batch_tokens: PositiveInt = Field(4_096, description="padded tokens of a step")
    encoder_rate: PositiveFloat = Field(2.5e-4, description="learning rate of the tuned layers")
    heads_rate: PositiveFloat = Field(
        1.5e-3, description="learning rate of heads and word shapes, which start from nothing"
    )
    warm_up: PositiveFloat = Field(0.06, lt=1, description="part of the steps in which the rates rise")
    weight_decay: NonNegativeFloat = Field(0.01, description="AdamW")
    dropout: float = Field(0.1, ge=0, lt=1, description="of hidden states before the heads")
    recase: float = Field(0.1, ge=0, le=1, description="part of windows shown in lower case or in capitals only")
    relation_weight: NonNegativeFloat = Field(1.0, description="of the relation loss against the entity loss")
    max_tokens: PositiveInt = Field(254, le=510, description="longest window")
    single_share: float = Field(0.4, ge=0, le=1, description="part of sentences that stay alone; the rest are joined")
    cuts: PositiveInt = Field(2, description="times each document with relations is cut, each time elsewhere")
    heldout_documents: PositiveInt = Field(60, description="documents with relations kept for choosing thresholds")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 1 where others use the cores too, 0: all")
    limit: PositiveInt | None = Field(None, description="texts per data set; for a quick try")
    precision: str = Field("auto", pattern="^(auto|fp32|bf16)$", description="of the passes; the weights stay fp32")


def read_recipe(path: Path | None) -> TrainSettings:
    """The recipe of a YAML file; the packaged model's where the file or a value in it is not given."""
    if path is None:
        return TrainSettings()
    try:
        return TrainSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror}): correct the path") from error
    except (yaml.YAMLError, ValidationError) as error:
        first = (
            str(error.errors()[0]["loc"]) + " " + error.errors()[0]["msg"]
            if isinstance(error, ValidationError)
            else "not YAML"
        )
        raise ConfigurationError(f"{path}: {first}: see workers/lifecycle/recipe.py for what there is") from error


@dataclass(frozen=True, slots=True)
class Source:
    """A file and how it is read."""

    name: str
    path: str
    attribution: str
    related: bool = False


_CROSSNER = [
    Source(f"crossner_{domain}.{split}", f"ner/crossner_{domain}.{split}.jsonl", "CrossNER (Liu et al. 2021), MIT")
    for domain in ("ai", "literature", "music", "politics", "science")
    for split in ("train", "dev")
]
TRAINING = (
    Source("uner_ewt.train", "ner/uner_ewt.train.jsonl", "Universal NER EWT (Mayhew et al. 2024), CC BY-SA 4.0"),
    Source("btc.train", "ner/btc.train.jsonl", "Broad Twitter Corpus (Derczynski et al. 2016), CC BY 4.0"),
    Source("wnut17.train", "ner/wnut17.train.jsonl", "WNUT-17 (Derczynski et al. 2017), CC BY 4.0"),
    *_CROSSNER,
    Source("redocred.dev", "relations/redocred.dev.jsonl", "Re-DocRED (Tan et al. 2022), MIT; text Wikipedia", True),
    Source(
        "knowledgenet.train",
        "relations/knowledgenet.train.jsonl",
        "KnowledgeNet (Mesquita et al. 2019), CC BY-SA 4.0",
        True,
    ),
    Source("fewrel.val_wiki", "relations/fewrel.val_wiki.jsonl", "FewRel (Han et al. 2018), MIT; text Wikipedia", True),
)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Examples to learn from, how many of each source, and the documents that are only used to choose thresholds."""

    examples: list[Example]
    counts: dict[str, int]
    heldout: list[Labelled]


def gather(folder: Path, tokenizer: SubwordTokenizer, recipe: TrainSettings) -> TrainingData:
    """Reads and cuts all training sets. The same seed gives the same examples."""
    rng = random.Random(recipe.seed)  # noqa: S311
    examples: list[Example] = []
    counts: dict[str, int] = {}
    heldout: list[Labelled] = []
    for source in TRAINING:
        texts = (read_related if source.related else read_tagged)(folder / source.path)
        if source.name == "redocred.dev":
            rng.shuffle(texts)
            heldout, texts = texts[: recipe.heldout_documents], texts[recipe.heldout_documents :]
        maker = ExampleMaker(tokenizer, source.name.split(".")[0], max_tokens=recipe.max_tokens)
        made = list(_examples(maker, texts[: recipe.limit], source, recipe, rng))
        counts[source.name] = len(made)
        examples += made
    return TrainingData(examples, counts, heldout)


def _examples(
    maker: ExampleMaker, texts: list[Labelled], source: Source, recipe: TrainSettings, rng: random.Random
) -> Iterator[Example]:
    if not source.related:
        texts = list(joined(texts, recipe, rng))
    for text in texts:
        for _ in range(recipe.cuts if len(text.sentence_starts) > 1 and source.related else 1):
            yield from maker.make(text, rng.randint(recipe.max_tokens // 3, recipe.max_tokens))


def joined(sentences: list[Labelled], recipe: TrainSettings, rng: random.Random) -> Iterator[Labelled]:
    """Neighbouring sentences made into longer texts, as windows of documents are, and some left alone."""
    position = 0
    while position < len(sentences):
        words = 0 if rng.random() < recipe.single_share else rng.randint(20, recipe.max_tokens // 2)
        end = position + 1
        size = len(sentences[position].tokens)
        while end < len(sentences) and size + len(sentences[end].tokens) <= words:
            size += len(sentences[end].tokens)
            end += 1
        yield _concatenated(sentences[position:end])
        position = end


def _concatenated(parts: list[Labelled]) -> Labelled:
    if len(parts) == 1:
        return parts[0]
    starts = [0]
    for part in parts[:-1]:
        starts.append(starts[-1] + len(part.tokens))
    mentions = tuple(
        type(mention)(mention.start + start, mention.end + start, mention.type, number)
        for number, (mention, start) in enumerate(
            (mention, start) for part, start in zip(parts, starts, strict=True) for mention in part.mentions
        )
    )
    tokens = tuple(token for part in parts for token in part.tokens)
    return Labelled(parts[0].id, tokens, mentions, sentence_starts=tuple(starts))
