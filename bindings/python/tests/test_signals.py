"""Handlers of signals that raise: the exception comes out of the call, wherever in it Python runs the handler."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model

import nnkit as nn

X, Y = np.zeros((64, 4), np.float32), np.zeros(64, np.int32)
RUNS = 200


class OwnError(Exception):
    """What the handlers raise."""


def raising(_number: int, _frame: Any) -> None:
    """A handler."""
    raise OwnError


@pytest.fixture(params=["SIGALRM", "SIGINT", "SIGINT by default"])
def interrupt(request: pytest.FixtureRequest) -> Iterator[Callable[[float], None]]:
    """Lets a handler raise in so many seconds, at an instruction of chance."""
    number = signal.SIGALRM if request.param == "SIGALRM" else signal.SIGINT
    handler = signal.default_int_handler if request.param == "SIGINT by default" else raising
    delays: queue.SimpleQueue[float | None] = queue.SimpleQueue()

    def send() -> None:
        for delay in iter(delays.get, None):
            time.sleep(delay)
            os.kill(os.getpid(), number)

    # No threading.Timer, which dies in functions of Python's: what is raised in those is lost, whoever calls.
    sender = threading.Thread(target=send)
    before = signal.signal(number, handler)
    sender.start()
    yield delays.put
    delays.put(None)
    sender.join()
    signal.signal(number, before)


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python could not pass on, and whose it was."""
    # Else the garbage of other tests is collected in a call of this one, and a handler may run in a weak reference's
    # callback: what is raised in those is lost, whoever calls.
    gc.collect()
    found: list[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda unraisable: found.append((unraisable.exc_value, unraisable.object))
    )
    return found


def handlers() -> list[Any]:
    """Of all signals."""
    return [signal.getsignal(number) for number in signal.valid_signals()]


CALLS: dict[str, Callable[[nn.Model, Path], Any]] = {
    "fit": lambda model, _: model.fit(X, Y, batch_size=1, epochs=10_000, verbose=0),
    "fit with callbacks": lambda model, _: model.fit(
        X, Y, batch_size=32, epochs=10_000, verbose=0, callbacks=[lambda report: None]
    ),
    "evaluate": lambda model, _: [model.evaluate(X, Y, batch_size=1) for _ in range(10_000)],
    "pickle": lambda model, _: [pickle.dumps(model) for _ in range(10_000)],
    "deepcopy": lambda model, _: [copy.deepcopy(model) for _ in range(10_000)],
    "save": lambda model, path: [model.save(path / "model") for _ in range(10_000)],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_a_handler_raises_comes_out(
    call: Callable[[nn.Model, Path], Any], interrupt: Callable[[float], None], lost: list[Any], tmp_path: Path
) -> None:
    model, before = compiled(dense_model()), handlers()
    for run in range(RUNS):
        with pytest.raises((OwnError, KeyboardInterrupt)):
            interrupt(run * 1e-5)
            call(model, tmp_path)
    assert handlers() == before
    assert lost == []


def test_a_handler_that_a_callback_sets_is_kept_and_heard(lost: list[Any]) -> None:
    before = signal.getsignal(signal.SIGALRM)

    def arm(report: nn.EpochReport) -> None:
        if report.epoch == 1:
            signal.signal(signal.SIGALRM, raising)
            signal.setitimer(signal.ITIMER_REAL, 2e-3)

    try:
        for _ in range(50):
            with pytest.raises(OwnError):
                compiled(dense_model()).fit(X, Y, batch_size=1, epochs=10_000, verbose=0, callbacks=[arm])
            assert signal.getsignal(signal.SIGALRM) is raising
            signal.signal(signal.SIGALRM, before)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert lost == []


def test_a_callback_that_catches_what_a_handler_raises_goes_on() -> None:
    caught: list[int] = []

    def callback(report: nn.EpochReport) -> None:
        for _ in range(2):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-3)
                while True:
                    pass
            except OwnError:
                caught.append(report.epoch)

    before = signal.signal(signal.SIGALRM, raising)
    try:
        assert compiled(dense_model()).fit(X, Y, epochs=3, verbose=0, callbacks=[callback]).epochs == 3
    finally:
        signal.signal(signal.SIGALRM, before)
    assert caught == [1, 1, 2, 2, 3, 3]


def test_the_flags_of_a_signal_are_kept() -> None:
    libc, actions = ctypes.CDLL(None), [ctypes.create_string_buffer(256) for _ in range(2)]
    before = signal.signal(signal.SIGALRM, raising)
    try:
        signal.siginterrupt(signal.SIGALRM, False)
        libc.sigaction(signal.SIGALRM, None, actions[0])
        pickle.dumps(dense_model())
        libc.sigaction(signal.SIGALRM, None, actions[1])
    finally:
        signal.signal(signal.SIGALRM, before)
    # Handler, mask and flags, where glibc has them.
    first, second = (each.raw[:16] + each.raw[136:140] for each in actions)
    assert first == second


def test_a_stack_with_no_room_for_callbacks_is_an_error(lost: list[Any]) -> None:
    """At every depth, in another thread, which replaces no handlers: the exception comes out, or the call is whole."""
    model, outcomes = dense_model(), []
    whole = model._handle.write()

    def write_at(depth: int) -> None:
        if depth:
            write_at(depth - 1)
            return
        try:
            outcomes.append(model._handle.write() == whole)
        except (RecursionError, ctypes.ArgumentError):  # ctypes names the one in the other's message.
            outcomes.append("error")

    def write_at_every_depth() -> None:
        for depth in range(sys.getrecursionlimit() - 60, sys.getrecursionlimit() - 5):
            try:
                write_at(depth)
            except RecursionError:
                break

    thread = threading.Thread(target=write_at_every_depth)
    thread.start()
    thread.join()
    assert set(outcomes) == {True, "error"}
    assert lost == []


def test_handles_are_destroyed_when_they_are_let_go() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    for _ in range(5):
        nn.Sequential([nn.Dense(1000)], input_shape=(1000,))
    before = resident()
    for _ in range(100):
        nn.Sequential([nn.Dense(1000)], input_shape=(1000,))
    assert resident() - before < 100 * 4_000_000 / 4


# Calls that take seconds, of batches that take milliseconds.
SLOW_X = np.zeros((8000, 64), np.float32)
SLOW_Y = np.zeros(8000, np.int32)


def slow_model() -> nn.Model:
    """A batch of 8 takes a few milliseconds."""
    layers = [nn.Dense(1024, activation="tanh") for _ in range(3)]
    return compiled(nn.Sequential([*layers, nn.Dense(3)], input_shape=(64,), runtime=nn.Runtime(threads=1)))


LONG_CALLS: dict[str, Callable[[nn.Model], Any]] = {
    "fit": lambda model: model.fit(SLOW_X, SLOW_Y, batch_size=8, verbose=0),
    "the validation of a fit": lambda model: model.fit(
        SLOW_X[:8], SLOW_Y[:8], batch_size=8, verbose=0, validation_data=(SLOW_X, SLOW_Y)
    ),
    "evaluate": lambda model: model.evaluate(SLOW_X, SLOW_Y, batch_size=8),
    "predict": lambda model: model.predict(SLOW_X, batch_size=8),
}


@pytest.mark.parametrize("call", LONG_CALLS.values(), ids=list(LONG_CALLS))
def test_ctrl_c_ends_a_long_call_after_the_batch_that_is_under_way(
    call: Callable[[nn.Model], Any], lost: list[Any]
) -> None:
    model, waits = slow_model(), []
    start = time.perf_counter()
    call(model)
    length = time.perf_counter() - start
    assert length > 0.3  # Else this test would show nothing.
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(5):
            start = time.perf_counter()
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                call(model)
            waits.append(time.perf_counter() - start - 0.1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # On a machine that is busy with other things a batch takes as much longer as the call.
    assert sorted(waits)[2] < max(0.1, length / 10), (waits, length)
    assert lost == []
    model.predict(SLOW_X[:1])
