"""Threads and instruction set: what models run on."""

from __future__ import annotations

import json
from typing import Any

from . import _handles
from ._catalog import option_text


class Runtime:
    """A pool of threads of its own, for the models that are given it. Without one, models share the default.

    Arguments:
        threads: how many threads, the caller's included; 0: as many as the process may use processors.
    """

    def __init__(self, threads: int = 0) -> None:
        self._handle = _handles.RuntimeHandle(option_text(threads=threads))

    def info(self) -> dict[str, Any]:
        """What it runs on: `{"isa": "avx512", "threads": 2, "version": "0.1.0"}`."""
        return runtime_info(self)

    def __repr__(self) -> str:
        info = self.info()
        return f"<nnkit.Runtime: threads={info.get('threads')}, {info.get('isa')}>"


def runtime_info(runtime: Runtime | None = None) -> dict[str, Any]:
    """What a runtime, by default the shared one, runs on: `{"isa": "avx512", "threads": 2, "version": "0.1.0"}`."""
    return dict(json.loads(_handles.runtime_info_json(handle_of(runtime))))


def handle_of(runtime: Runtime | None) -> _handles.RuntimeHandle | None:
    """The runtime's handle; None for the shared one."""
    return None if runtime is None else runtime._handle


def shutdown() -> None:
    """Ends the worker threads of the shared runtime, waiting until they are gone. They start again when needed."""
    _handles.shutdown()
