"""Ctrl-C while a C function calls Python back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """Whether Ctrl-C was pressed. Where `raising`, it is raised as KeyboardInterrupt at once as well."""

    def __init__(self) -> None:
        self.pending = False
        self.raising = False

    def _handle(self, _signal: int, _frame: Any) -> None:
        self.pending = True
        if self.raising:
            raise KeyboardInterrupt


@contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Keeps Ctrl-C from raising where nothing could catch it.

    ctypes cannot pass on an exception of a callback, and Python raises KeyboardInterrupt between any two of its
    instructions, also before the first `try` of a callback: there it would be printed and lost. Nothing is changed
    where the program handles Ctrl-C in a way of its own, or outside of the main thread, which alone sees signals.
    """
    interrupts = Interrupts()
    handler = signal.getsignal(signal.SIGINT)
    outer = getattr(handler, "__self__", None)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    if isinstance(outer, Interrupts):  # A call from the callback of another one.
        raising, outer.raising = outer.raising, False
        try:
            yield outer
        finally:
            outer.raising = raising
        if outer.pending and raising:
            raise KeyboardInterrupt
        return
    if handler is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts._handle)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupts.pending:
        raise KeyboardInterrupt
