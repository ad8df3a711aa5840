"""Python functions that C calls, and what they raise.

ctypes prints and drops an exception of a callback, so all of a callback is one `try`. That is not enough: Python runs
the handlers of signals between any two instructions, also before the `try` and behind it. While a C function runs that
calls Python back, a handler whose turn comes in a function of this file next to C waits until that has passed.
Everywhere else it runs at once, as ever.
"""

from __future__ import annotations

# The functions of `signal` make enumerations of all that they take and give, which takes 15 times as long.
import _signal  # type: ignore[import-not-found]
import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = tuple(map(int, signal.valid_signals()))
_libc = ctypes.CDLL(None)


class _Handler:
    """Stands for the handler of a signal. A program that comes by it, in a callback, may use it at any time."""

    def __init__(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        interrupted = frame
        while interrupted is not None and interrupted.f_code is _Handler.__call__.__code__:
            interrupted = interrupted.f_back
        if interrupted is not None and interrupted.f_code in _NEXT_TO_C:
            _waiting.append((self.handler, number))
            return None
        return self.handler(number, frame)


# Only the main thread, in which Python runs handlers, comes to these.
_waiting: list[tuple[Callable[[int, FrameType | None], Any], int]] = []
_replaced: list[dict[int, _Handler]] = []


class _Callback:
    """A function for C to call. What it raises ends the C function, by the answer 1, and is kept."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.function = function
        self.raised: list[BaseException] = []

    def __call__(self, *arguments: Any) -> int:
        try:
            if self.raised:
                return 1
            _run_waiting()
            return self.function(*arguments)
        except BaseException as error:
            self.raised.append(error)
            return 1


def call_with_callback(
    function: Callable[..., int], *arguments: Any, prototype: Callable[..., Any], callback: Callable[..., int]
) -> int:
    """What a C function returns that is given `arguments`, a callback of type `prototype`, and NULL for its data.

    Raises: what `callback` raised, or a handler of a signal.
    """
    _require_room(16)
    guarded, depth = _Callback(callback), len(_replaced)
    replaced: dict[int, _Handler] = {}
    try:
        try:
            if threading.current_thread() is threading.main_thread():
                _replaced.append(replaced)
                replace_handlers()
            status = _call(function, *arguments, prototype(guarded), None)
        finally:
            try:
                _restore_handlers(replaced, depth)
            finally:
                _run_waiting()
    finally:
        if guarded.raised:
            raise guarded.raised[0]
    return status


def _call(function: Callable[..., int], *arguments: Any) -> int:
    return function(*arguments)


def _require_room(depth: int) -> None:
    # RecursionError at the start of a callback would be lost as well: here it is raised.
    if depth:
        _require_room(depth - 1)


def _run_waiting() -> None:
    if _waiting and threading.current_thread() is threading.main_thread():
        handler, number = _waiting.pop(0)
        try:
            handler(number, sys._getframe())
        finally:
            _run_waiting()


def replace_handlers() -> None:
    """Within `call_with_callback`: lets the handlers that the program has set until now wait where they must."""
    if not _replaced or threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        handler = _signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Handler):
            _replaced[-1][number] = _Handler(handler)
            _set_handler(number, _replaced[-1][number])


def _restore_handlers(replaced: dict[int, _Handler], depth: int) -> None:
    raised: BaseException | None = None
    while True:
        try:
            while replaced:
                number, handler = next(iter(replaced.items()))
                if _signal.getsignal(number) is handler:  # Not where a callback has set another.
                    _set_handler(number, handler.handler)
                del replaced[number]
            break
        except BaseException as error:  # Of a handler that is back already: the others must come back, too.
            raised = error
    if threading.current_thread() is threading.main_thread():
        del _replaced[depth:]
    if raised is not None:
        raise raised


def _set_handler(number: int, handler: Callable[[int, FrameType | None], Any]) -> None:
    # Python resets what siginterrupt has set, and handlers of C that call Python's: they are put back.
    action = ctypes.create_string_buffer(256)
    _libc.sigaction(number, None, action)
    _signal.signal(number, handler)
    _libc.sigaction(number, action, None)


# Where an exception of a handler would be lost, or keep handlers from being restored.
_NEXT_TO_C = frozenset(
    function.__code__ for function in (_Callback.__call__, _call, call_with_callback, _restore_handlers)
)
