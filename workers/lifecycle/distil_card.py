"""The card of a distilled model: who taught it, on what, and how close it came. Written from what happened."""

from __future__ import annotations

from pathlib import Path

from workers.lifecycle.distil_recipe import DistilSettings
from workers.lifecycle.distil_teacher import Teacher
from workers.models.config import ModelConfig


def write_distil_card(out: Path, config: ModelConfig, recipe: DistilSettings, teacher: Teacher) -> None:
    windows = config.training.windows if config.training else {}
    lines = [
        f"# {config.name}",
        "",
        f"Distilled by `enrich distil` from {teacher.name}, revision `{teacher.revision}`.",
        f"The teacher labelled texts; the student ({recipe.student or 'the bare trunk'}) learned from how sure it was,",
        f"at temperature {recipe.temperature}, in {recipe.epochs} epochs. What the licences of the teacher, its",
        "data and the texts ask for holds for it too.",
        "",
        f"It answers: {', '.join(stage.value for stage in config.stages)}.",
        "",
        "| texts | labels |",
        "|---|---|",
        *(f"| {name} | the teacher's |" for name in recipe.corpus),
        *(f"| {source.name}: {source.attribution} | its own, weight {recipe.hard_weight} |" for source in recipe.hard),
        "",
        f"{windows.get('corpus', 0)} pieces were learned from, {windows.get('held out', 0)} were held out:",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in config.scores.items()),
        "",
        "Being close to the teacher is not being right: measure it with `enrich evaluate` on labelled data.",
        "Temperatures and thresholds were not fitted.",
    ]
    (out / "MODEL_CARD.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
