"""Pulls that die, run at once, or find the disk full: the store is clean, and the next one succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from tests.fakes.model_server import ModelServer, checkpoint
from tests.fakes.model_sources import Source, is_empty
from workers.models.manifest import find_problems
from workers.models.pull import Pulled, Wanted, pull
from workers.models.shelf import Shelf

FILES = checkpoint()


PULLER = """
import sys
from pathlib import Path
from workers.models.pull import Wanted, pull
from workers.models.shelf import Shelf
print(pull(Shelf(Path(sys.argv[1])), Wanted(sys.argv[2])).digest)
"""
# No process of a small machine can fill a disk; a limit on the size of a file fails in the same call.
SMALL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
"""


def start_puller(shelf: Shelf, url: str, before: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", before + PULLER, str(shelf.root), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_full_disk_is_one_line_and_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    source = Source(f"file://{tmp_path}/source").put(checkpoint(bytes_of_weights=200_000))
    with start_puller(shelf, source.url, SMALL_DISK) as puller:
        _, errors = puller.communicate(timeout=100)
    assert "workers.errors.ConfigurationError: no space is left for model store" in errors.splitlines()[-1]
    assert is_empty(shelf)


def test_a_killed_puller_leaves_a_clean_store_and_the_next_one_succeeds(
    web: ModelServer, shelf: Shelf, tmp_path: Path
) -> None:
    source = Source(f"{web.url}/m", web).put(checkpoint(bytes_of_weights=4 << 20))
    web.hold["/m/model.safetensors"] = 2 << 20
    with start_puller(shelf, source.url) as puller:
        assert web.reached.wait(100), "it never came to the weights"
        wait_for(lambda: any((shelf.root / "incoming").glob("*/model.safetensors")))
        os.kill(puller.pid, signal.SIGKILL)
        puller.communicate()
    assert shelf.digests() == ()
    assert shelf.names() == {}
    assert [path for path in (shelf.root / "incoming").glob("*") if path.is_dir()], "it died in the middle"
    web.go_on.set()
    elsewhere = Source(f"file://{tmp_path}/source").put(FILES)
    pull(shelf, Wanted(elsewhere.url))  # another model's pull clears away what the dead one left
    assert not [path for path in (shelf.root / "incoming").glob("*") if path.is_dir()]
    pulled = pull(shelf, Wanted(source.url))
    assert list(find_problems(pulled.folder)) == []
    assert len(shelf.digests()) == 2


def test_two_processes_that_pull_one_model_at_once_are_both_right(web: ModelServer, shelf: Shelf) -> None:
    source = Source(f"{web.url}/m", web).put(checkpoint(bytes_of_weights=1 << 20))
    same = Source(f"{web.url}/m/", web)  # another name of the same bytes
    with start_puller(shelf, source.url) as one, start_puller(shelf, same.url) as two:
        results = [puller.communicate(timeout=100) for puller in (one, two)]
    assert [errors for _, errors in results] == ["", ""]
    assert len({digest for digest, _ in results}) == 1
    assert list(find_problems(shelf.folder(results[0][0].strip()))) == []


def test_who_comes_second_keeps_what_is_there(shelf: Shelf, tmp_path: Path) -> None:
    """Two names of one model, fetched at once: one of the two renames finds the place taken."""
    urls = [Source(f"memory://{uuid.uuid4().hex}").put(FILES).url for _ in range(2)]
    first: list[Pulled] = []

    def other_is_faster(folder: Path) -> None:
        first.append(pull(shelf, Wanted(urls[1])))

    second = pull(shelf, Wanted(urls[0]), check=other_is_faster)
    assert second.digest == first[0].digest
    assert set(shelf.names()) == set(urls)
    assert list(find_problems(second.folder)) == []


def wait_for(holds: object, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)
