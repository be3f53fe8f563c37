"""An endpoint that speaks OpenAI's protocol as a window model: a request per task and window, many at a time.

A window that the endpoint refuses or fails on is blamed only while a text of our own is answered; otherwise the
endpoint is down, and no text is blamed. Which weights answer there cannot be proven: the receipt says `remote`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from schemas.base import StageName
from workers.errors import ConfigurationError, ModelDown
from workers.models.adapters.openai_client import Counters, Doubt, Misconfigured, OpenAiClient
from workers.models.adapters.openai_loop import LoopThread
from workers.models.adapters.openai_tokens import estimate_tokens
from workers.models.adapters.openai_wire import Question
from workers.models.base import ModelInfo, Unanswered
from workers.models.prompts import Vocabulary, escape
from workers.models.prompts_places import Tally
from workers.models.prompts_replies import ASSUMED_SCORE, Reply
from workers.models.prompts_tasks import READING_VERSION, Results, Tasks, combine, tasks_for
from workers.settings import OpenAiModel as OpenAiSettings
from workers.stages.results import WindowAnswer
from workers.text.pieces import TextTokens, Window

PROBE_TEXT = "All is well."

# One line per request at INFO: a healthy worker is silent.
logging.getLogger("httpx2").setLevel(logging.WARNING)
logging.getLogger("httpcore2").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class AskedWindow:
    """A window and its text as it stands in every prompt. All have one area: any of them go together."""

    window: Window
    document: str
    area: int = 1


Outcomes = Mapping[StageName, Reply | Unanswered]  # of one window, by task


class OpenAiModel:
    """See the module. `close` ends the requests under way."""

    def __init__(
        self,
        settings: OpenAiSettings,
        tasks: Tasks,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        noise: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._client = OpenAiClient(settings, sleep=sleep, noise=noise)
        self._loop = LoopThread("openai")
        self.info = ModelInfo(
            name=settings.model,
            revision=_revision(settings, tasks),
            precision="remote",
            languages=frozenset(),
            labels={
                StageName.ENTITIES: tuple(tasks.vocabulary.entity_types),
                StageName.RELATIONS: tuple(tasks.vocabulary.relation_types),
                StageName.CLASSIFICATION: tuple(tasks.vocabulary.labels),
            },
            thresholds={StageName.CLASSIFICATION: {"temperature": 1.0}},
            device=None,
        )

    @property
    def stages(self) -> tuple[StageName, ...]:
        return self._tasks.stages

    @property
    def max_window_tokens(self) -> int:
        return self._settings.max_window_tokens

    @property
    def counters(self) -> Counters:
        """What went over the wire so far."""
        return self._client.counters

    def dropped(self) -> dict[str, int]:
        """What was dropped from replies so far, by reason."""
        return self._tasks.tally.counts()

    def close(self) -> None:
        self._loop.close(self._client.close())

    def probe(self) -> None:
        """Ask each task about a text of our own, and learn whether there are token probabilities.

        Raises ConfigurationError if this endpoint will never answer, ModelDown if it does not now.
        """
        try:
            replies = self._loop.run(self._probe_all())
        except Misconfigured as error:
            raise ConfigurationError(str(error)) from error
        throwaway = replace(self._tasks, tally=Tally())
        for task, reply in replies.items():
            read = throwaway.read(task, reply, _window_of(PROBE_TEXT))
            if isinstance(read, Unanswered):
                raise ConfigurationError(
                    f"model {self._settings.model} does not keep to the form of a reply ({read.detail}): set "
                    "response_format, raise max_reply_tokens, or name another model"
                )
        scored = [reply for task, reply in replies.items() if task is not StageName.SUMMARY]
        self._client.needs_logprobs = bool(scored) and all(reply.ends for reply in scored)
        if not self._client.needs_logprobs:
            thresholds: dict[StageName, dict[str, float]] = {
                stage: {**self.info.thresholds.get(stage, {}), "assumed_score": ASSUMED_SCORE}
                for stage in self.stages
                if stage is not StageName.SUMMARY
            }
            self.info = replace(self.info, thresholds={**self.info.thresholds, **thresholds})

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        """An estimate: nobody here knows the model's tokens."""
        return [estimate_tokens(text) for text in texts]

    def prepare(self, windows: Sequence[Window]) -> list[AskedWindow]:
        return [AskedWindow(window, escape(window.text)) for window in windows]

    def forward(self, batch: Sequence[AskedWindow]) -> list[Outcomes]:
        """Blocks until all are answered or refused. Raises ModelDown."""
        return self._loop.run(self._answer(batch))

    def decode(self, raw: list[Outcomes], batch: Sequence[AskedWindow]) -> list[WindowAnswer | Unanswered]:
        return [
            combine(self.stages, [self._read(task, outcomes[task], item.window) for task in self._tasks.prompts])
            for outcomes, item in zip(raw, batch, strict=True)
        ]

    def _read(self, task: StageName, outcome: Reply | Unanswered, window: Window) -> Results | Unanswered:
        return outcome if isinstance(outcome, Unanswered) else self._tasks.read(task, outcome, window)

    def _question(self, task: StageName, document: str) -> Question:
        prompt = self._tasks.prompts[task]
        return Question(task, prompt.system, prompt.user(document))

    # --- in the event loop

    async def _answer(self, batch: Sequence[AskedWindow]) -> list[Outcomes]:
        tasks = list(self._tasks.prompts)
        questions = [self._question(task, item.document) for item in batch for task in tasks]
        outcomes = await self._ask_all(questions)
        if any(isinstance(outcome, Doubt) for outcome in outcomes):
            outcomes = await self._resolve(questions, outcomes)
        settled = iter(
            Unanswered(outcome.code, outcome.detail, outcome.attempts) if isinstance(outcome, Doubt) else outcome
            for outcome in outcomes
        )
        return [{task: next(settled) for task in tasks} for _ in batch]

    async def _ask_all(self, questions: Sequence[Question], *, max_attempts: int | None = None) -> list[Reply | Doubt]:
        """In order. As soon as one finds the endpoint down the others are cancelled."""
        running = [asyncio.create_task(self._client.ask(question, max_attempts=max_attempts)) for question in questions]
        try:
            return await asyncio.gather(*running)
        except BaseException:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            raise

    async def _resolve(self, questions: Sequence[Question], outcomes: Sequence[Reply | Doubt]) -> list[Reply | Doubt]:
        """Doubts that remain are the texts' fault: between two texts of our own that are answered they failed again."""
        settled = list(outcomes)
        doubts = [row for row, outcome in enumerate(outcomes) if isinstance(outcome, Doubt)]
        await self._probe(questions[doubts[0]].task)
        again = [row for row in doubts if isinstance(found := outcomes[row], Doubt) and found.may_pass]
        if again:
            second = await self._ask_all([questions[row] for row in again], max_attempts=1)
            for row, outcome in zip(again, second, strict=True):
                if isinstance(outcome, Doubt) and isinstance(before := outcomes[row], Doubt):
                    outcome = replace(outcome, attempts=before.attempts + outcome.attempts)
                settled[row] = outcome
            await self._probe(questions[again[0]].task)
        return settled

    async def _probe(self, task: StageName) -> Reply:
        outcome = await self._client.ask(self._question(task, PROBE_TEXT))
        if isinstance(outcome, Doubt):
            raise ModelDown(f"{self._settings.base_url} fails on every text: {outcome.code}, {outcome.detail}")
        return outcome

    async def _probe_all(self) -> dict[StageName, Reply]:
        replies = {}
        for task in self._tasks.prompts:
            outcome = await self._client.ask(self._question(task, PROBE_TEXT))
            if isinstance(outcome, Doubt):
                told = f"{self._settings.base_url} does not answer a text of ours: {outcome.code}, {outcome.detail}"
                if outcome.may_pass and outcome.code != "bad_response":
                    raise ModelDown(told)
                raise ConfigurationError(f"{told}: check model, templates, response_format and max_reply_tokens")
            replies[task] = outcome
        return replies


def load_openai(
    settings: OpenAiSettings, *, stages: Sequence[StageName], labels: Mapping[str, str], max_sentences: int
) -> OpenAiModel:
    """A model that has answered a text of our own. Raises ConfigurationError, or ModelDown if nobody is there."""
    vocabulary = Vocabulary(settings.entity_types, settings.relation_types, labels, max_sentences)
    model = OpenAiModel(settings, tasks_for(stages, vocabulary, settings.templates))
    try:
        model.probe()
    except BaseException:
        model.close()
        raise
    return model


def _window_of(text: str) -> Window:
    return Window(text, 0, ((0, len(text)),), estimate_tokens(text))


def _revision(settings: OpenAiSettings, tasks: Tasks) -> str:
    """What is known of the model: its name, and everything it is sent. Its weights are not among it."""
    sent = [
        settings.base_url,
        settings.model,
        settings.response_format,
        settings.logprobs,
        settings.seed,
        settings.max_reply_tokens,
        READING_VERSION,
        [[task.value, prompt.digest] for task, prompt in tasks.prompts.items()],
    ]
    return hashlib.sha256(orjson.dumps(sent)).hexdigest()
