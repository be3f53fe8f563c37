"""The device: one step at a time, in one thread, in the order of asking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.fakes.batchers import Gate, until
from tests.fakes.models import OracleModel, window_of
from workers.apart import apart
from workers.batching.device import Device
from workers.batching.scheduler import Batcher
from workers.settings import BatchSettings


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    yield device
    device.close()


def test_steps_run_in_the_order_of_asking_and_whoever_let_go_comes_last(device: Device) -> None:
    order: list[int] = []
    busy, free = threading.Event(), threading.Event()

    def hold() -> bool:
        busy.set()
        return free.wait(60)

    def note(number: int) -> bool:
        order.append(number)
        return True

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(device.run, hold)]
        assert busy.wait(60)
        for number in range(3):
            asked.append(pool.submit(device.run, partial(note, number)))
            while device._asked.qsize() <= number:
                time.sleep(0.001)
        free.set()
        assert all(future.result(60) for future in asked)
    assert order == [0, 1, 2]


def test_all_steps_run_in_the_same_thread(device: Device) -> None:
    seen: list[str] = []

    def step() -> bool:
        seen.append(threading.current_thread().name)
        return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(device.run, [step] * 8)) == [False] * 8
    assert set(seen) == {"device"}


def test_whoever_asked_gets_the_error_and_the_device_goes_on(device: Device) -> None:
    def fail() -> bool:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        device.run(fail)
    assert device.run(lambda: True)


def test_a_closed_device_has_no_thread() -> None:
    device = Device()
    device.close()
    assert not device._thread.is_alive()


def test_a_device_that_never_comes_back_does_not_hold_up_the_end() -> None:
    device, free = Device(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(device.run, lambda: free.wait(60))
        device.close(timeout_s=0.01)
        assert not stuck.done()
        free.set()


def test_work_apart_leaves_no_thread_behind() -> None:
    threads: list[threading.Thread] = []

    @apart
    def divide(one: int, *, by: int) -> float:
        threads.append(threading.current_thread())
        return one / by

    assert divide(1, by=4) == 0.25
    with pytest.raises(ZeroDivisionError):
        divide(1, by=0)
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_a_batcher_with_much_to_do_lets_another_one_in(device: Device) -> None:
    """After the batch under way, and not when it has no more."""
    order: list[str] = []

    def model(name: str, before: Callable[[], None]) -> OracleModel:
        def note() -> None:
            order.append(name)
            before()
            time.sleep(0.01)  # longer than decoding takes, so that there is always something to run

        return OracleModel(before_forward=note)

    limit = BatchSettings(max_items=1)
    with Gate() as gate, ThreadPoolExecutor(2) as pool:
        many = Batcher(model("many", gate.wait), limit, device=device)
        one = Batcher(model("one", lambda: None), limit, device=device)
        try:
            asked = [pool.submit(many.answer, [window_of(f"text {n}") for n in range(6)])]
            until(lambda: order == ["many"])
            asked.append(pool.submit(one.answer, [window_of("text")]))
            until(lambda: device.wanted)
            gate.open()
            assert all(answer.result(60) for answer in asked)
        finally:
            many.close()
            one.close()
    assert order.index("one") < 3
    assert order.count("many") == 6
