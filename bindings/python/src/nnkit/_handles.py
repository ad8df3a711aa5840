"""One class for each kind of handle: it owns the handle, passes arguments on, and turns a status into an exception.

Nothing here knows what a layer or a metric is. Every function of the C interface that fails or owns is called
from this file and nowhere else.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import operator
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from ._arrays import Views, array_of
from ._attributes import Uncopied
from ._callbacks import call_with_callback
from ._ports import DTYPE_NAMES, Port, open_as_none
from ._shown import shown
from .errors import InvalidArgumentError, error_for

Path: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# More sizes than a shape has.
_RANKS = 8

library = _ffi.load(_ffi.library_path())


def check(status: int) -> None:
    """Raises the exception for `status` unless it is NNK_OK."""
    if status != _ffi.OK:
        raise error_for(status, last_error() or status_name(status))


def last_error() -> str:
    """What went wrong in the last failed call of this thread, without the name of the C function that found it."""
    return re.sub(r"^nnk_\w+: ", "", _text(library.nnk_last_error()))


def status_name(status: int) -> str:
    """The name of a status code, such as "NNK_ERROR_SHAPE"."""
    return _text(library.nnk_status_name(status))


def version() -> str:
    """The library's version."""
    return _text(library.nnk_version())


def catalog_json() -> bytes:
    """Every layer, loss, optimizer and metric with its options, as JSON."""
    return bytes(library.nnk_catalog_json())


def shutdown() -> None:
    """Ends the worker threads of the default runtime. They start again when they are needed."""
    library.nnk_shutdown()


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _c_string(value: str, what: str) -> bytes:
    # ctypes would pass the part before a zero byte and drop the rest in silence.
    if "\0" in value:
        raise InvalidArgumentError(f"{what} {shown(value)} contains a zero character")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{what} {shown(value)} is not valid Unicode, and NNKit takes UTF-8 alone; use another name, or a relative "
            f"path that has no such part"
        ) from None


class Handle(Uncopied):
    """Owns one handle: destroys it when the last Python object that needs it is gone."""

    _destroy: Callable[[int], None]
    _end: Callable[[], Any] = int  # Does nothing, until there is a handle.

    _why_uncopied = "a handle is a number that means something in this process alone"

    def __init__(self, pointer: int) -> None:
        self.pointer = pointer
        self._end = functools.partial(self._destroy, pointer)

    # Nothing here is a function of Python's: within one, a handler of a signal may run, whose exception would be lost.
    __del__ = property(operator.attrgetter("_end"))

    @classmethod
    def _created(cls, create: Callable[..., int], *arguments: Any) -> int:
        """The handle that `create` writes to its last parameter."""
        out = ctypes.c_void_p()
        check(create(*arguments, ctypes.byref(out)))
        assert out.value is not None
        return out.value


# At interpreter exit nothing is destroyed: arrays may still show the memory, and the process gives it back.
atexit.register(delattr, Handle, "__del__")


def _pass_on(write: Callable[..., int], pointer: int, take: Callable[[bytes], Any]) -> None:
    """Passes what a function of the library gives to a writer, piece by piece, to `take`."""

    def taken(address: int | None, count: int, _user: Any) -> int:
        take(ctypes.string_at(address or 0, count))
        return 0

    check(call_with_callback(write, pointer, prototype=_ffi.Writer, callback=taken))


def _written(write: Callable[..., int], pointer: int) -> bytes:
    """What a function of the library gives to a writer."""
    pieces: list[bytes] = []
    _pass_on(write, pointer, pieces.append)
    return b"".join(pieces)


def _pointer_or_null(handle: Handle | None) -> int | None:
    return None if handle is None else handle.pointer


class RuntimeHandle(Handle):
    """nnk_runtime."""

    _destroy = library.nnk_runtime_destroy

    def __init__(self, options: str) -> None:
        super().__init__(self._created(library.nnk_runtime_create, _c_string(options, "options")))


def runtime_info_json(runtime: RuntimeHandle | None) -> str:
    """What a runtime, or the default one, runs on."""
    out = ctypes.c_char_p()
    check(library.nnk_runtime_info_json(_pointer_or_null(runtime), ctypes.byref(out)))
    return _text(out.value)


class GraphHandle(Handle):
    """nnk_graph. It remembers its first error: `output` raises it."""

    _destroy = library.nnk_graph_destroy

    def __init__(self) -> None:
        pointer = library.nnk_graph_create()
        if not pointer:
            raise error_for(_ffi.ERROR_OUT_OF_MEMORY, "there is no memory for a graph")
        super().__init__(pointer)

    def input(self, name: str, dtype: int, shape: Sequence[int]) -> int:
        """Adds an input; `shape` is without the batch, -1 for an open time dimension."""
        sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
        value = library.nnk_graph_input(self.pointer, _c_string(name, "input name"), dtype, sizes, len(shape))
        return int(value)

    def layer(self, kind: str, options: str, inputs: Sequence[int], output_count: int) -> list[int]:
        """Adds a layer and returns its outputs."""
        kind_text, options_text = kind.encode(), _c_string(options, "options")
        if len(inputs) == 1 and output_count == 1:
            return [library.nnk_graph_layer(self.pointer, kind_text, options_text, inputs[0])]
        input_values = (ctypes.c_int32 * len(inputs))(*inputs)
        output_values = (ctypes.c_int32 * output_count)()
        check(
            library.nnk_graph_layer_multi(
                self.pointer, kind_text, options_text, input_values, len(inputs), output_values, output_count
            )
        )
        return list(output_values)

    def output(self, name: str, value: int) -> None:
        """Declares `value` an output."""
        check(library.nnk_graph_output(self.pointer, _c_string(name, "output name"), value))

    def shape(self, value: int) -> tuple[int | None, ...]:
        """The shape of a value without the batch, None for an open dimension."""
        sizes, rank = (ctypes.c_int64 * _RANKS)(), ctypes.c_int32(_RANKS)
        check(library.nnk_graph_shape(self.pointer, value, sizes, ctypes.byref(rank)))
        return open_as_none(sizes[: rank.value])


class ModelHandle(Handle):
    """nnk_model."""

    _destroy = library.nnk_model_destroy

    @classmethod
    def create(cls, runtime: RuntimeHandle | None, graph: GraphHandle, options: str) -> ModelHandle:
        """The model that a graph describes."""
        text = _c_string(options, "options")
        return cls(cls._created(library.nnk_model_create, _pointer_or_null(runtime), graph.pointer, text))

    @classmethod
    def load(cls, runtime: RuntimeHandle | None, path: Path) -> ModelHandle:
        """The model in a file."""
        text = _c_string(os.fsdecode(path), "path")
        return cls(cls._created(library.nnk_model_load, _pointer_or_null(runtime), text))

    def save(self, path: Path) -> None:
        """Writes the model to a file."""
        check(library.nnk_model_save(self.pointer, _c_string(os.fsdecode(path), "path")))

    @classmethod
    def read(cls, runtime: RuntimeHandle | None, file: bytes) -> ModelHandle:
        """The model in a file's bytes, or those of a trainer's state."""
        return cls(cls._created(library.nnk_model_read, _pointer_or_null(runtime), file, len(file)))

    def write(self) -> bytes:
        """The bytes of the file that `save` writes."""
        return _written(library.nnk_model_write, self.pointer)

    def write_to(self, take: Callable[[bytes], Any]) -> None:
        """Gives `take` the bytes of the file that `save` writes, piece by piece."""
        _pass_on(library.nnk_model_write, self.pointer, take)

    def info_json(self) -> str:
        """Inputs, outputs, layers and parameters."""
        out = ctypes.c_char_p()
        check(library.nnk_model_info_json(self.pointer, ctypes.byref(out)))
        return _text(out.value)

    def inputs(self) -> list[Port]:
        """What the model takes."""
        count = ctypes.c_int32()
        check(library.nnk_model_counts(self.pointer, ctypes.byref(count), None))
        return [self._port(library.nnk_model_input, index) for index in range(count.value)]

    def outputs(self) -> list[Port]:
        """What the model gives."""
        count = ctypes.c_int32()
        check(library.nnk_model_counts(self.pointer, None, ctypes.byref(count)))
        return [self._port(library.nnk_model_output, index) for index in range(count.value)]

    def _port(self, describe: Callable[..., int], index: int) -> Port:
        name, dtype = ctypes.c_char_p(), ctypes.c_int32()
        sizes, rank = (ctypes.c_int64 * _RANKS)(), ctypes.c_int32(_RANKS)
        check(describe(self.pointer, index, ctypes.byref(name), ctypes.byref(dtype), sizes, ctypes.byref(rank)))
        return Port(_text(name.value), DTYPE_NAMES[dtype.value], open_as_none(sizes[: rank.value]))

    def parameters(self) -> NDArray[np.float32]:
        """All parameters, one buffer, in place."""
        tensor = _ffi.Tensor()
        check(library.nnk_model_parameters_view(self.pointer, ctypes.byref(tensor)))
        return array_of(tensor, self)

    def parameters_changed(self) -> None:
        """Says that the parameters were written to."""
        check(library.nnk_model_parameters_changed(self.pointer))

    def session_bytes(self, options: str) -> int:
        """The bytes that a session with these options would allocate."""
        out = ctypes.c_int64()
        check(library.nnk_session_bytes(self.pointer, _c_string(options, "options"), ctypes.byref(out)))
        return out.value


class DatasetHandle(Handle):
    """nnk_dataset. Keeps the arrays alive as long as it lives."""

    _destroy = library.nnk_dataset_destroy

    def __init__(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> None:
        self._inputs, self._targets = Views(inputs), Views(targets)
        arguments = (self._inputs.pointer, self._inputs.count, self._targets.pointer, self._targets.count)
        super().__init__(self._created(library.nnk_dataset_create_from_arrays, *arguments))


def _require_all(reports: int, expected: int) -> None:
    # ctypes drops what another thread makes Python raise (PyThreadState_SetAsyncExc), or a trace function raises.
    if reports < expected:
        raise RuntimeError(
            f"{expected - reports} reports of the call are missing: an exception was raised where Python can only "
            f"print it, perhaps by a debugger or another thread. The call may have ended early"
        )


class TrainerHandle(Handle):
    """nnk_trainer."""

    _destroy = library.nnk_trainer_destroy

    def __init__(self, model: ModelHandle, options: str) -> None:
        super().__init__(self._created(library.nnk_trainer_create, model.pointer, _c_string(options, "options")))
        self._validation: DatasetHandle | None = None

    def fit(self, dataset: DatasetHandle, options: str, callback: Callable[[_ffi.Progress], bool]) -> None:
        """Trains. `callback` returns True to stop; an exception that it raises stops too, and is raised here."""
        stopped = False
        reports, epochs, steps, batches = 0, 1, 0, 0

        def report(progress: Any, _user: Any) -> int:
            nonlocal stopped, reports, epochs, steps, batches
            reports, epochs = reports + 1, progress.contents.epochs
            if progress.contents.event == _ffi.EVENT_EVALUATION:
                batches = progress.contents.steps
            else:
                steps = progress.contents.steps
            stopped = callback(progress.contents)
            return 1 if stopped else 0

        arguments = (self.pointer, dataset.pointer, _c_string(options, "options"))
        check(call_with_callback(library.nnk_trainer_fit, *arguments, prototype=_ffi.ProgressCallback, callback=report))
        if not stopped:
            _require_all(reports, epochs * (steps + batches + 1))

    def set_validation(self, dataset: DatasetHandle | None) -> None:
        """The validation samples of the next fits."""
        check(library.nnk_trainer_set_validation(self.pointer, _pointer_or_null(dataset)))
        self._validation = dataset  # The trainer uses its memory until another is set.

    def evaluate(self, dataset: DatasetHandle, options: str) -> tuple[float, float]:
        """Mean loss and metric over a dataset. Python runs after each batch, so that Ctrl-C ends it."""
        loss, metric = ctypes.c_double(), ctypes.c_double()
        reports, batches = 0, 1

        def report(progress: Any, _user: Any) -> int:
            nonlocal reports, batches
            reports, batches = reports + 1, progress.contents.steps
            return 0

        call = library.nnk_trainer_evaluate_reporting
        arguments = (self.pointer, dataset.pointer, _c_string(options, "options"))
        results = (ctypes.byref(loss), ctypes.byref(metric))
        check(call_with_callback(call, *arguments, *results, prototype=_ffi.ProgressCallback, callback=report))
        _require_all(reports, batches)
        return loss.value, metric.value

    def freeze(self, pattern: str, frozen: bool) -> int:
        """Freezes the parameters whose names fit, or lets them be trained again; how many fit."""
        count = ctypes.c_int32()
        text = _c_string(pattern, "the pattern")
        check(library.nnk_trainer_freeze(self.pointer, text, int(frozen), ctypes.byref(count)))
        return count.value

    def is_frozen(self, name: str) -> bool:
        """Whether the parameter of this name is frozen."""
        frozen = ctypes.c_int32()
        check(library.nnk_trainer_is_frozen(self.pointer, _c_string(name, "the name"), ctypes.byref(frozen)))
        return frozen.value != 0

    def step(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> float:
        """One optimizer step; the mean loss before it."""
        return self._on_batch(library.nnk_trainer_step, inputs, targets)

    def gradients(self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> float:
        """The gradients of one batch, into the trainer's buffer; the mean loss."""
        return self._on_batch(library.nnk_trainer_gradients, inputs, targets)

    def _on_batch(self, function: Any, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]]) -> float:
        x, y = Views(inputs), Views(targets)
        loss = ctypes.c_double()
        check(function(self.pointer, x.pointer, x.count, y.pointer, y.count, ctypes.byref(loss)))
        return loss.value

    def forward(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Runs the model as training does: reads `inputs`, writes `outputs`."""
        x, y = Views(inputs), Views(outputs)
        check(library.nnk_trainer_forward(self.pointer, x.pointer, x.count, y.pointer, y.count))

    def backward(
        self, output_gradients: Sequence[NDArray[Any] | None], input_gradients: Sequence[NDArray[Any] | None]
    ) -> None:
        """The gradients of the last `forward`, into the trainer's buffer and `input_gradients`. None: none."""
        y, x = Views(output_gradients), Views(input_gradients)
        check(library.nnk_trainer_backward(self.pointer, y.pointer, y.count, x.pointer, x.count))

    def apply(self) -> None:
        """Lets the optimizer use the gradients in the buffer."""
        check(library.nnk_trainer_apply(self.pointer))

    def gradients_view(self) -> NDArray[np.float32]:
        """All gradients, laid out as the parameters are, in place."""
        tensor = _ffi.Tensor()
        check(library.nnk_trainer_gradients_view(self.pointer, ctypes.byref(tensor)))
        return array_of(tensor, self)

    def write_state(self) -> bytes:
        """All that training goes on from, the model included."""
        return _written(library.nnk_trainer_write_state, self.pointer)

    def read_state(self, state: bytes) -> None:
        """Goes on where the trainer was that wrote `state`."""
        check(library.nnk_trainer_read_state(self.pointer, state, len(state)))

    def get(self, name: str) -> float:
        """The value of a setting now."""
        value = ctypes.c_double()
        check(library.nnk_trainer_get(self.pointer, _c_string(name, "name"), ctypes.byref(value)))
        return value.value

    def set(self, options: str) -> None:
        """Changes settings; the optimizer's memory stays."""
        check(library.nnk_trainer_set(self.pointer, _c_string(options, "options")))


class SessionHandle(Handle):
    """nnk_session."""

    _destroy = library.nnk_session_destroy

    def __init__(self, model: ModelHandle, options: str) -> None:
        super().__init__(self._created(library.nnk_session_create, model.pointer, _c_string(options, "options")))

    def run(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Reads `inputs`, writes `outputs`."""
        x, y = Views(inputs), Views(outputs)
        check(library.nnk_session_run(self.pointer, x.pointer, x.count, y.pointer, y.count))

    def step(
        self, streams: Sequence[StreamHandle], inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]
    ) -> None:
        """Advances `streams` by one time step: reads `inputs`, writes `outputs`."""
        x, y = Views(inputs), Views(outputs)
        handles = (ctypes.c_void_p * max(len(streams), 1))(*(stream.pointer for stream in streams))
        arguments = (handles, len(streams), x.pointer, x.count, y.pointer, y.count)
        check(library.nnk_streams_step(self.pointer, *arguments))


class StreamHandle(Handle):
    """nnk_stream."""

    _destroy = library.nnk_stream_destroy

    def __init__(self, model: ModelHandle) -> None:
        super().__init__(self._created(library.nnk_stream_create, model.pointer))

    def reset(self) -> None:
        """Goes back to the start of a sequence."""
        check(library.nnk_stream_reset(self.pointer))
