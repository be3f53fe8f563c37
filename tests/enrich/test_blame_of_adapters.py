"""Every kind of model in a real worker: a text that breaks it is dead-lettered alone and hurts no neighbour.

One suite for all adapters; what is broken is the network or the endpoint behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from schemas import DeadLetter, StageName
from tests.fakes.faulty_models import DOCUMENT, MARK, Fault, Faulty, FaultyEndpoint, FaultyNetwork
from tests.fakes.openai_server import LABELS, FakeOpenAi
from tests.fakes.pipelines import log_of, payload
from tests.fakes.tiny_causal import save_reciter
from tests.fakes.tiny_checkpoints import VERDICTS, write_classifier, write_tagger
from tests.fakes.tiny_model import write_tiny
from tests.fakes.tiny_seq2seq import write_seq2seq
from workers.batching.answers import BatcherStats
from workers.compose import AnyModel, load_models, open_worker
from workers.settings import Settings
from workers.transport.memory import MemoryTransport

GUILTY = 5
TEXTS = [f"The {DOCUMENT} {MARK if n == GUILTY else '-'} has new plan {n:02d} for the city." for n in range(8)]
INNOCENT = [text for n, text in enumerate(TEXTS) if n != GUILTY]
NETWORK = {
    Fault.RAISES: ("model_error", "ModelError from IndexError"),
    Fault.NOT_A_NUMBER: ("model_error", "NotFinite"),
    Fault.TOO_FEW: ("model_error", "0 answers for 1 windows"),
    Fault.TOO_MANY: ("model_error", "2 answers for 1 windows"),
    Fault.NEVER_FITS: ("out_of_memory", "OutOfMemory from RuntimeError"),
}
ENDPOINT = {
    Fault.RAISES: ("server_error", "status 500"),
    Fault.NOT_A_NUMBER: ("bad_response", "the response is not a chat completion"),
    Fault.TOO_FEW: ("bad_response", "the response has 0 choices instead of one"),
    Fault.TOO_MANY: ("bad_response", "the response has 2 choices instead of one"),
    Fault.NEVER_FITS: ("context_length_exceeded", "status 400"),
}


@dataclass(frozen=True)
class Served:
    """A model of one kind, loaded as its settings say, and what a dead letter says about each fault of it."""

    settings: Settings
    lane: str
    faulty: Faulty
    told: dict[Fault, tuple[str, str]]  # code and detail

    def run(self, texts: Sequence[str]) -> tuple[dict[str, bytes], list[DeadLetter], BatcherStats]:
        """What one worker publishes, by document; what it dead-letters; and what its batches came to."""
        log = log_of(*(payload(text, name=str(TEXTS.index(text))) for text in texts))
        with open_worker(self.settings, {self.lane: self.faulty.model()}, MemoryTransport(log)) as worker:
            worker.run()
            stats = worker.enricher.state().batchers[self.lane]
        values = [record.value or b"" for record in log.read("documents.enriched")]
        dead = [DeadLetter.model_validate_json(record.value or b"") for record in log.read("documents.dead")]
        published = {orjson.loads(value)["id"]: _without_origin(value) for value in values}
        assert len(published) == len(values)
        return published, dead, stats


def _without_origin(value: bytes) -> bytes:
    """Where in the topic it stood differs between runs with and without the guilty one."""
    return orjson.dumps({name: told for name, told in orjson.loads(value).items() if name != "origin"})


def _loaded(settings: Settings) -> AnyModel:
    (model,) = load_models(settings).values()
    return model


def _network(settings: Settings) -> tuple[Settings, Faulty]:
    return settings, FaultyNetwork(_loaded(settings))


def _shared(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    return _network(Settings.model_validate({"model": write_tiny(folder).model_dump()}))


def _one_model(spec: dict[str, object], **stages: dict[str, object]) -> Settings:
    off: dict[str, dict[str, object]] = {stage.value: {"enabled": False} for stage in StageName}
    named = {stage: {"model": "own", **options} for stage, options in stages.items()}
    return Settings.model_validate({"models": {"own": spec}, "stages": off | named})


CPU: dict[str, object] = {"precision": "fp32", "device": "cpu"}
TOPICS: dict[str, object] = {"labels": {"sport": "Sport.", "business": "Business."}, "min_score": 0}
SUMMARY: dict[str, object] = {"min_sentences_in_document": 1, "max_sentences": 1}


def _tagger(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    spec = {"kind": "token-classification", "name": str(write_tagger(folder / "model", "bert")), **CPU}
    return _network(_one_model(spec, entities={"min_score": 0}))


def _classifier(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    name = write_classifier(folder / "model", "distilbert", labels=("good", "bad"))
    spec = {"kind": "sequence-classification", "name": str(name), **CPU}
    return _network(_one_model(spec, classification={"min_score": 0}))


def _zero_shot(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    name = write_classifier(folder / "model", "deberta-v2", labels=VERDICTS)
    return _network(_one_model({"kind": "zero-shot", "name": str(name), **CPU}, classification=TOPICS))


def _seq2seq(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    name = write_seq2seq(folder / "model", "bart")
    spec = {"kind": "seq2seq", "name": str(name), "num_beams": 2, "max_new_tokens": 14, "rows": 4, **CPU}
    return _network(_one_model(spec, summary=SUMMARY))


def _causal(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    name = save_reciter(folder / "model", {'"': 'Much was said here. And more."}'})
    spec = {"kind": "causal", "name": str(name), "rows": 3, "max_reply_tokens": 16, **CPU}
    return _network(_one_model(spec, classification=TOPICS, summary=SUMMARY))


def _openai(folder: Path, stack: ExitStack) -> tuple[Settings, Faulty]:
    server = stack.enter_context(FakeOpenAi())
    spec: dict[str, object] = {
        "kind": "openai",
        "base_url": server.url,
        "model": "tiny",
        "max_attempts": 3,
        "backoff_s": 0.001,
        "max_concurrency": 4,
    }
    labels = {label: f"About {label}." for label in LABELS}
    settings = _one_model(spec, entities={}, classification={"labels": labels}, summary=SUMMARY)
    return settings, FaultyEndpoint(lambda: _loaded(settings), server)


KINDS = {
    "shared": _shared,
    "token-classification": _tagger,
    "sequence-classification": _classifier,
    "zero-shot": _zero_shot,
    "seq2seq": _seq2seq,
    "causal": _causal,
    "openai": _openai,
}


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ExitStack() as stack:
        settings, faulty = KINDS[request.param](tmp_path_factory.mktemp("model"), stack)
        yield Served(settings, next(iter(settings.lanes())), faulty, ENDPOINT if faulty.remote else NETWORK)


@pytest.mark.parametrize("fault", Fault)
def test_the_guilty_text_is_dead_lettered_alone_and_its_neighbours_notice_nothing(
    served: Served, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    expected, none, whole = served.run(INNOCENT)
    assert none == []
    assert len(expected) == len(INNOCENT)
    with served.faulty.failing(fault):
        published, (letter,), stats = served.run(TEXTS)
    assert published == expected, "to the last bit"
    code, detail = served.told[fault]
    assert (letter.id, letter.stage, letter.code) == (str(GUILTY), "model", code)
    assert letter.detail.endswith(f"1 of 1 windows failed: {detail}")
    assert letter.smallest_failing == 1
    if served.faulty.remote:
        tries = 1 if fault is Fault.NEVER_FITS else 3 + 1  # what may pass is asked once more between texts of our own
        assert letter.attempts == tries
    else:
        assert letter.attempts == 4, "of 8, 4, 2 and alone"
    assert stats.max_padded_tokens == whole.max_padded_tokens, "a text that breaks it makes nobody's batches smaller"
    assert DOCUMENT not in letter.detail + caplog.text


def test_a_batch_that_does_not_fit_is_nobodys_fault(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    expected, _, whole = served.run(TEXTS)
    with served.faulty.short_of_memory(whole.padded_tokens // 2):
        published, dead, stats = served.run(TEXTS)
    assert published == expected
    assert dead == []
    assert stats.failed_windows == 0
    if not served.faulty.remote:
        assert (stats.out_of_memory, stats.max_padded_tokens) == (1, whole.padded_tokens // 2)
    assert DOCUMENT not in caplog.text
