"""Where models are written to and read from: paths, memory, and file objects."""

from __future__ import annotations

import io
import operator
import os
from typing import Any, Protocol, TypeAlias

from ._handles import ModelHandle, Path, RuntimeHandle
from ._shown import shown
from .errors import ModelFileError


class BinaryReader(Protocol):
    """What was opened with mode "rb", or the like."""

    def read(self) -> bytes:
        """All that is left of it."""


class BinaryWriter(Protocol):
    """What was opened with mode "wb", or the like."""

    def write(self, piece: bytes, /) -> Any:
        """Takes a piece, and returns how many of its bytes; None: all of them, but for a file without a buffer."""


Source: TypeAlias = "Path | bytearray | memoryview | BinaryReader"
Target: TypeAlias = "Path | BinaryWriter"


def load(runtime: RuntimeHandle | None, source: Source) -> ModelHandle:
    """The model in a file, in bytes, or in what is left of a file object.

    Raises: TypeError for anything else; ModelFileError where a file object does not give all that is left of it.
    """
    if hasattr(source, "read"):
        return ModelHandle.read(runtime, _read(source))
    # No path has a zero byte in it, and every model file: among the first eight, the length of its header.
    if isinstance(source, bytes) and (b"\0" in source or not source):
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

    Raises: TypeError for anything else; ModelFileError where a file object does not take all of it.
    """
    if isinstance(target, io.TextIOBase):
        raise TypeError(f"save: {shown(target)} takes text; open it as a binary file: open(path, 'wb')")
    if hasattr(target, "write"):
        model.write_to(lambda piece: _write(target, piece))
    elif isinstance(target, (str, bytes, os.PathLike)):
        model.save(target)
    else:
        raise TypeError(f"save takes a path or a binary file object, got {shown(target)}")


def _read(source: Any) -> bytes:
    pieces: list[bytes] = []
    while True:
        piece = source.read()
        if isinstance(piece, str):
            raise TypeError(f"load: {shown(source)} gives text; open it as a binary file: open(path, 'rb')")
        if piece is None:
            raise ModelFileError(
                f"load: {shown(source)} does not block, and has nothing to read before its end; make it block "
                f"(os.set_blocking), or read it first and load the bytes"
            )
        try:
            pieces.append(bytes(memoryview(piece)))
        except TypeError:
            raise TypeError(f"load: {shown(source)} read {shown(piece)}; expected bytes") from None
        # A file without a buffer that does not block gives what is there.
        if not isinstance(source, io.RawIOBase) or not pieces[-1]:
            return b"".join(pieces)


def _write(target: Any, piece: bytes) -> None:
    rest, took_none = memoryview(piece), False
    while rest:
        count = target.write(rest)
        if count is None and not isinstance(target, io.RawIOBase):
            return  # Objects that are no files need not say how much they took.
        if count is None:
            raise ModelFileError(
                f"save: {shown(target)} does not block, and takes no more now; what it has is no whole model. Make it "
                f"block (os.set_blocking), or save to an io.BytesIO and write its bytes"
            )
        try:
            taken = operator.index(count)
        except TypeError:
            taken = -1
        if not 0 <= taken <= len(rest) or (taken == 0 and took_none):
            raise ModelFileError(
                f"save: write of {shown(target)} returned {shown(count)} for {len(rest)} bytes"
                f"{' again' if taken == 0 else ''}; expected how many it took, 1 to {len(rest)}. What it has is no "
                f"whole model"
            )
        took_none = taken == 0
        rest = rest[taken:]
