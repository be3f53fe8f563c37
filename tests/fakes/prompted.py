"""What a model is asked for by prompts in tests: two types, a relation, two labels, two sentences."""

from __future__ import annotations

from schemas.base import StageName
from workers.models.prompts import Vocabulary
from workers.models.prompts_tasks import Tasks, tasks_for

VOCABULARY = Vocabulary(
    {"PER": "A person.", "LOC": "A place."}, {"lives_in": "Head lives in tail."}, {"sport": "Matches.", "art": ""}, 2
)


def tasks(*stages: StageName) -> Tasks:
    return tasks_for(stages or tuple(StageName), VOCABULARY, {})
