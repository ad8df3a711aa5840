"""NumPy arrays as the C interface's views, and the C interface's memory as NumPy arrays."""

from __future__ import annotations

import ctypes
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _ffi
from ._shown import shown
from .errors import ElementTypeError, InvalidArgumentError

# The code and bits of DLPack's DLDataType for the element types that NNKit knows.
_DLPACK_TYPES = {
    np.dtype(np.float32): (2, 32),
    np.dtype(np.int32): (0, 32),
    np.dtype(np.int64): (0, 64),
}


def as_floats(value: ArrayLike, what: str) -> NDArray[np.float32]:
    """`value` as a float32 array: itself if it is one, strided or not, else a converted copy.

    Raises: ElementTypeError for anything but real numbers; `what` names the array in the message.
    """
    array = _as_array(value, what)
    if array.dtype == np.float32:
        return _addressable(array)
    if array.dtype.kind not in "fiub":
        raise ElementTypeError(f"{what}: expected numbers that fit into float32, got {_kind_of(array, 'float32')}")
    return array.astype(np.float32)


def as_integers(value: ArrayLike, what: str) -> NDArray[Any]:
    """`value` as an int32 or int64 array: itself if it is one, strided or not, else a converted copy.

    Raises: ElementTypeError for anything but integers; `what` names the array in the message.
    """
    array = _as_array(value, what)
    if array.dtype in (np.int32, np.int64):
        return _addressable(array)
    if array.dtype.kind not in "iub":
        raise ElementTypeError(f"{what}: expected integers, got {_kind_of(array, 'int32')}{_way_to_integers(array)}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InvalidArgumentError(f"{what}: {array.max()} does not fit into a 32-bit integer")
    # int64 where the values may not fit into 32 bits: the library checks each and names the one that does not.
    return array.astype(np.int32 if array.dtype.itemsize < 4 else np.int64)


def _kind_of(array: NDArray[Any], wanted: str) -> str:
    """What is in an array that does not fit: "an array of strings"."""
    if array.dtype.kind in "USO" and array.size:
        first = array.flat[0] if array.dtype.kind == "O" else array.flat[0].item()
        if array.dtype.kind == "O" and array.ndim == 0:
            return "None" if first is None else f"an object of type {type(first).__name__}"
        if isinstance(first, (str, bytes)):
            return f"an array of strings, such as {shown(first)}"
        for each in array.flat:
            if not isinstance(each, numbers.Real):
                return f"an array of objects, such as {shown(each)} (of type {type(each).__name__})"
        return f"an array of objects, all of them numbers; convert it with .astype('{wanted}')"
    return f"an array of {array.dtype}"


def _way_to_integers(array: NDArray[Any]) -> str:
    """How integers come of an array of something else, as a part of a sentence."""
    if array.dtype.kind in "USO":
        if array.size and isinstance(array.flat[0], (str, bytes)):
            return "; number them: names, numbers = numpy.unique(strings, return_inverse=True)"
        return ""
    if array.dtype.kind != "f":
        return ""
    fractions = array[~np.isfinite(array) | (array != np.round(array))]
    if not fractions.size:
        return ", all of whole numbers; convert it with .astype('int32')"
    return f" that holds {fractions.flat[0]:g}, which is no whole number"


def refuse_masks(value: Any, what: str) -> None:
    """Raises: InvalidArgumentError for a masked array, or a list of them, some of whose values are masked."""
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            raise InvalidArgumentError(
                f"{what}: a masked array, some of whose values are masked; NNKit knows no masks. "
                f"Fill them, as by .filled(0), or leave their samples out; of sequences that end early give the lengths"
            )


def _as_array(value: ArrayLike, what: str) -> NDArray[Any]:
    refuse_masks(value, what)
    try:
        return np.asarray(value)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise InvalidArgumentError(
                f"{what}: the items of the list differ in their shapes; those of an array have one. Sequences of "
                f"different lengths are padded to one, and a recurrent layer is given the lengths"
            ) from None
        raise InvalidArgumentError(f"{what}: cannot be read as an array: {error}") from error


def _addressable(array: NDArray[Any]) -> NDArray[Any]:
    """`array`, or a copy where a pointer with strides in elements cannot describe it."""
    size = array.itemsize
    if array.flags.aligned and array.dtype.isnative and all(stride % size == 0 for stride in array.strides):
        return array
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


class Views:
    """C views of NumPy arrays, in one C array. Keeps the arrays alive as long as it lives itself. None has no data."""

    __slots__ = ("_sizes", "arrays", "count", "pointer")

    def __init__(self, arrays: Sequence[NDArray[Any] | None]) -> None:
        self.arrays = tuple(arrays)
        self.count = len(self.arrays)
        self.pointer = (_ffi.Tensor * max(self.count, 1))()
        self._sizes = []
        for array, tensor in zip(self.arrays, self.pointer):
            if array is None:
                continue
            rank = array.ndim
            # Shape and strides side by side in one allocation; a rank of zero still needs an address.
            sizes = (ctypes.c_int64 * max(2 * rank, 1))(
                *array.shape, *(stride // array.itemsize for stride in array.strides)
            )
            self._sizes.append(sizes)
            code, bits = _DLPACK_TYPES[array.dtype]
            tensor.data = array.__array_interface__["data"][0]
            tensor.device = _ffi.Device(1, 0)
            tensor.ndim = rank
            tensor.dtype = _ffi.DataType(code, bits, 1)
            tensor.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
            tensor.strides = ctypes.cast(ctypes.addressof(sizes) + 8 * rank, ctypes.POINTER(ctypes.c_int64))


class _Memory:
    """Memory of an NNKit object as NumPy's array interface. Keeps its owner alive."""

    def __init__(self, tensor: _ffi.Tensor, owner: object) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "typestr": "<f4",
            "shape": (tensor.shape[0],),
            "data": ((tensor.data or 0) + tensor.byte_offset, False),
        }


def array_of(tensor: _ffi.Tensor, owner: object) -> NDArray[np.float32]:
    """The float32 buffer of rank 1 that `tensor` describes, in place. The array keeps `owner` alive."""
    if not tensor.shape[0]:
        return np.empty(0, np.float32)
    return np.asarray(_Memory(tensor, owner))
