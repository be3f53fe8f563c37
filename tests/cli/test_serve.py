"""`enrich serve` as a process with the packaged model: a text in, its record and an explanation out, until SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import orjson
import pytest

from tests.cli.test_commands import enrich
from workers.cli.serve import shown_and_forgotten
from workers.settings import CacheSettings, OutputSettings, Settings


@pytest.mark.timeout(240)
def test_it_answers_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "workers.cli.main", "serve", "--serve-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serve: http://127.0.0.1:"), line
            text = "The striker scored twice and the team won the final match of the season."
            body = orjson.dumps({"text": text})
            request = urllib.request.Request(line.split()[1] + "enrich", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=120) as answer:
                found = orjson.loads(answer.read())
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert found["document"]["classification"]["labels"][0]["name"] == "sport"
    weights = {text[part["start"] : part["end"]]: part["weight"] for part in found["explanation"]["parts"]}
    assert max(weights, key=lambda word: weights[word]) in {"striker", "scored", "team", "match", "final", "season."}


def test_a_text_is_shown_and_its_results_are_in_no_cache() -> None:
    asked = Settings(output=OutputSettings(include_text=False), cache=CacheSettings(kind="redis"))
    settings = shown_and_forgotten(asked)
    assert (settings.output.include_text, settings.cache.kind) == (True, "none")


def test_an_address_that_is_taken_is_one_line() -> None:
    done = enrich("serve", "--serve-host", "192.0.2.1", environment={"ENRICH_BATCH__CALIBRATE": "false"})
    assert done.returncode == 2
    assert "serve.host=192.0.2.1" in done.stderr.decode()
