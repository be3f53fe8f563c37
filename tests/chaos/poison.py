"""10,000 documents, one in a hundred poisonous: `python -m tests.chaos.poison`. Who is blamed, and what it costs.

The product's loop, pipeline and batcher, over the in-process log and a model whose mood is in the text.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from dataclasses import dataclass
from typing import Any

import orjson

from tests.fakes.models import MARKS
from tests.fakes.pipelines import log_of, oracle, oracle_worker, payload
from workers.batching.checked import PROBE_TEXT
from workers.settings import BatchSettings, EpochSettings, Settings
from workers.transport.memory import MemoryLog, MemoryTransport


@dataclass(frozen=True, slots=True)
class Outcome:
    documents: int
    poisonous: int
    blamed: int
    wrongly_blamed: int
    not_blamed: int
    published: int
    forwards: int  # all passes of the model
    added: int  # beyond one for each batch, and without those with a text of our own
    allowed: int  # 2 x log2(batch) for each guilty text of a batch
    letters: tuple[dict[str, Any], ...]

    @property
    def good(self) -> bool:
        exact = self.blamed == self.poisonous and self.wrongly_blamed == self.not_blamed == 0
        return exact and self.published == self.documents - self.poisonous and self.added <= self.allowed


def run(documents: int, *, share: float, seed: int, max_items: int = 64) -> Outcome:
    chance = random.Random(seed)
    bad = {place: chance.choice(MARKS) for place in chance.sample(range(documents), round(documents * share))}
    texts = (f"{bad.get(n, 'Word')} {'more ' * chance.randrange(40)}Tell nobody {n}." for n in range(documents))
    log = log_of(*(payload(text, name=str(n)) for n, text in enumerate(texts)), partitions=3)
    model = oracle()
    settings = Settings(epoch=EpochSettings(poll_ms=5), batch=BatchSettings(max_items=max_items))
    with oracle_worker(MemoryTransport(log), model, settings) as worker:
        worker.run()
        [stats] = worker.enricher.state().batchers.values()
    own = sum(batch[0].window.text == PROBE_TEXT for batch in model.batches)
    blamed = [orjson.loads(record.value or b"") for record in log.read("documents.dead")]
    names = {int(letter["id"]) for letter in blamed}
    return Outcome(
        documents,
        len(bad),
        blamed=len(blamed),
        wrongly_blamed=len(names - bad.keys()),
        not_blamed=len(bad.keys() - names),
        published=len(published(log)),
        forwards=len(model.batches),
        added=len(model.batches) - stats.batches - own,
        allowed=round(len(bad) * 2 * math.log2(max_items)),
        letters=tuple(blamed),
    )


def published(log: MemoryLog) -> set[str]:
    return {orjson.loads(record.value or b"")["id"] for record in log.read("documents.enriched")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    found = run(**vars(parser.parse_args()))
    each = max(1, found.poisonous)
    print(
        f"{found.documents} documents, {found.poisonous} poisonous: {found.blamed} dead-lettered, "
        f"{found.wrongly_blamed} wrongly, {found.not_blamed} missed, {found.published} published\n"
        f"{found.forwards} forward passes, {found.added} for blame: {found.added / each:.1f} a guilty text, "
        f"allowed {found.allowed / each:.0f}"
    )
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
