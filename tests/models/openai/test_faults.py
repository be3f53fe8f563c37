"""What an endpoint does wrong: who is blamed for what, and what is never told."""

from __future__ import annotations

import logging

import pytest

from tests.fakes.openai_bridge import KEY, answers, codes, load, person
from tests.fakes.openai_server import FakeOpenAi, Fault
from workers.errors import ConfigurationError, ModelDown
from workers.models.adapters.openai import OpenAiModel
from workers.models.base import Unanswered


@pytest.mark.parametrize(
    "fault",
    [
        Fault.RATE_LIMITED,
        Fault.ERROR,
        Fault.UNAVAILABLE,
        Fault.TIMEOUT,
        Fault.HANG_UP,
        Fault.NO_JSON,
        Fault.NO_CHOICE,
        Fault.TWO_CHOICES,
        Fault.NO_CONTENT,
        Fault.BLACK_HOLE,
        Fault.NO_LOGPROBS,
        Fault.NOT_A_NUMBER,
    ],
)
def test_a_passing_fault_costs_a_retry_and_nothing_else(
    server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault
) -> None:
    model = load(server, opened)
    server.script.extend([fault, fault])
    assert answers(model, "Ada.") == [person("Ada.", "Ada")]
    assert (len(server.asked), model.counters.retries) == (3, 2)


@pytest.mark.parametrize(
    ("fault", "code", "tries"),
    [
        (Fault.TOO_LONG, "context_length_exceeded", 1),
        (Fault.FILTERED, "content_filter", 1),
        (Fault.ODD, "request_refused", 1),
        (Fault.WITHHELD, "content_filter", 1),
        (Fault.TOO_LARGE, "response_too_large", 1),
        (Fault.PROSE, "unreadable_reply", 1),
        (Fault.CUT_OFF, "reply_cut_off", 1),
        (Fault.ERROR, "server_error", 4),
        (Fault.TIMEOUT, "server_error", 4),
        (Fault.NO_JSON, "bad_response", 4),
        (Fault.TWO_CHOICES, "bad_response", 4),
        (Fault.HANG_UP, "connection_lost", 4),
        (Fault.BLACK_HOLE, "timed_out", 4),
    ],
)
def test_a_text_that_fails_alone_is_blamed_alone(
    server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault, code: str, tries: int
) -> None:
    model = load(server, opened, max_attempts=3, max_response_bytes=100_000)
    server.marks["GUILTY"] = fault
    texts = ["Ada is fine.", "GUILTY Bob.", "Carl is fine."]
    found = answers(model, *texts)
    assert codes(found) == ["ok", code, "ok"]
    assert found[0] == person(texts[0], "Ada")
    assert found[2] == person(texts[2], "Carl")
    assert sum("GUILTY" in text for text in server.texts()) == tries
    assert isinstance(found[1], Unanswered)
    assert "Bob" not in found[1].detail


@pytest.mark.parametrize(
    "fault",
    [
        Fault.RATE_LIMITED,
        Fault.UNAVAILABLE,
        Fault.ERROR,
        Fault.TIMEOUT,
        Fault.BLACK_HOLE,
        Fault.HANG_UP,
        Fault.NO_JSON,
        Fault.UNAUTHORIZED,
        Fault.NO_MODEL,
        Fault.REDIRECT,
        Fault.TOO_LONG,
        Fault.ODD,
        Fault.TWO_CHOICES,
        Fault.NO_LOGPROBS,
        Fault.NOT_A_NUMBER,
    ],
)
def test_an_endpoint_that_fails_on_every_text_is_down_and_no_text_is_blamed(
    server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault
) -> None:
    model = load(server, opened, max_attempts=2, read_timeout_s=0.2)
    server.fault = fault
    with pytest.raises(ModelDown) as told:
        answers(model, "Ada is private.", "Bob.")
    assert "private" not in str(told.value)
    server.fault = Fault.NONE
    assert codes(answers(model, "Ada.")) == ["ok"]  # and it is back without a word


def test_an_endpoint_that_is_gone_is_down_and_comes_back(server: FakeOpenAi, opened: list[OpenAiModel]) -> None:
    model = load(server, opened, max_attempts=2)
    answers(model, "Ada.")
    server.stop()
    with pytest.raises(ModelDown):
        answers(model, "Ada.", "Bob.")
    server.start()
    assert codes(answers(model, "Ada.", "Bob.")) == ["ok", "ok"]


@pytest.mark.parametrize("fault", [f for f in Fault if f not in (Fault.BLACK_HOLE, Fault.SLOW)])
def test_the_key_and_the_text_are_in_no_error_and_no_log(
    server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        model = load(server, opened, max_attempts=2)
        server.fault = fault
        try:
            told = repr(answers(model, "Zaphod is private."))
        except ModelDown as error:
            told = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    everything = told + caplog.text + repr(model.info) + repr(model._settings)
    assert KEY not in everything
    assert "Zaphod" not in everything


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.NO_MODEL, Fault.TOO_LONG, Fault.PROSE, Fault.TWO_CHOICES])
def test_what_can_never_work_stops_the_start(server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault) -> None:
    server.fault = fault
    with pytest.raises(ConfigurationError) as told:
        load(server, opened)
    assert "\n" not in str(told.value)
    assert KEY not in str(told.value)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.ERROR, Fault.BLACK_HOLE])
def test_what_may_work_later_is_no_configuration_error(
    server: FakeOpenAi, opened: list[OpenAiModel], fault: Fault
) -> None:
    server.fault = fault
    with pytest.raises(ModelDown):
        load(server, opened, max_attempts=1)
