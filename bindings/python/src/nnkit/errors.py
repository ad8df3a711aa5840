"""What can go wrong: one exception for each status of the C interface that a call from Python can give.

`NNK_ERROR_CANCELLED` has none: nothing here cancels a call.

Every one is an `NNKitError`, and also the exception that Python itself would raise in such a case, so that
`except ValueError` or `except MemoryError` works as a reader expects.
"""

from __future__ import annotations

from . import _ffi

__all__ = [
    "BusyError",
    "ElementTypeError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidHandleError",
    "ModelFileError",
    "ModelFormatError",
    "NNKitError",
    "NumericError",
    "OutOfMemoryError",
    "ShapeError",
    "UnsupportedError",
]


class NNKitError(Exception):
    """A call of NNKit that failed. The message says what was wrong, where, and what was expected."""

    status: int = _ffi.ERROR_INTERNAL
    """The status code of the C interface, `NNK_ERROR_...`."""


class InvalidArgumentError(NNKitError, ValueError):
    """An unknown option, a value out of range, or nothing where a value is needed."""

    status = _ffi.ERROR_INVALID_ARGUMENT


class InvalidHandleError(NNKitError, ReferenceError):
    """An object that has been destroyed, or is of another kind."""

    status = _ffi.ERROR_INVALID_HANDLE


class ShapeError(NNKitError, ValueError):
    """A shape that does not fit."""

    status = _ffi.ERROR_SHAPE


class ElementTypeError(NNKitError, TypeError):
    """An array whose elements are of the wrong type."""

    status = _ffi.ERROR_TYPE


class OutOfMemoryError(NNKitError, MemoryError):
    """Memory that cannot be had, or more than a limit allows."""

    status = _ffi.ERROR_OUT_OF_MEMORY


class ModelFileError(NNKitError, OSError):
    """A file that cannot be read or written."""

    status = _ffi.ERROR_IO


class ModelFormatError(NNKitError, ValueError):
    """A file that is not a valid model."""

    status = _ffi.ERROR_FORMAT


class NumericError(NNKitError, ArithmeticError):
    """A loss, gradient or update that is not finite. No parameter was changed by the step that found it."""

    status = _ffi.ERROR_NUMERIC


class BusyError(NNKitError, RuntimeError):
    """A model that is training already, in another thread or around this call."""

    status = _ffi.ERROR_BUSY


class UnsupportedError(NNKitError, NotImplementedError):
    """A valid request that this version or this processor cannot serve."""

    status = _ffi.ERROR_UNSUPPORTED


class InternalError(NNKitError, RuntimeError):
    """A fault of NNKit's own. Please report it."""

    status = _ffi.ERROR_INTERNAL


_BY_STATUS: dict[int, type[NNKitError]] = {kind.status: kind for kind in NNKitError.__subclasses__()}


def error_for(status: int, message: str) -> NNKitError:
    """The exception for a status code. One that has none, such as a newer library's, gives an `NNKitError` with it."""
    if kind := _BY_STATUS.get(status):
        return kind(message)
    error = NNKitError(message)
    error.status = status
    return error
