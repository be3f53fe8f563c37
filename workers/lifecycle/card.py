"""Writes the model card: what the weights are, what they learned from, what they score, what they cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.lifecycle.gathering import OTHER_NAMES, UNLABELLED
from workers.lifecycle.recipe import TrainSettings
from workers.lifecycle.recipe_file import recipe_in_card
from workers.models.config import ModelConfig

CARD_FILE = "MODEL_CARD.md"

_OTHERS = (
    (
        "the texts that have summaries, and BANKING77 train (Casanueva et al. 2020), CC BY 4.0; CLINC150 train (Larson "
        "et al. 2019), CC BY 3.0; sentence polarity (Pang and Lee 2005), CC BY 4.0: without their labels",
        "restoring the sentence space",
    ),
    ("CLINC150 dev (Larson et al. 2019), CC BY 3.0", "temperature of labels"),
)

_LIMITS = """\
* A relation whose ends are in different windows is not found, and an entity is only paired with the {neighbours}
  before and the {neighbours} after it.
* Pronouns are not entities. Nested entities are flat: the longest or most common reading is given.
"""
_LIMITS_OF_PACKAGED = """\
* English only. Documents in other languages get no entities or relations worth reading.
* Relations were learned from Wikipedia articles and biographies, and are overconfident elsewhere. Seen when it was
  tried: in a headline on a new store the chief executive came out as the founder too, in a support mail "call me on
  Monday" as a date of death. Treat relations on other kinds of text as suggestions.
* A company named alone at the start of a sentence may score below its type's threshold.
* DATE and NUMBER were learned from Wikipedia articles alone. MISC is a mixed bag: works, events, products, awards.
* Labels are zero-shot: cosine of the window with the label's description. A vague description gives vague labels.
* The data carries the biases of Wikipedia, the web and Twitter in English, names from other cultures included.
"""


_BY_DEFAULT = ("## How to make it again", "", "```", "enrich train --data DATA --out FOLDER", "```", "")


def write_card(folder: Path, config: ModelConfig, recipe: TrainSettings) -> None:
    (folder / CARD_FILE).write_text(render(config, recipe), encoding="utf-8")


def render(config: ModelConfig, recipe: TrainSettings) -> str:
    parts = (
        _what(config),
        _data(config, recipe),
        _scores(config),
        _types(config),
        _limits(config, recipe),
        _again(config, recipe),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def _what(config: ModelConfig) -> list[str]:
    upper = config.encoder.layers - config.encoder.shared_layers
    tuned, plain = config.encoder.tuned_layers or upper, config.encoder.plain_layers or upper
    return [
        f"# {config.name}",
        "",
        "One encoder pass gives entities, relations, zero-shot labels and the salience of sentences. The trunk is",
        f"all-MiniLM-L6-v2 (Apache-2.0, SHA-256 `{config.trunk_sha256}`), whose vocabulary is not stored here. The",
        f"lower {config.encoder.shared_layers} layers are run once and also see how words are written (the trunk reads",
        f"lower case only). Entities and relations read {tuned} upper layers of their own; labels and summaries",
        f"{plain} others, which were taught to say what the untouched trunk says, so that its sentence space is kept.",
        f"This folder holds the tuned layers ({', '.join(config.encoder.trained)}) and the heads, in fp16",
        f"(`heads.safetensors`, SHA-256 `{config.heads_sha256}`).",
        "",
        "Some of the data below is share-alike: who passes the weights on passes on this card and its sources.",
    ]


def _data(config: ModelConfig, recipe: TrainSettings) -> list[str]:
    record, packaged = config.training, recipe.packaged_extras
    windows = record.windows if record else {}
    return [
        "## Learned from",
        "",
        "| data set | source and licence | windows |",
        "|---|---|---|",
        *(f"| {source.name} | {source.attribution} | {windows.get(source.name, 0)} |" for source in recipe.sources),
        *_taught(recipe, windows, record.earlier if record else None),
        "",
        "| also used | for |",
        "|---|---|",
        *(
            f"| {source.name}, {source.attribution} | best epoch, temperatures and thresholds |"
            for source in recipe.dev
        ),
        *(
            f"| {source.heldout} texts of {source.name}, kept back | temperatures and thresholds |"
            for source in recipe.sources
            if source.heldout
        ),
        *(f"| {file.name}, {file.attribution} | salience of sentences |" for file in recipe.summed_up),
        *(f"| {name} | {use} |" for name, use in _OTHERS if packaged),
        *(["", "No test split and no set with an unknown or research-only licence was trained on."] * packaged),
    ]


def _taught(recipe: TrainSettings, windows: Mapping[str, int], earlier: str | None) -> list[str]:
    """What was learned beside the labels as they are."""
    rows = []
    if OTHER_NAMES in windows:
        rows.append(f"| the same with other names | names from all of them | {windows[OTHER_NAMES]} |")
    if recipe.teacher is not None:
        count = windows.get(UNLABELLED, 0)
        sources = "; ".join(f"{file.name}, {file.attribution}" for file in recipe.unlabelled)
        if count:
            rows.append(f"| texts without their labels | {sources} | {count} |")
        who = f"{len(recipe.teacher.encoder_rates)} teachers, {_shown(recipe.teacher.encoder)}"
        rows.append(f"| all of these: what {who}, think of them | {recipe.teacher.attribution} | |")
        if earlier is not None:
            rows.append(f"| of what a file does not annotate: what revision `{earlier}` thinks | | |")
    return rows


def _shown(name: str) -> str:
    """Cards tell nothing of our disks."""
    return Path(name).name if Path(name).is_dir() else name


def _scores(config: ModelConfig) -> list[str]:
    if not config.scores:
        return ["## Scores", "", "None yet: `enrich evaluate FOLDER TEST_FILES` prints them."]
    return [
        "## Scores",
        "",
        "In percent, as `enrich evaluate` measures it, on splits that were never trained on. Entities are strict: type",
        "and both ends, at the thresholds below. Relations are facts between things of a document, of the types below.",
        "",
        "| measure | score |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in config.scores.items()),
    ]


def _types(config: ModelConfig) -> list[str]:
    return [
        "## What it says",
        "",
        "Entities, with the scores from which on they count, chosen on held-out texts:",
        ", ".join(f"{name} {config.entity_thresholds.get(name, 0.5)}" for name in config.entity_types) + ".",
        f"Scores are calibrated there too: logits of tags / {config.entity_temperature}, of relations /",
        f"{config.relation_temperature}. Relations, with their thresholds:",
        "",
        "| relation | from | to | threshold |",
        "|---|---|---|---|",
        *(f"| {r.name} | {', '.join(r.heads)} | {', '.join(r.tails)} | {r.threshold} |" for r in config.relation_types),
        "",
        f"Labels: any; probabilities are softmax(cosine / {config.temperature}).",
        f"It answers: {', '.join(stage.value for stage in config.stages)}.",
    ]


def _limits(config: ModelConfig, recipe: TrainSettings) -> list[str]:
    told = _LIMITS.format(neighbours=config.heads.neighbours)
    return ["## Limits", "", *(told + _LIMITS_OF_PACKAGED * recipe.packaged_extras).splitlines()]


def _again(config: ModelConfig, recipe: TrainSettings) -> list[str]:
    record = config.training
    return [
        *(recipe_in_card(recipe) if recipe != TrainSettings() else _BY_DEFAULT),
        f"Seed {recipe.seed}, {recipe.epochs} epochs, torch {record.torch if record else '?'}; learning took",
        f"{(record.seconds if record else 0) / 60:.0f} minutes. Other hardware, thread counts and versions round",
        "differently: expect the scores again to within a point, not the same bits.",
    ]
