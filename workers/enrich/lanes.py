"""A lane is one model and the stages that it serves. Lanes read and answer side by side; documents join them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from schemas.base import StageName
from workers.enrich.answers import Answered, Answers
from workers.models.base import ModelInfo
from workers.text.pieces import Window


@dataclass(frozen=True, slots=True)
class Lane:
    """One model, by the name that the settings give it, and the stages it serves."""

    name: str
    info: ModelInfo
    stages: tuple[StageName, ...]


def by_stage(lanes: Sequence[Lane]) -> dict[StageName, Lane]:
    """Who serves each enabled stage, in the order of the stages."""
    serving = {stage: lane for lane in lanes for stage in lane.stages}
    return {stage: serving[stage] for stage in StageName if stage in serving}


def ask_all(
    answers: Mapping[str, Answers], windows: Mapping[str, Sequence[Window]], *, made_ms: int | None = None
) -> dict[str, Answered]:
    """The answers of every lane to its own windows: they wait at the same time, so the slowest sets the pace.

    Raises what a lane raises, when all have ended.
    """
    own, *others = answers
    if not others:
        return {own: answers[own].answer(windows[own], made_ms=made_ms)}
    with ThreadPoolExecutor(len(others), thread_name_prefix="lane") as pool:
        asked = {name: pool.submit(answers[name].answer, windows[name], made_ms=made_ms) for name in others}
        first = answers[own].answer(windows[own], made_ms=made_ms)
        return {own: first, **{name: future.result() for name, future in asked.items()}}
