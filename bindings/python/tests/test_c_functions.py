"""The functions of the C interface themselves, called as a foreign language would, with arguments that do not fit."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model

from nnkit import _ffi
from nnkit._arrays import Views
from nnkit._handles import library

NULL_TENSORS = ctypes.cast(None, ctypes.POINTER(_ffi.Tensor))
NO_CALLBACK = ctypes.cast(None, _ffi.ProgressCallback)
NO_WRITER = ctypes.cast(None, _ffi.Writer)


def out() -> Any:
    """Room for a handle, filled with a mark that a failure must leave."""
    return ctypes.c_void_p(0xABCD)


@pytest.fixture
def handles() -> Iterator[dict[str, int]]:
    """One live handle of each kind."""
    model = compiled(dense_model())
    x = np.zeros((5, 4), np.float32)
    views = Views([x])
    dataset, session, runtime = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    assert library.nnk_dataset_create_from_arrays(views.pointer, 1, NULL_TENSORS, 0, ctypes.byref(dataset)) == _ffi.OK
    assert library.nnk_session_create(model._handle.pointer, b"max_batch=5", ctypes.byref(session)) == _ffi.OK
    assert library.nnk_runtime_create(b"threads=1", ctypes.byref(runtime)) == _ffi.OK
    graph = library.nnk_graph_create()
    assert model._training is not None
    yield {
        "runtime": runtime.value or 0,
        "graph": graph,
        "model": model._handle.pointer,
        "dataset": dataset.value or 0,
        "trainer": model._training.trainer.pointer,
        "session": session.value or 0,
    }
    library.nnk_session_destroy(session)
    library.nnk_dataset_destroy(dataset)
    library.nnk_graph_destroy(graph)
    library.nnk_runtime_destroy(runtime)


# Calls that take a handle `h` of one kind first; everything else in them is in order or NULL.
CALLS: dict[str, tuple[str, Callable[[Any], int]]] = {
    "nnk_runtime_info_json": ("runtime", lambda h: library.nnk_runtime_info_json(h, ctypes.pointer(ctypes.c_char_p()))),
    "nnk_graph_input": ("graph", lambda h: library.nnk_graph_input(h, b"x", 1, (ctypes.c_int64 * 1)(4), 1)),
    "nnk_graph_layer": ("graph", lambda h: library.nnk_graph_layer(h, b"flatten", b"", 0)),
    "nnk_graph_layer_multi": (
        "graph",
        lambda h: library.nnk_graph_layer_multi(
            h, b"flatten", b"", (ctypes.c_int32 * 1)(), 1, (ctypes.c_int32 * 1)(), 1
        ),
    ),
    "nnk_graph_output": ("graph", lambda h: library.nnk_graph_output(h, b"y", 0)),
    "nnk_graph_shape": (
        "graph",
        lambda h: library.nnk_graph_shape(h, 0, (ctypes.c_int64 * 8)(), ctypes.pointer(ctypes.c_int32(8))),
    ),
    "nnk_model_create": ("graph", lambda h: library.nnk_model_create(None, h, b"", ctypes.byref(out()))),
    "nnk_model_save": ("model", lambda h: library.nnk_model_save(h, b"never-written.nnkit")),
    "nnk_model_write": ("model", lambda h: library.nnk_model_write(h, NO_WRITER, None)),
    "nnk_model_read": ("runtime", lambda h: library.nnk_model_read(h, b"nothing", 7, ctypes.byref(out()))),
    "nnk_model_info_json": ("model", lambda h: library.nnk_model_info_json(h, ctypes.pointer(ctypes.c_char_p()))),
    "nnk_model_parameters_view": (
        "model",
        lambda h: library.nnk_model_parameters_view(h, ctypes.pointer(_ffi.Tensor())),
    ),
    "nnk_model_parameters_changed": ("model", lambda h: library.nnk_model_parameters_changed(h)),
    "nnk_trainer_create": (
        "model",
        lambda h: library.nnk_trainer_create(h, b"loss=mean_squared_error", ctypes.byref(out())),
    ),
    "nnk_trainer_is_frozen": (
        "trainer",
        lambda h: library.nnk_trainer_is_frozen(h, b"dense/bias", ctypes.pointer(ctypes.c_int32())),
    ),
    "nnk_trainer_set": ("trainer", lambda h: library.nnk_trainer_set(h, b"learning_rate=0.1")),
    "nnk_trainer_get": (
        "trainer",
        lambda h: library.nnk_trainer_get(h, b"learning_rate", ctypes.pointer(ctypes.c_double())),
    ),
    "nnk_trainer_fit": ("trainer", lambda h: library.nnk_trainer_fit(h, None, b"", NO_CALLBACK, None)),
    "nnk_trainer_set_validation": ("trainer", lambda h: library.nnk_trainer_set_validation(h, None)),
    "nnk_trainer_evaluate": ("trainer", lambda h: library.nnk_trainer_evaluate(h, None, b"", None, None)),
    "nnk_trainer_evaluate_reporting": (
        "trainer",
        lambda h: library.nnk_trainer_evaluate_reporting(h, None, b"", None, None, NO_CALLBACK, None),
    ),
    "nnk_trainer_step": ("trainer", lambda h: library.nnk_trainer_step(h, NULL_TENSORS, 1, NULL_TENSORS, 1, None)),
    "nnk_trainer_gradients": (
        "trainer",
        lambda h: library.nnk_trainer_gradients(h, NULL_TENSORS, 1, NULL_TENSORS, 1, None),
    ),
    "nnk_trainer_apply": ("trainer", lambda h: library.nnk_trainer_apply(h)),
    "nnk_trainer_gradients_view": (
        "trainer",
        lambda h: library.nnk_trainer_gradients_view(h, ctypes.pointer(_ffi.Tensor())),
    ),
    "nnk_trainer_write_state": ("trainer", lambda h: library.nnk_trainer_write_state(h, NO_WRITER, None)),
    "nnk_trainer_read_state": ("trainer", lambda h: library.nnk_trainer_read_state(h, b"nothing", 7)),
    "nnk_session_create": ("model", lambda h: library.nnk_session_create(h, b"", ctypes.byref(out()))),
    "nnk_session_run": ("session", lambda h: library.nnk_session_run(h, NULL_TENSORS, 1, NULL_TENSORS, 1)),
    "nnk_session_cancel": ("session", lambda h: library.nnk_session_cancel(h)),
    "nnk_session_bytes": ("model", lambda h: library.nnk_session_bytes(h, b"", ctypes.pointer(ctypes.c_int64()))),
}
VALUE_FUNCTIONS = ("nnk_graph_input", "nnk_graph_layer")


def failed(name: str, result: int, *statuses: int) -> bool:
    """Whether a call failed, with one of `statuses` where it returns a status."""
    return result < 0 if name in VALUE_FUNCTIONS else result in statuses


@pytest.mark.parametrize("name", CALLS)
def test_a_handle_of_another_kind_is_refused(name: str, handles: dict[str, int]) -> None:
    kind, call = CALLS[name]
    for other, handle in handles.items():
        if other != kind:
            assert failed(name, call(handle), _ffi.ERROR_INVALID_HANDLE), other


@pytest.mark.parametrize("name", CALLS)
def test_a_number_that_is_no_handle_is_refused(name: str) -> None:
    for token in (1, 8, 0xDEADBEEF, 2**63, 2**64 - 1):
        assert failed(name, CALLS[name][1](token), _ffi.ERROR_INVALID_HANDLE), hex(token)


@pytest.mark.parametrize("name", [name for name, (kind, _) in CALLS.items() if kind != "runtime"])
def test_null_in_the_place_of_a_handle_is_refused(name: str) -> None:
    result = CALLS[name][1](None)
    assert failed(name, result, _ffi.ERROR_INVALID_HANDLE, _ffi.ERROR_INVALID_ARGUMENT)


@pytest.mark.parametrize("name", CALLS)
def test_a_destroyed_handle_is_refused(name: str) -> None:
    kind, call = CALLS[name]
    model = compiled(dense_model())
    handle = out()
    x = Views([np.zeros((5, 4), np.float32)])
    if kind == "graph":
        handle.value = library.nnk_graph_create()
    elif kind == "runtime":
        assert library.nnk_runtime_create(None, ctypes.byref(handle)) == _ffi.OK
    elif kind == "model":
        graph = library.nnk_graph_create()
        value = library.nnk_graph_input(graph, b"x", _ffi.FLOAT32, (ctypes.c_int64 * 1)(4), 1)
        library.nnk_graph_output(graph, b"y", library.nnk_graph_layer(graph, b"flatten", None, value))
        assert library.nnk_model_create(None, graph, None, ctypes.byref(handle)) == _ffi.OK
        library.nnk_graph_destroy(graph)
    elif kind == "trainer":
        options = b"loss=softmax_cross_entropy"
        assert library.nnk_trainer_create(model._handle.pointer, options, ctypes.byref(handle)) == _ffi.OK
    else:
        assert library.nnk_session_create(model._handle.pointer, None, ctypes.byref(handle)) == _ffi.OK
    destroy = getattr(library, f"nnk_{kind}_destroy")
    destroy(handle)
    assert failed(name, call(handle.value), _ffi.ERROR_INVALID_HANDLE)
    destroy(handle)  # Twice is harmless.
    assert x.count == 1


@pytest.mark.parametrize("kind", ["runtime", "graph", "model", "dataset", "trainer", "session"])
def test_destroying_null_or_nonsense_does_nothing(kind: str) -> None:
    for token in (None, 1, 0xDEADBEEF, 2**64 - 1):
        getattr(library, f"nnk_{kind}_destroy")(token)


def test_a_null_output_is_an_invalid_argument(handles: dict[str, int]) -> None:
    nothing = ctypes.POINTER(ctypes.c_void_p)()
    text = ctypes.POINTER(ctypes.c_char_p)()
    statuses = {
        "runtime_create": library.nnk_runtime_create(None, nothing),
        "runtime_info": library.nnk_runtime_info_json(None, text),
        "model_create": library.nnk_model_create(None, handles["graph"], None, nothing),
        "model_load": library.nnk_model_load(None, b"x", nothing),
        "model_write": library.nnk_model_write(handles["model"], NO_WRITER, None),
        "state_write": library.nnk_trainer_write_state(handles["trainer"], NO_WRITER, None),
        "model_read": library.nnk_model_read(None, b"nothing", 7, nothing),
        "model_info": library.nnk_model_info_json(handles["model"], text),
        "parameters": library.nnk_model_parameters_view(handles["model"], NULL_TENSORS),
        "dataset": library.nnk_dataset_create_from_arrays(NULL_TENSORS, 0, NULL_TENSORS, 0, nothing),
        "trainer": library.nnk_trainer_create(handles["model"], b"loss=mean_squared_error", nothing),
        "gradients": library.nnk_trainer_gradients_view(handles["trainer"], NULL_TENSORS),
        "get": library.nnk_trainer_get(handles["trainer"], b"learning_rate", ctypes.POINTER(ctypes.c_double)()),
        "session": library.nnk_session_create(handles["model"], None, nothing),
        "bytes": library.nnk_session_bytes(handles["model"], None, ctypes.POINTER(ctypes.c_int64)()),
    }
    assert statuses == dict.fromkeys(statuses, _ffi.ERROR_INVALID_ARGUMENT)


@pytest.mark.parametrize(
    ("data", "count", "status"),
    [
        (b"nothing", 7, _ffi.ERROR_FORMAT),
        (b"nothing", 0, _ffi.ERROR_FORMAT),
        (None, 0, _ffi.ERROR_FORMAT),
        (None, 7, _ffi.ERROR_INVALID_ARGUMENT),
        (b"nothing", -1, _ffi.ERROR_INVALID_ARGUMENT),
        (b"nothing", -(2**63), _ffi.ERROR_INVALID_ARGUMENT),
    ],
)
def test_bytes_that_are_no_file_are_refused(data: Any, count: int, status: int, handles: dict[str, int]) -> None:
    handle = out()
    assert library.nnk_model_read(None, data, count, ctypes.byref(handle)) == status
    assert handle.value == 0xABCD
    assert library.nnk_trainer_read_state(handles["trainer"], data, count) == status
    assert library.nnk_last_error()


@pytest.mark.parametrize("name", ["nnk_model_write", "nnk_trainer_write_state"])
def test_a_writer_gets_what_the_file_holds_and_may_stop(name: str, handles: dict[str, int], tmp_path: Any) -> None:
    pieces: list[bytes] = []

    def take(address: int, count: int, user: int) -> int:
        assert (count > 0, user) == (True, 77)
        pieces.append(ctypes.string_at(address, count))
        return 0 if len(pieces) != 2 else -3

    subject = handles["model" if "model" in name else "trainer"]
    write, path = getattr(library, name), tmp_path / "model.nnkit"
    assert write(subject, _ffi.Writer(take), 77) == _ffi.ERROR_IO
    assert (len(pieces), "returned -3" in library.nnk_last_error().decode()) == (2, True)
    pieces[:] = [b"before"] * 2
    assert write(subject, _ffi.Writer(take), 77) == _ffi.OK
    path.write_bytes(b"".join(pieces[2:]))
    handle = out()
    assert library.nnk_model_load(None, str(path).encode(), ctypes.byref(handle)) == _ffi.OK
    library.nnk_model_destroy(handle)


def test_settings_of_a_trainer_are_set_and_read(handles: dict[str, int]) -> None:
    trainer, value = handles["trainer"], ctypes.c_double(-1)
    assert library.nnk_trainer_set(trainer, b"learning_rate=0.125 clip_norm=2") == _ffi.OK
    assert library.nnk_trainer_get(trainer, b"learning_rate", ctypes.byref(value)) == _ffi.OK
    assert value.value == 0.125
    assert library.nnk_trainer_set(trainer, b"clip_norm=3 learning_rat=1") == _ffi.ERROR_INVALID_ARGUMENT
    assert "learning_rate" in library.nnk_last_error().decode()
    assert library.nnk_trainer_get(trainer, b"clip_norms", ctypes.byref(value)) == _ffi.ERROR_INVALID_ARGUMENT
    assert value.value == 0.125
    assert library.nnk_trainer_get(trainer, b"clip_norm", ctypes.byref(value)) == _ffi.OK
    assert value.value == 2


def test_a_failure_leaves_the_output_and_explains_itself() -> None:
    handle = out()
    assert library.nnk_model_load(None, b"no such file", ctypes.byref(handle)) == _ffi.ERROR_IO
    assert handle.value == 0xABCD
    assert "no such file" in library.nnk_last_error().decode()


def test_an_error_belongs_to_its_thread() -> None:
    import threading

    library.nnk_model_load(None, b"no such file", ctypes.byref(out()))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(library.nnk_last_error()))
    thread.start()
    thread.join()
    assert seen == [b""]


@pytest.mark.parametrize("status", range(13))
def test_every_status_has_the_name_of_the_header(status: int) -> None:
    name = library.nnk_status_name(status).decode()
    assert name.startswith("NNK_")
    assert getattr(_ffi, name[4:]) == status


def test_other_numbers_have_no_status_name() -> None:
    assert {library.nnk_status_name(number) for number in (-1, 13, 2**31 - 1, -(2**31))} == {b"unknown status"}


@pytest.mark.parametrize(("dtype", "expected"), [(_ffi.FLOAT32, (2, 32)), (_ffi.INT32, (0, 32)), (_ffi.INT64, (0, 64))])
def test_a_tensor_view_is_dense_and_on_the_cpu(dtype: int, expected: tuple[int, int]) -> None:
    shape = (ctypes.c_int64 * 2)(3, 4)
    tensor = library.nnk_tensor_view(4096, dtype, shape, 2)
    assert (tensor.data, tensor.ndim, tensor.shape[0], tensor.shape[1]) == (4096, 2, 3, 4)
    assert (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes) == (*expected, 1)
    assert (tensor.device.device_type, tensor.device.device_id, tensor.byte_offset) == (1, 0, 0)
    assert not tensor.strides


def spoilt(change: Callable[[Any], None]) -> Any:
    """A view of 5 × 4 numbers, changed."""
    views = Views([np.zeros((5, 4), np.float32)])
    change(views.pointer[0])
    return views


@pytest.mark.parametrize(
    "change",
    [
        lambda t: setattr(t, "data", None),
        lambda t: setattr(t, "shape", ctypes.POINTER(ctypes.c_int64)()),
        lambda t: setattr(t, "ndim", -1),
        lambda t: setattr(t, "ndim", 2**31 - 1),
        lambda t: setattr(t, "ndim", 0),
        lambda t: setattr(t.device, "device_type", 2),
        lambda t: setattr(t.dtype, "bits", 64),
        lambda t: setattr(t.dtype, "code", 7),
        lambda t: setattr(t.dtype, "lanes", 4),
        lambda t: t.shape.__setitem__(0, -5),
        lambda t: t.shape.__setitem__(0, 2**62),
        lambda t: t.shape.__setitem__(1, 2**63 - 1),
    ],
)
def test_a_tensor_that_makes_no_sense_is_refused(change: Callable[[Any], None], handles: dict[str, int]) -> None:
    views, results = spoilt(change), Views([np.zeros((5, 3), np.float32)])
    status = library.nnk_session_run(handles["session"], views.pointer, 1, results.pointer, 1)
    assert status in (_ffi.ERROR_INVALID_ARGUMENT, _ffi.ERROR_SHAPE, _ffi.ERROR_TYPE)
    assert library.nnk_last_error()


@pytest.mark.parametrize("shape", [(5, 4), (4, 3), (5,), (5, 3, 1), (0, 3)])
def test_outputs_of_another_shape_are_refused_and_untouched(shape: tuple[int, ...], handles: dict[str, int]) -> None:
    result = np.full(shape, 7, np.float32)
    x, y = Views([np.zeros((5, 4), np.float32)]), Views([result])
    assert library.nnk_session_run(handles["session"], x.pointer, 1, y.pointer, 1) == _ffi.ERROR_SHAPE
    assert np.all(result == 7)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (2, 1), (1, 2), (-1, 1), (1, -1), (2**31 - 1, 1)])
def test_a_wrong_number_of_tensors_is_refused(counts: tuple[int, int], handles: dict[str, int]) -> None:
    array = np.zeros((5, 4), np.float32)
    x, y = Views([array, array]), Views([array[:, :3].copy(), array[:, :3].copy()])
    status = library.nnk_session_run(handles["session"], x.pointer, counts[0], y.pointer, counts[1])
    assert status in (_ffi.ERROR_INVALID_ARGUMENT, _ffi.ERROR_SHAPE)


def test_more_samples_than_max_batch_are_refused(handles: dict[str, int]) -> None:
    x, y = Views([np.zeros((6, 4), np.float32)]), Views([np.zeros((6, 3), np.float32)])
    status = library.nnk_session_run(handles["session"], x.pointer, 1, y.pointer, 1)
    assert status in (_ffi.ERROR_INVALID_ARGUMENT, _ffi.ERROR_SHAPE)


def test_strided_outputs_are_written_in_place(handles: dict[str, int]) -> None:
    wide = np.full((5, 6), 7, np.float32)
    dense = np.empty((5, 3), np.float32)
    x = Views([np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)])
    for target in (dense, wide[:, ::2]):
        y = Views([target])
        assert library.nnk_session_run(handles["session"], x.pointer, 1, y.pointer, 1) == _ffi.OK
    assert np.array_equal(wide[:, ::2], dense)
    assert np.all(wide[:, 1::2] == 7)


@pytest.mark.parametrize(
    "options",
    b"max_batch=0|max_batch=-1|max_batch=many|max_batch=99999999999999999999|max_batch=2 max_batch=2|max_batc=2|"
    b"max_batch|=2|max_batch=|max_batch==2|\xff\xfe=1|max_bytes=-1|max_time=-7".split(b"|"),
)
def test_options_that_make_no_sense_are_refused(options: bytes, handles: dict[str, int]) -> None:
    handle = out()
    status = library.nnk_session_create(handles["model"], options, ctypes.byref(handle))
    assert status == _ffi.ERROR_INVALID_ARGUMENT
    assert handle.value == 0xABCD
    assert library.nnk_last_error()


def test_a_megabyte_of_options_is_refused(handles: dict[str, int]) -> None:
    assert library.nnk_session_create(handles["model"], b"x" * 10**6, ctypes.byref(out())) != _ffi.OK
    assert library.nnk_last_error()


def test_an_unknown_option_is_met_with_the_nearest_one(handles: dict[str, int]) -> None:
    library.nnk_session_create(handles["model"], b"max_bach=2", ctypes.byref(out()))
    assert b"max_bach" in library.nnk_last_error()
    assert b"max_batch" in library.nnk_last_error()


def test_a_limit_on_bytes_is_kept(handles: dict[str, int]) -> None:
    needed = ctypes.c_int64()
    assert library.nnk_session_bytes(handles["model"], b"max_batch=8", ctypes.byref(needed)) == _ffi.OK
    assert needed.value > 0
    for limit, status in ((needed.value, _ffi.OK), (needed.value - 1, _ffi.ERROR_OUT_OF_MEMORY)):
        handle = out()
        options = b"max_batch=8 max_bytes=%d" % limit
        assert library.nnk_session_create(handles["model"], options, ctypes.byref(handle)) == status
        if status == _ffi.OK:
            library.nnk_session_destroy(handle)


def test_a_graph_keeps_its_first_error() -> None:
    graph = library.nnk_graph_create()
    value = library.nnk_graph_input(graph, b"x", _ffi.FLOAT32, (ctypes.c_int64 * 1)(4), 1)
    assert value >= 0
    assert library.nnk_graph_layer(graph, b"dnse", b"units=3", value) < 0
    assert library.nnk_graph_layer(graph, b"dense", b"units=0", value) < 0
    assert library.nnk_model_create(None, graph, None, ctypes.byref(out())) == _ffi.ERROR_INVALID_ARGUMENT
    message = library.nnk_last_error().decode()
    assert "dnse" in message
    assert "dense" in message
    library.nnk_graph_destroy(graph)


def test_a_graph_shape_needs_room_for_all_sizes() -> None:
    graph = library.nnk_graph_create()
    value = library.nnk_graph_input(graph, b"x", _ffi.FLOAT32, (ctypes.c_int64 * 3)(-1, 5, 6), 3)
    sizes, rank = (ctypes.c_int64 * 3)(9, 9, 9), ctypes.c_int32(2)
    assert library.nnk_graph_shape(graph, value, sizes, ctypes.byref(rank)) == _ffi.ERROR_INVALID_ARGUMENT
    assert (list(sizes), rank.value) == ([9, 9, 9], 2)
    rank.value = 3
    assert library.nnk_graph_shape(graph, value, sizes, ctypes.byref(rank)) == _ffi.OK
    assert (list(sizes), rank.value) == ([-1, 5, 6], 3)
    for nowhere in (-1, 1, 2**31 - 1):
        assert library.nnk_graph_shape(graph, nowhere, sizes, ctypes.byref(rank)) == _ffi.ERROR_INVALID_ARGUMENT
    library.nnk_graph_destroy(graph)


@pytest.mark.parametrize("rank", [-1, 9, 2**31 - 1])
def test_a_graph_input_of_an_impossible_rank_is_refused(rank: int) -> None:
    graph = library.nnk_graph_create()
    assert library.nnk_graph_input(graph, b"x", _ffi.FLOAT32, (ctypes.c_int64 * 9)(*[2] * 9), rank) < 0
    library.nnk_graph_destroy(graph)


def test_parameters_lie_where_the_model_says(handles: dict[str, int]) -> None:
    text, tensor = ctypes.c_char_p(), _ffi.Tensor()
    assert library.nnk_model_info_json(handles["model"], ctypes.byref(text)) == _ffi.OK
    assert library.nnk_model_parameters_view(handles["model"], ctypes.byref(tensor)) == _ffi.OK
    parameters = json.loads(text.value or b"")["parameters"]
    assert tensor.ndim == 1
    assert (tensor.data or 0) % 64 == 0
    end = 0
    for parameter in parameters:
        assert parameter["offset"] >= end
        assert parameter["count"] == int(np.prod(parameter["shape"]))
        end = parameter["offset"] + parameter["count"]
    assert end <= tensor.shape[0]


def test_a_dataset_of_different_lengths_is_refused() -> None:
    x, y = Views([np.zeros((5, 4), np.float32)]), Views([np.zeros(4, np.int32)])
    status = library.nnk_dataset_create_from_arrays(x.pointer, 1, y.pointer, 1, ctypes.byref(out()))
    assert status == _ffi.ERROR_SHAPE


def test_a_progress_callback_gets_every_field(x: np.ndarray, y: np.ndarray) -> None:
    from nnkit._handles import DatasetHandle

    seen: list[dict[str, Any]] = []

    def callback(progress: Any, user: Any) -> int:
        fields = {name: getattr(progress.contents, name) for name, _ in _ffi.Progress._fields_}
        seen.append({**fields, "user": user})
        return 0

    model = compiled(dense_model())
    assert model._training is not None
    dataset = DatasetHandle([x], [y])
    status = library.nnk_trainer_fit(
        model._training.trainer.pointer,
        dataset.pointer,
        b"epochs=2 batch_size=20 report=step",
        _ffi.ProgressCallback(callback),
        1234,
    )
    assert status == _ffi.OK
    assert [(one["event"], one["epoch"], one["step"]) for one in seen] == [
        *((_ffi.EVENT_STEP, 1, step) for step in (1, 2, 3)),
        (_ffi.EVENT_EPOCH, 1, 3),
        *((_ffi.EVENT_STEP, 2, step) for step in (1, 2, 3)),
        (_ffi.EVENT_EPOCH, 2, 3),
    ]
    for one in seen:
        assert one["struct_bytes"] >= ctypes.sizeof(_ffi.Progress)
        assert (one["epochs"], one["steps"], one["user"]) == (2, 3, 1234)
        assert one["loss"] > 0
        assert np.isnan(one["validation_loss"])
        assert one["seconds"] >= 0
