"""One arena: what the C library itself says of its arenas after threads have asked for memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from workers.allocator import use_one_arena
if not use_one_arena():
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


def test_threads_share_the_arena_of_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    if done.stdout.strip() == "none":
        pytest.skip("this C library has no arenas")
    assert done.stderr.count("Arena ") == 1
