"""`enrich serve` in a thread, over the real pipeline and the oracle in place of the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.pipelines import oracle_pipeline
from workers.settings import ClassificationSettings, ServeSettings, Settings, StageSettings
from workers.trial.server import Trials, Try, http_server
from workers.trial.tried import Refused, Tried, try_text

MOST = 400  # characters
SETTINGS = Settings(
    serve=ServeSettings(max_characters=MOST),
    stages=StageSettings(classification=ClassificationSettings(min_score=0.0)),
)


@contextmanager
def trial_server(attempt: Try | None = None, settings: Settings = SETTINGS) -> Iterator[str]:
    """Its address."""
    with oracle_pipeline(settings=settings) as pipeline:

        def through_the_pipeline(text: str) -> Tried | Refused:
            return try_text(pipeline, text, most_parts=settings.serve.max_parts)

        with http_server(Trials(attempt or through_the_pipeline, settings.serve), "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join(30)
