"""Threads and instruction set: what models run on."""

from __future__ import annotations

import json
from typing import Any

from . import _handles
from ._attributes import Fixed
from ._catalog import option_text
from ._shown import shown


class Runtime(Fixed):
    """A pool of threads of its own, for the models that are given it. Without one, models share the default.

    Arguments:
        threads: how many threads, the caller's included; 0: as many as the process may use processors.

    `copy` returns the runtime itself, which has nothing that could be changed; `pickle` makes one with as many threads.
    """

    __slots__ = ("__weakref__", "_handle", "_threads")

    _kind = "a runtime"

    def __init__(self, threads: int = 0) -> None:
        self._handle = _handles.RuntimeHandle(option_text(threads=threads))
        self._threads = int(threads or 0)

    def __copy__(self) -> Runtime:
        return self

    def __deepcopy__(self, memo: Any) -> Runtime:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restored, (type(self), self._threads, getattr(self, "__dict__", {}))

    def info(self) -> dict[str, Any]:
        """What it runs on: `{"isa": "avx512", "threads": 2, "version": "0.1.0"}`."""
        return runtime_info(self)

    def __repr__(self) -> str:
        info = self.info()
        return f"<nnkit.Runtime: threads={info.get('threads')}, {info.get('isa')}>"


def _restored(kind: type[Runtime], threads: int, attributes: dict[str, Any]) -> Runtime:
    restored = kind.__new__(kind)
    Runtime.__init__(restored, threads)
    if attributes:
        restored.__dict__.update(attributes)
    return restored


def runtime_info(runtime: Runtime | None = None) -> dict[str, Any]:
    """What a runtime, by default the shared one, runs on: `{"isa": "avx512", "threads": 2, "version": "0.1.0"}`."""
    return dict(json.loads(_handles.runtime_info_json(handle_of(runtime))))


def handle_of(runtime: Runtime | None) -> _handles.RuntimeHandle | None:
    """The runtime's handle; None for the shared one."""
    if runtime is None:
        return None
    if not isinstance(runtime, Runtime):
        raise TypeError(f"a runtime is what nn.Runtime makes, or None for the shared one; got {shown(runtime)}")
    return runtime._handle


def shutdown() -> None:
    """Ends the worker threads of the shared runtime, waiting until they are gone. They start again when needed."""
    _handles.shutdown()
