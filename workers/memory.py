"""What keeps a process small, and its collector of garbage idle, while it computes. Imports no torch."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

GIVE_BACK_S = 30.0
# More than documents under way are made of, some hundred each. Next to nothing of it is a cycle: 160 objects were, of
# 500 documents, and at Python's 700 looking for them was an eighth of the processor time of all but the model.
YOUNG_OBJECTS = 100_000
_M_ARENA_MAX = -8  # of malloc.h in glibc
# oneDNN and torch's bridge to it keep what they made for each shape of a batch, 1,024 each by default: a gigabyte after
# some thousand batches. A pass needs about ten; making them anew takes no time that could be measured.
KEPT_SHAPES = {b"ONEDNN_PRIMITIVE_CACHE_CAPACITY": b"16", b"LRU_CACHE_CAPACITY": b"16"}


def spare_the_collector() -> None:
    """To be called when all is loaded: what is there by now stays, and is not gone through again; what is new is, once
    there is enough of it, and by `giving_back`.

    Libraries and models are a million objects. Looking for cycles among them, each time enough new ones had been made,
    was a fifth of the processor time of everything but the model. What is garbage by then stays too, which is little.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def bound_memory() -> bool:
    """To be called before the first pass: one arena for all threads, and few shapes remembered unless the environment
    says how many.

    Whether it is so from now on: only glibc has arenas. Only the device's thread asks for much memory, so there is
    nobody to wait for. With an arena for each thread what one gave back is of no use to another: a sixth more memory,
    and a few percent of a pass for touching pages anew.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        for name, number in KEPT_SHAPES.items():
            libc.setenv(name, number, 0)  # leaves what is there; whoever reads it is C, not Python
        return bool(libc.mallopt(_M_ARENA_MAX, 1))
    except (AttributeError, OSError):  # another C library
        return False


@contextmanager
def giving_back(every_s: float = GIVE_BACK_S) -> Iterator[None]:
    """Inside, from time to time garbage is looked for, and what was freed goes back to the system.

    Of garbage there is little, but a Kafka client's errors hold on to what it has just fetched. Tensors of a batch are
    tens of megabytes. Small things come to stand where one was freed, so that the next one finds no room there and is
    put behind them: the holes add up to a tenth of the memory over some thousand batches. To give them back takes
    milliseconds, in which whoever asks for memory waits, and as many to touch again what is needed.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # another C library
        trim = None
    ended = Event()

    def work() -> None:
        while not ended.wait(every_s):
            gc.collect()
            if trim is not None:
                trim(0)

    thread = Thread(target=work, name="giving memory back", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
