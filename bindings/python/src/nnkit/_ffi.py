"""The declarations of include/nnkit.h for ctypes, one for one, and nothing else.

No function here checks, converts or owns anything: `_handles` does. `tests/test_declarations.py` compares this
file with the header, so that the two cannot drift apart.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

# The oldest library that has everything this file declares.
ABI_VERSION = 2

OK = 0
ERROR_INVALID_ARGUMENT = 1
ERROR_INVALID_HANDLE = 2
ERROR_SHAPE = 3
ERROR_TYPE = 4
ERROR_OUT_OF_MEMORY = 5
ERROR_IO = 6
ERROR_FORMAT = 7
ERROR_NUMERIC = 8
ERROR_BUSY = 9
ERROR_UNSUPPORTED = 10
ERROR_INTERNAL = 11
ERROR_CANCELLED = 12

FLOAT32 = 1
INT32 = 2
INT64 = 3

EVENT_STEP = 0
EVENT_EPOCH = 1
EVENT_EVALUATION = 2


class Device(ctypes.Structure):
    """nnk_tensor.device."""

    _fields_ = [("device_type", c_int32), ("device_id", c_int32)]


class DataType(ctypes.Structure):
    """nnk_tensor.dtype."""

    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class Tensor(ctypes.Structure):
    """nnk_tensor, which has the layout of DLPack's DLTensor."""

    _fields_ = [
        ("data", c_void_p),
        ("device", Device),
        ("ndim", c_int32),
        ("dtype", DataType),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class Progress(ctypes.Structure):
    """nnk_progress."""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("event", c_int32),
        ("epoch", c_int32),
        ("epochs", c_int32),
        ("step", c_int64),
        ("steps", c_int64),
        ("loss", c_double),
        ("metric", c_double),
        ("train_metric", c_double),
        ("validation_loss", c_double),
        ("seconds", c_double),
    ]


Writer = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p)
ProgressCallback = ctypes.CFUNCTYPE(c_int, POINTER(Progress), c_void_p)

# Handles are tokens: void pointers to ctypes, whatever their kind.
_Handle = c_void_p
_OutHandle = POINTER(c_void_p)
_OutString = POINTER(c_char_p)
_Sizes = POINTER(c_int64)
_Tensors = POINTER(Tensor)
_Values = POINTER(c_int32)
_Status = c_int32
_Value = c_int32

# Name: (result, arguments), in the header's order.
FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "nnk_version": (c_char_p, ()),
    "nnk_abi_version": (c_uint32, ()),
    "nnk_status_name": (c_char_p, (_Status,)),
    "nnk_last_error": (c_char_p, ()),
    "nnk_tensor_view": (Tensor, (c_void_p, c_int32, _Sizes, c_int32)),
    "nnk_runtime_create": (_Status, (c_char_p, _OutHandle)),
    "nnk_runtime_destroy": (None, (_Handle,)),
    "nnk_runtime_info_json": (_Status, (_Handle, _OutString)),
    "nnk_shutdown": (None, ()),
    "nnk_catalog_json": (c_char_p, ()),
    "nnk_graph_create": (_Handle, ()),
    "nnk_graph_destroy": (None, (_Handle,)),
    "nnk_graph_input": (_Value, (_Handle, c_char_p, c_int32, _Sizes, c_int32)),
    "nnk_graph_layer": (_Value, (_Handle, c_char_p, c_char_p, _Value)),
    "nnk_graph_layer_multi": (_Status, (_Handle, c_char_p, c_char_p, _Values, c_int32, _Values, c_int32)),
    "nnk_graph_output": (_Status, (_Handle, c_char_p, _Value)),
    "nnk_graph_shape": (_Status, (_Handle, _Value, _Sizes, POINTER(c_int32))),
    "nnk_model_create": (_Status, (_Handle, _Handle, c_char_p, _OutHandle)),
    "nnk_model_destroy": (None, (_Handle,)),
    "nnk_model_save": (_Status, (_Handle, c_char_p)),
    "nnk_model_load": (_Status, (_Handle, c_char_p, _OutHandle)),
    "nnk_model_write": (_Status, (_Handle, Writer, c_void_p)),
    "nnk_model_read": (_Status, (_Handle, c_void_p, c_int64, _OutHandle)),
    "nnk_model_info_json": (_Status, (_Handle, _OutString)),
    "nnk_model_counts": (_Status, (_Handle, POINTER(c_int32), POINTER(c_int32))),
    "nnk_model_input": (_Status, (_Handle, c_int32, _OutString, POINTER(c_int32), _Sizes, POINTER(c_int32))),
    "nnk_model_output": (_Status, (_Handle, c_int32, _OutString, POINTER(c_int32), _Sizes, POINTER(c_int32))),
    "nnk_model_parameters_view": (_Status, (_Handle, _Tensors)),
    "nnk_model_parameters_changed": (_Status, (_Handle,)),
    "nnk_dataset_create_from_arrays": (_Status, (_Tensors, c_int32, _Tensors, c_int32, _OutHandle)),
    "nnk_dataset_destroy": (None, (_Handle,)),
    "nnk_trainer_create": (_Status, (_Handle, c_char_p, _OutHandle)),
    "nnk_trainer_destroy": (None, (_Handle,)),
    "nnk_trainer_freeze": (_Status, (_Handle, c_char_p, c_int32, POINTER(c_int32))),
    "nnk_trainer_is_frozen": (_Status, (_Handle, c_char_p, POINTER(c_int32))),
    "nnk_trainer_set": (_Status, (_Handle, c_char_p)),
    "nnk_trainer_get": (_Status, (_Handle, c_char_p, POINTER(c_double))),
    "nnk_trainer_fit": (_Status, (_Handle, _Handle, c_char_p, ProgressCallback, c_void_p)),
    "nnk_trainer_set_validation": (_Status, (_Handle, _Handle)),
    "nnk_trainer_evaluate": (_Status, (_Handle, _Handle, c_char_p, POINTER(c_double), POINTER(c_double))),
    "nnk_trainer_evaluate_reporting": (
        _Status,
        (_Handle, _Handle, c_char_p, POINTER(c_double), POINTER(c_double), ProgressCallback, c_void_p),
    ),
    "nnk_trainer_step": (_Status, (_Handle, _Tensors, c_int32, _Tensors, c_int32, POINTER(c_double))),
    "nnk_trainer_gradients": (_Status, (_Handle, _Tensors, c_int32, _Tensors, c_int32, POINTER(c_double))),
    "nnk_trainer_forward": (_Status, (_Handle, _Tensors, c_int32, _Tensors, c_int32)),
    "nnk_trainer_backward": (_Status, (_Handle, _Tensors, c_int32, _Tensors, c_int32)),
    "nnk_trainer_apply": (_Status, (_Handle,)),
    "nnk_trainer_gradients_view": (_Status, (_Handle, _Tensors)),
    "nnk_trainer_write_state": (_Status, (_Handle, Writer, c_void_p)),
    "nnk_trainer_read_state": (_Status, (_Handle, c_void_p, c_int64)),
    "nnk_session_create": (_Status, (_Handle, c_char_p, _OutHandle)),
    "nnk_session_destroy": (None, (_Handle,)),
    "nnk_session_run": (_Status, (_Handle, _Tensors, c_int32, _Tensors, c_int32)),
    "nnk_session_cancel": (_Status, (_Handle,)),
    "nnk_session_bytes": (_Status, (_Handle, c_char_p, POINTER(c_int64))),
    "nnk_stream_create": (_Status, (_Handle, _OutHandle)),
    "nnk_stream_destroy": (None, (_Handle,)),
    "nnk_stream_reset": (_Status, (_Handle,)),
    "nnk_streams_step": (_Status, (_Handle, _OutHandle, c_int32, _Tensors, c_int32, _Tensors, c_int32)),
}

LIBRARY_FILE = "libnnkit.so"


def library_path() -> str:
    """Where the library is: the file that NNKIT_LIBRARY names, or else the one inside this package.

    Raises: ImportError, which says what to do.
    """
    named = os.environ.get("NNKIT_LIBRARY")
    if named:
        if not os.path.isfile(named):
            raise ImportError(f"NNKIT_LIBRARY names {named!r}, which is not a file; it should name {LIBRARY_FILE}")
        return os.path.abspath(named)
    packaged = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", LIBRARY_FILE)
    if not os.path.isfile(packaged):
        raise ImportError(
            f"{LIBRARY_FILE} was not found: this nnkit package was installed without it. Build it with `make lib` "
            f"and install the package again, or let the environment variable NNKIT_LIBRARY name the file."
        )
    return packaged


def load(path: str) -> Any:
    """The library at `path`, each function with its types.

    Raises: ImportError if it cannot be loaded, is no NNKit library, or is older than this package.
    """
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"the NNKit library {path!r} cannot be loaded: {error}") from error
    # The version comes first: an older library has no later function, and "too old" is the better message.
    try:
        version = library.nnk_abi_version
    except AttributeError:
        raise ImportError(f"{path!r} is not an NNKit library: it has no function nnk_abi_version") from None
    version.restype, version.argtypes = FUNCTIONS["nnk_abi_version"]
    found = version()
    if found < ABI_VERSION:
        raise ImportError(
            f"the NNKit library {path!r} has ABI version {found}, and this package needs {ABI_VERSION} or later; "
            f"build the library again with `make lib`, or install the package that belongs to it"
        )
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"the NNKit library {path!r} lacks {name}; build it again with `make lib`") from None
        function.restype = result
        function.argtypes = arguments
    return library
