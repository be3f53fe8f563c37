"""The insights page beside the demo, where an environment with Faust is there. Ends with the demo."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from workers.errors import DependencyError
from workers.settings import KafkaSettings

START_S = 60.0
PAGE_NEEDS = "the live page needs an environment of its own, beside this one: `make page` makes it and comes back here"
ADDRESS = re.compile(r"http://\S+")


def insights_python() -> str | None:
    """An interpreter that has Faust: this one, or that of `.venv-insights` beside our environment."""
    if importlib.util.find_spec("faust") is not None:
        return sys.executable
    beside = Path(sys.prefix).parent / ".venv-insights" / "bin" / "python"
    return str(beside) if beside.exists() else None


@contextmanager
def insights_process(kafka: KafkaSettings, log: Path, *, wanted: bool) -> Iterator[Callable[[], str | None]]:
    """The page, and `enrich serve` behind its box for a text of one's own. Yields a function that gives the page's
    address once it is served; None without it."""
    from workers.transport.local import free_port

    python = insights_python()
    if python is None or not wanted:
        yield lambda: None
        return
    port = str(free_port())
    options = {
        "ENRICH_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "ENRICH_INSIGHTS__PORT": "0",
        "ENRICH_INSIGHTS__DRIFT_MIN_DOCUMENTS": "20",
        "ENRICH_INSIGHTS__SERVE_URL": f"http://127.0.0.1:{port}",
    }
    with (
        command_process(sys.executable, "serve", {"ENRICH_SERVE__PORT": port}, log.with_name("serve.log")),
        command_process(python, "insights", options, log) as process,
    ):

        def address() -> str | None:
            found = ADDRESS.search(log.read_text(encoding="utf-8", errors="replace").partition("\n")[0])
            return found.group() if found and process.poll() is None else None

        yield address


@contextmanager
def command_process(
    python: str, command: str, options: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """One of our commands, ended with us: nothing that it holds outlives the broker."""
    from workers.transport.local import end_with_parent

    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [python, "-m", "workers.cli.main", command],
            env={**os.environ, **options},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def show_page(address: Callable[[], str | None], alive: Callable[[], None]) -> None:
    """Tell where the page is and wait until Ctrl-C. Raises DependencyError if it does not come up within a minute."""
    deadline_s = time.monotonic() + START_S
    while (found := address()) is None:
        if time.monotonic() > deadline_s:
            raise DependencyError(f"the live page did not come up within {START_S:.0f} s")
        time.sleep(0.2)
    typer.echo(f"live page: {found}  (Ctrl-C ends it and all the rest)")
    with suppress(KeyboardInterrupt):
        while address() is not None:
            alive()
            time.sleep(1.0)
