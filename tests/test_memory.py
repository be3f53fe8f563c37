"""Bounded memory: what the C library itself says, in a process of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from tests.fakes.tiny_model import write_tiny
from workers.compose import load_models
from workers.memory import YOUNG_OBJECTS, giving_back
from workers.settings import BatchSettings, Settings

ARENAS = """
import ctypes, threading
from workers.memory import bound_memory
if not bound_memory():
    print("none")
else:
    def ask():
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        assert libc.malloc(100_000)
    for _ in range(3):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    ctypes.CDLL(None).malloc_stats()
"""
SHAPES = """
import ctypes
from workers.memory import KEPT_SHAPES, bound_memory
bound_memory()
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(*(libc.getenv(name).decode() for name in KEPT_SHAPES))
"""
HOLES = """
import ctypes, time
from pathlib import Path
from workers.memory import bound_memory, giving_back
if not bound_memory():
    raise SystemExit
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256

large, small = [], []
for _ in range(1_000):  # what stands between them keeps the top of the heap where it is
    large.append(libc.malloc(100_000))
    ctypes.memset(large[-1], 1, 100_000)
    small.append(libc.malloc(100))
for block in large:
    libc.free(block)
full = resident_mib()
with giving_back(every_s=0.05):
    deadline_s = time.monotonic() + 30
    while resident_mib() > full - 80 and time.monotonic() < deadline_s:
        time.sleep(0.05)
print(full - resident_mib())
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_what_is_there_when_all_is_loaded_is_not_gone_through_again() -> None:
    program = "import gc, workers.memory as m; m.spare_the_collector(); print(gc.get_freeze_count())"
    assert int(run(program).stdout) > 1_000


def test_models_are_loaded_that_way(tmp_path: Path) -> None:
    settings = Settings(model=write_tiny(tmp_path), batch=BatchSettings(calibrate=False))
    before = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    try:
        load_models(settings)
        assert gc.get_freeze_count() > 1_000
        assert gc.get_threshold() == (YOUNG_OBJECTS, 10, 10)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_garbage_is_looked_for_also_where_there_is_little() -> None:
    class Node:
        itself: Node

    node = Node()
    node.itself = node
    left = weakref.ref(node)
    gc.disable()
    try:
        with giving_back(every_s=0.01):
            del node
            deadline_s = time.monotonic() + 30
            while left() is not None and time.monotonic() < deadline_s:
                time.sleep(0.01)
    finally:
        gc.enable()
    assert left() is None


def test_threads_share_the_arena_of_the_process() -> None:
    done = run(ARENAS)
    if done.stdout.strip() == "none":
        pytest.skip("this C library has no arenas")
    assert done.stderr.count("Arena ") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_what_was_freed_between_what_stays_goes_back_to_the_system() -> None:
    done = run(HOLES)
    if not done.stdout:
        pytest.skip("this C library has no arenas")
    assert float(done.stdout) > 80


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="set on Linux alone")
def test_few_shapes_are_remembered_unless_the_environment_says_how_many() -> None:
    assert run(SHAPES).stdout.split() == ["16", "16"]
    assert run(SHAPES, LRU_CACHE_CAPACITY="256").stdout.split() == ["16", "256"]
