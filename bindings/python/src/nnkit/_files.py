"""Where models are written to and read from: paths, memory, and file objects."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ._handles import ModelHandle, Path, RuntimeHandle
from ._shown import shown


class BinaryReader(Protocol):
    """What was opened with mode "rb", or the like."""

    def read(self) -> bytes:
        """All that is left of it."""


class BinaryWriter(Protocol):
    """What was opened with mode "wb", or the like."""

    def write(self, piece: bytes, /) -> Any:
        """Takes a piece, and returns how much of it."""


Source: TypeAlias = "Path | bytearray | memoryview | BinaryReader"
Target: TypeAlias = "Path | BinaryWriter"


def load(runtime: RuntimeHandle | None, source: Source) -> ModelHandle:
    """The model in a file, in bytes, or in what is left of a file object.

    Raises: TypeError for anything else.
    """
    if hasattr(source, "read"):
        content = source.read()
        if isinstance(content, str):
            raise TypeError(f"load: {shown(source)} gives text; open it as a binary file: open(path, 'rb')")
        return ModelHandle.read(runtime, bytes(content))
    # No path has a zero byte in it, and every model file: among the first eight, the length of its header.
    if isinstance(source, bytes) and b"\0" in source:
        return ModelHandle.read(runtime, source)
    if isinstance(source, (str, bytes, os.PathLike)):
        return ModelHandle.load(runtime, source)
    try:
        content = bytes(memoryview(source))
    except TypeError:
        raise TypeError(
            f"load takes a path, a model file's bytes or a binary file object, got {shown(source)}"
        ) from None
    return ModelHandle.read(runtime, content)


def save(model: ModelHandle, target: Target) -> None:
    """Writes a model to a path or to a file object.

    Raises: TypeError for anything else.
    """
    if isinstance(target, io.TextIOBase):
        raise TypeError(f"save: {shown(target)} takes text; open it as a binary file: open(path, 'wb')")
    if hasattr(target, "write"):
        model.write_to(lambda piece: _write(target.write, piece))
    elif isinstance(target, (str, bytes, os.PathLike)):
        model.save(target)
    else:
        raise TypeError(f"save takes a path or a binary file object, got {shown(target)}")


def _write(write: Callable[[Any], Any], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        count = write(rest)
        # Files without a buffer may take less than they are given; objects that are no files may not say how much.
        rest = rest[len(rest) if count is None else count :]
