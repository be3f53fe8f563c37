"""Bounded memory: what the C library itself says, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


def test_threads_share_the_arena_of_the_process() -> None:
    done = run(ARENAS)
    if done.stdout.strip() == "none":
        pytest.skip("this C library has no arenas")
    assert done.stderr.count("Arena ") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="set on Linux alone")
def test_few_shapes_are_remembered_unless_the_environment_says_how_many() -> None:
    assert run(SHAPES).stdout.split() == ["16", "16"]
    assert run(SHAPES, LRU_CACHE_CAPACITY="256").stdout.split() == ["16", "256"]
