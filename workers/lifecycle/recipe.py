"""What a training run is made of: its settings, and which files teach what. Only sets that let weights be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from workers.lifecycle.labels import ENTITY_TYPES, RELATION_TYPES
from workers.lifecycle.recipe_file import NamedFile, read_recipe_file
from workers.lifecycle.summary_recipe import SummedUpFile
from workers.lifecycle.teacher_recipe import TeacherSettings, TextFile
from workers.models.config import EncoderShape, RelationType
from workers.settings import FrozenSettings


class Source(NamedFile):
    """A file of labelled texts, and how it is read."""

    form: Literal["tagged", "related"] = Field(
        "tagged", description="tokens with BIO tags, or with entities and relations"
    )
    types: dict[str, str] | None = Field(
        None,
        description="its entity types -> the model's; those it does not annotate are masked. None: as `labels` says",
    )
    relations: dict[str, str] | None = Field(None, description="its relations -> the model's; None: as `labels` says")
    no_names: str | None = Field(
        None, description="beginning of words that it tags and that are no entity to the model; in tagged files"
    )
    cuts: PositiveInt = Field(1, description="times it is cut into windows, each time elsewhere")
    renamed: NonNegativeInt | None = Field(
        None, description="as the recipe's; of related texts, whose relations may need their names, none if not given"
    )
    heldout: NonNegativeInt = Field(
        0, description="texts not learned from: thresholds and temperatures are fitted on them"
    )

    @model_validator(mode="after")
    def nothing_hangs_on_what_is_dropped(self) -> Self:
        if self.no_names is not None and self.form == "related":
            raise ValueError("no_names is for tagged files: a relation may need the entity; leave it out")
        return self


_CROSSNER = tuple(
    Source(path=f"ner/crossner_{domain}.{split}.jsonl", attribution="CrossNER (Liu et al. 2021), MIT")
    for domain in ("ai", "literature", "music", "politics", "science")
    for split in ("train", "dev")
)
# It tags the names of accounts (@somebody), 2,019 of them. WNUT-17 has as many and tags none: both cannot be learned.
_BTC = "Broad Twitter Corpus (Derczynski et al. 2016), CC BY 4.0; without the names of accounts"
TRAINING = (
    Source(path="ner/uner_ewt.train.jsonl", attribution="Universal NER EWT (Mayhew et al. 2024), CC BY-SA 4.0", cuts=2),
    Source(path="ner/btc.train.jsonl", attribution=_BTC, no_names="@"),
    Source(path="ner/wnut17.train.jsonl", attribution="WNUT-17 (Derczynski et al. 2017), CC BY 4.0", cuts=2),
    Source(path="ner/btc.dev.jsonl", attribution=_BTC, no_names="@"),
    Source(path="ner/wnut17.dev.jsonl", attribution="WNUT-17 (Derczynski et al. 2017), CC BY 4.0", cuts=2),
    *_CROSSNER,
    Source(
        path="relations/redocred.dev.jsonl",
        form="related",
        attribution="Re-DocRED (Tan et al. 2022), MIT; text Wikipedia",
        cuts=3,
        heldout=40,
    ),
    Source(
        path="relations/knowledgenet.train.jsonl",
        form="related",
        attribution="KnowledgeNet (Mesquita et al. 2019), CC BY-SA 4.0",
        heldout=400,
    ),
    Source(
        path="relations/fewrel.val_wiki.jsonl",
        form="related",
        attribution="FewRel (Han et al. 2018), MIT; text Wikipedia",
    ),
)
SUMMED_UP = (
    SummedUpFile(path="summarization/scitldr_a.train.jsonl", attribution="SciTLDR-A (Cachola et al. 2020), Apache-2.0"),
    SummedUpFile(
        path="summarization/gum.train.jsonl",
        genres=("academic", "bio", "court", "interview", "news", "voyage"),  # whose texts have a permissive licence
        attribution="GUM (Zeldes 2017), annotations CC BY 4.0; only texts of the genres academic, court (CC BY 4.0), "
        "news, interview (CC BY 2.5), bio, voyage (CC BY-SA 3.0)",
    ),
)
DEV = (Source(path="ner/uner_ewt.dev.jsonl", attribution="Universal NER EWT (Mayhew et al. 2024), CC BY-SA 4.0"),)


class TrainSettings(FrozenSettings):
    """A recipe. Without one it is what the packaged model was made with but for its teachers, which
    `benchmarks/recipes/packaged.yaml` adds."""

    task: Literal["extraction"] = Field(
        "extraction", description="entities and relations; see `classification` for texts"
    )
    name: str = Field("enrich-minilm-en", description="name in the receipts")
    entity_types: tuple[str, ...] = Field(ENTITY_TYPES, min_length=1, description="what the model can find")
    relation_types: tuple[RelationType, ...] = Field(RELATION_TYPES, description="and what may stand between which")
    sources: tuple[Source, ...] = Field(TRAINING, min_length=1, description="what it learns from")
    dev: tuple[Source, ...] = Field(DEV, description="what tells the best epoch and the thresholds; never learned from")
    summaries: tuple[SummedUpFile, ...] | None = Field(
        None,
        description="texts with summaries, from which the salience of sentences is learned; None: those of the "
        "packaged model with packaged_extras, else none",
    )
    teacher: TeacherSettings | None = Field(
        None, description="a larger encoder that learns the same first and whose answers are learned beside the labels"
    )
    renamed: NonNegativeInt = Field(
        0, description="times tagged texts are learned again with other names of the same types in them"
    )
    unlabelled: tuple[TextFile, ...] = Field((), description="texts about which only the teacher says something")
    packaged_extras: bool = Field(True, description="whether labels and test scores of the packaged model are made")
    encoder: EncoderShape = Field(
        EncoderShape(case_at="input", trained=("case", "lower", "plain", "tuned"), plain_layers=2),
        description="what is tuned",
    )
    tune: Literal["full", "lora"] = Field("full", description="of those layers: all weights, or low-rank changes")
    lora_rank: PositiveInt = Field(16, description="rank of the changes with tune: lora")
    start: str | None = Field(None, description="model to start from, by name or folder; the bare trunk if not given")
    seed: int = Field(7, description="of the order of the data, the cuts and the heads' first weights")
    epochs: PositiveInt = Field(4, description="passes over the data")
    patience: PositiveInt = Field(2, description="epochs without a better dev score until it stops; the best is kept")
    batch_tokens: PositiveInt = Field(4_096, description="padded tokens of a step")
    encoder_rate: PositiveFloat = Field(2e-4, description="learning rate of the tuned layers")
    lower_share: PositiveFloat = Field(0.6, description="rate of the lower layers as a part of encoder_rate")
    heads_rate: PositiveFloat = Field(
        1.5e-3, description="learning rate of heads and word shapes, which start from nothing"
    )
    warm_up: PositiveFloat = Field(0.06, lt=1, description="part of the steps in which the rates rise")
    weight_decay: NonNegativeFloat = Field(0.01, description="AdamW")
    average: float = Field(0.0, ge=0, lt=1, description="decay of a moving average of the weights; 0: none")
    dropout: float = Field(0.1, ge=0, lt=1, description="of hidden states before the heads")
    forget: float = Field(0.08, ge=0, lt=1, description="part of subwords shown as unknown ones")
    recase: float = Field(0.06, ge=0, le=1, description="part of windows shown in lower case or in capitals only")
    relation_weight: NonNegativeFloat = Field(1.0, description="of the relation loss against the entity loss")
    restore_tokens: PositiveInt = Field(1_600_000, description="padded tokens on which the sentence branch is restored")
    restore_rate: PositiveFloat = Field(3e-4, description="learning rate of that")
    max_tokens: PositiveInt = Field(254, le=510, description="longest window")
    single_share: float = Field(0.6, ge=0, le=1, description="part of sentences that stay alone; the rest are joined")
    device: str = Field("auto", description="where it learns: auto is CUDA if there is one; cpu, cuda or cuda:N")
    threads: NonNegativeInt = Field(0, description="threads of one operation; 1 where others use the cores too, 0: all")
    limit: PositiveInt | None = Field(None, description="texts per data set; for a quick try")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="of the passes; the weights stay fp32")

    @model_validator(mode="after")
    def somebody_reads_what_has_no_labels(self) -> Self:
        if self.unlabelled and self.teacher is None:
            raise ValueError("unlabelled texts teach nothing without a teacher: name one, or leave them out")
        return self

    @property
    def summed_up(self) -> tuple[SummedUpFile, ...]:
        if self.summaries is not None:
            return self.summaries
        return SUMMED_UP if self.packaged_extras else ()


def read_recipe(path: Path | None) -> TrainSettings:
    """The recipe of a YAML file; the packaged model's where the file or a value in it is not given."""
    return TrainSettings() if path is None else read_recipe_file(path, TrainSettings, see="workers/lifecycle/recipe.py")
