"""The insights page without Kafka and Faust: the real server over the real state, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from schemas import Correction, DeadLetter, EnrichedDocument
from tests.fakes.clock import FakeClock
from tests.fakes.enriched_records import run_header
from workers.insights.facts import headers_of
from workers.insights.state import Delivered, Insights
from workers.insights.web import Page
from workers.settings import InsightsSettings, KafkaSettings

NOW_S = 1_800_000_000.0


@dataclass(slots=True)
class Served:
    state: Insights
    clock: FakeClock
    address: str = ""
    corrections: list[Correction] = field(default_factory=list)
    _offset: int = 0

    def publish(self, content: EnrichedDocument | DeadLetter, *, partition: int = 0) -> str:
        """As if a worker had published it now; the record's position."""
        self._offset += 1
        kafka, now_s = self.state.kafka, self.clock.now_s
        topic = kafka.dead_topic if isinstance(content, DeadLetter) else kafka.enriched_topic
        headers = headers_of(run_header(sent_ms=int(now_s * 1_000) - 1_500))
        value = content.model_dump_json().encode()
        self.state.receive(Delivered(topic, partition, self._offset, now_s, headers, value))
        return f"{topic}/{partition}/{self._offset}"


def new_state(**options: object) -> Served:
    clock = FakeClock(NOW_S)
    settings = InsightsSettings.model_validate({"port": 0, **options})
    return Served(Insights(KafkaSettings(), settings, clock=clock), clock)


@contextmanager
def served_page(served: Served) -> Iterator[Served]:
    """Publish before, or from the same thread while nothing is asked: the state belongs to one thread at a time."""
    served.state.load({})
    served.state.took(1)
    loop = asyncio.new_event_loop()

    async def correct(correction: Correction) -> None:
        served.corrections.append(correction)
        served.state.verdicts.receive(correction.model_dump_json().encode())

    async def start() -> Page:
        page = Page(served.state, correct=correct)
        await page.start()
        return page

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        page = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        served.address = f"http://127.0.0.1:{page.port}"
        yield served
        asyncio.run_coroutine_threadsafe(page.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
