"""What is asked of an endpoint, how often and how much at once, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from schemas.base import StageName
from tests.fakes.openai_bridge import KEY, SURE, answers, codes, load, settings_for
from tests.fakes.openai_server import LOGPROB, FakeOpenAi, Fault
from workers.errors import ModelDown
from workers.models.adapters.openai import OpenAiModel, load_openai
from workers.models.adapters.openai_tokens import estimate_tokens
from workers.models.base import Unanswered
from workers.models.prompts import Vocabulary
from workers.models.prompts_replies import ASSUMED_SCORE
from workers.models.prompts_tasks import tasks_for
from workers.settings import OpenAiModel as OpenAiSettings
from workers.stages.results import (
    ClassificationResult,
    EntitiesResult,
    FoundEntity,
    RelationsResult,
    WrittenSummary,
)


def test_every_window_gets_its_own_answer_to_every_task(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened, *StageName)
    texts = [f"{'xyz' * n} Ada met Bob." for n in range(9)]
    for text, answer in zip(texts, answers(model, *texts), strict=True):
        assert not isinstance(answer, Unanswered)
        start = text.index("Ada")
        entities = answer[StageName.ENTITIES]
        assert entities == EntitiesResult(
            (FoundEntity("PER", start, start + 3, SURE), FoundEntity("PER", start + 8, start + 11, SURE))
        )
        relations = answer[StageName.RELATIONS]
        assert isinstance(relations, RelationsResult)
        assert [(found.head, found.tail, found.type, found.score) for found in relations.relations] == [
            (0, 1, "knows", SURE)
        ]
        assert answer[StageName.SUMMARY] == WrittenSummary(f"A text of {len(text)} letters.", finished=True)
        labels = answer[StageName.CLASSIFICATION]
        assert isinstance(labels, ClassificationResult)
        assert len(labels.scores) == 3
    assert len(server.asked) == 3 * len(texts)  # relations bring the entities along


def test_the_request_is_what_the_settings_say(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    answers(load(server, opened, response_format="json_schema", seed=7, max_reply_tokens=99), "Ada.")
    asked = server.asked[-1]
    assert asked.authorization == f"Bearer {KEY}"
    wanted = {"model": "tiny", "temperature": 0, "seed": 7, "max_tokens": 99, "n": 1, "logprobs": True, "stream": False}
    assert wanted.items() <= asked.body.items()
    assert asked.body["response_format"]["json_schema"]["schema"]["properties"].keys() == {"entities"}
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user"]


def test_a_pause_that_is_asked_for_is_kept_and_noise_spreads_the_others(
    server: FakeOpenAi, opened: list[OpenAiModel]
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    settings = settings_for(server, backoff_s=1.0, max_backoff_s=3.0, max_attempts=6)
    tasks = tasks_for((StageName.ENTITIES,), Vocabulary(settings.entity_types), {})
    model = OpenAiModel(settings, tasks, sleep=sleep, noise=iter([0.0, 1.0, 0.5, 0.0, 0.0]).__next__)
    opened.append(model)
    server.script.extend([Fault.ERROR, Fault.UNAVAILABLE, Fault.ERROR, Fault.ERROR])
    answers(model, "Ada.")
    assert pauses == [0.5, 2.0, 2.25, 1.5]
    server.retry_after = "7"
    server.script.append(Fault.RATE_LIMITED)
    answers(model, "Ada.")
    assert pauses[4:] == [7.0]


def test_a_pause_beyond_the_deadline_is_not_begun(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened)
    server.fault, server.retry_after = Fault.RATE_LIMITED, "3600"
    with pytest.raises(ModelDown, match="429"):
        answers(model, "Ada.")
    assert len(server.asked) == 1


def test_no_more_requests_at_once_than_allowed(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened, max_concurrency=3, read_timeout_s=10.0, deadline_s=60.0)
    all_there, crowd = threading.Event(), threading.Event()

    def wait_for_company() -> None:
        if server.at_once >= 3:
            all_there.set()
        all_there.wait(5)
        crowd.wait(0.02)  # a fourth one would come now

    server.on_request = wait_for_company
    assert codes(answers(model, *(f"Text {n}." for n in range(12)))) == ["ok"] * 12
    assert all_there.is_set()
    assert server.most_at_once == 3 == model.counters.most_at_once


def test_closing_ends_a_request_under_way(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened, read_timeout_s=60.0, deadline_s=120.0)
    server.fault = Fault.BLACK_HOLE
    arrived = threading.Event()
    server.on_request = arrived.set
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            answers(model, "Ada.")
        except ModelDown as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert arrived.wait(10)
    model.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(raised) == 1
    with pytest.raises(ModelDown):
        answers(model, "Ada.")


def test_without_probabilities_the_score_is_a_constant_and_the_receipt_says_so(
    server: FakeOpenAi, opened: list[OpenAiModel]
) -> None:
    server.fault = Fault.NO_LOGPROBS
    model = load(server, opened, StageName.ENTITIES, StageName.CLASSIFICATION)
    answer = answers(model, "Ada.")[0]
    assert not isinstance(answer, Unanswered)
    assert answer[StageName.ENTITIES] == EntitiesResult((FoundEntity("PER", 0, 3, ASSUMED_SCORE),))
    assert model.info.thresholds[StageName.ENTITIES] == {"assumed_score": ASSUMED_SCORE}
    assert model.info.thresholds[StageName.CLASSIFICATION] == {"temperature": 1.0, "assumed_score": ASSUMED_SCORE}
    server.fault = Fault.NONE
    scored = load(server, opened)
    assert "assumed_score" not in scored.info.thresholds.get(StageName.ENTITIES, {})
    assert pytest.approx(SURE, abs=0.005) == 2.718281828**LOGPROB


def test_a_label_of_an_unknown_name_is_dropped_and_counted(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    settings = settings_for(server)
    model = load_openai(
        settings, stages=(StageName.CLASSIFICATION,), labels={"cooking": "", "travel": "", "law": ""}, max_sentences=1
    )
    opened.append(model)
    answer = answers(model, "Some text.")[0]
    assert not isinstance(answer, Unanswered)
    result = answer[StageName.CLASSIFICATION]
    assert isinstance(result, ClassificationResult)
    assert len(set(result.scores)) == 1  # all equal: the stage abstains
    assert model.dropped() == {"unknown_label": 1}


def test_the_receipt_says_remote_and_the_revision_names_what_is_sent(
    server: FakeOpenAi, opened: list[OpenAiModel]
) -> None:
    base = load(server, opened)
    assert (base.info.name, base.info.precision, base.info.device) == ("tiny", "remote", None)
    same, other = load(server, opened), [load(server, opened, **o) for o in ({"model": "b"}, {"seed": 1})]
    assert base.info.revision == same.info.revision
    assert len({base.info.revision, *(model.info.revision for model in other)}) == 3


@pytest.mark.parametrize("text", ["One two.  Three\nfour.", "東京 🎉!", "", "x" * 50])
def test_estimated_tokens_cover_the_text(text: str) -> None:
    tokens = estimate_tokens(text)
    covered = {n for s, e in zip(tokens.starts, tokens.ends, strict=True) for n in range(s, e)}
    assert covered == {n for n, letter in enumerate(text) if not letter.isspace()}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", "ftp://x/v1"),
        ("base_url", f"http://user:{KEY}@host/v1"),
        ("base_url", "host:8000"),
        ("deadline_s", 1.0),
        ("max_concurrency", 0),
    ],
)
def test_settings_that_cannot_work_are_refused_without_quoting_them(option: str, value: object) -> None:
    base = {"kind": "openai", "base_url": "http://host/v1", "model": "m", "connect_timeout_s": 1.0}
    with pytest.raises(ValueError, match=r".+") as told:
        OpenAiSettings.model_validate({**base, option: value})
    assert KEY not in str(told.value)


def test_a_closed_loop_takes_no_more_work(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened)
    model.close()
    model.close()
    with pytest.raises(ModelDown):
        model._loop.run(asyncio.sleep(0))
