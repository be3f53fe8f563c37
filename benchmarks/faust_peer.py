"""A Faust agent around batched pipelines, as a process of its own: reads documents, answers them 32 at a time.

    python -m benchmarks.faust_peer JOB

JOB is a JSON file with the fields of `Job`. When all documents are answered it writes, to the file that the job names,
the seconds from the first batch taken until the last answer was acknowledged. The pipelines run in a thread, so that
the agent's loop goes on answering the broker. Needs faust-streaming.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import torch

from benchmarks.checkpoints import Checkpoints
from benchmarks.glue import Glue
from benchmarks.report import Frozen

BATCH = 32
WITHIN_S = 0.05  # until a batch goes that is not full


class Job(Frozen):
    """What to read, where to write, and which models to run."""

    bootstrap_servers: str
    input_topic: str
    output_topic: str
    group: str
    checkpoints: Path
    dtype: str
    device: str
    threads: int
    documents: int
    state: Path  # a folder for Faust's own files
    result: Path


def run(job: Job) -> None:
    import faust

    torch.set_num_threads(job.threads)
    parts = ("entities", "relations", "labels", "sentences")
    checkpoints = Checkpoints(*(job.checkpoints / part for part in parts))
    glue = Glue(checkpoints, dtype=getattr(torch, job.dtype), device=job.device)
    broker = "kafka://" + ";".join(job.bootstrap_servers.split(","))
    app: Any = faust.App(
        job.group,
        broker=broker,
        store="memory://",
        datadir=str(job.state),
        web_enabled=False,
        topic_disable_leader=True,
    )
    documents = app.topic(job.input_topic, value_serializer="raw", value_type=bytes)
    answers = app.topic(job.output_topic, value_serializer="raw", value_type=bytes)

    @app.agent(documents)  # type: ignore[untyped-decorator]  # faust has no types here
    async def enrich(stream: Any) -> None:
        done, started_s = 0, 0.0
        async for batch in stream.take(BATCH, within=WITHIN_S):
            started_s = started_s or time.perf_counter()
            texts = [orjson.loads(value)["text"] for value in batch]
            found = await asyncio.to_thread(glue.in_batches, texts, size=BATCH)
            sent = [await answers.send(value=orjson.dumps(record, default=float)) for record in found]
            await asyncio.gather(*sent)
            done += len(batch)
            if done >= job.documents:
                job.result.write_text(repr(time.perf_counter() - started_s), encoding="ascii")
                os._exit(0)  # stopping a Faust worker takes seconds and tells nothing

    faust.Worker(app, loglevel="error").execute_from_commandline()


if __name__ == "__main__":
    run(Job.model_validate_json(Path(sys.argv[1]).read_bytes()))
