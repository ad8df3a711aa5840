"""Objects that travel: a copy is a thing of its own, or the attempt is refused with what to do instead."""

from __future__ import annotations

import concurrent.futures
import copy
import gc
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import (
    compiled,
    dense_model,
    image_model,
    normalized_model,
    public_classes,
    public_objects,
    sequence_model,
)

import nnkit as nn
from nnkit import _handles

cloudpickle = pytest.importorskip("cloudpickle")
joblib = pytest.importorskip("joblib")


def joblib_copied(subject: Any) -> Any:
    """Through a file, as joblib writes one."""
    file = io.BytesIO()
    joblib.dump(subject, file)
    file.seek(0)
    return joblib.load(file)


WAYS: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {protocol}": lambda subject, protocol=protocol: pickle.loads(pickle.dumps(subject, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "cloudpickle": lambda subject: pickle.loads(cloudpickle.dumps(subject)),
    "joblib": joblib_copied,
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))

UNCOPIED = {nn.Stream: r"Make a new stream with model\.stream\(\)"}

OBJECTS = public_objects()


def data_for(model: nn.Model, seed: int = 5) -> tuple[Any, Any]:
    """Inputs and labels that fit."""
    random = np.random.default_rng(seed)
    inputs = []
    for port in model.inputs:
        sizes = (40, *(6 if size is None else size for size in port.shape))
        whole = port.dtype == "int32"
        values = random.integers(0, 11, sizes) if whole else random.normal(size=sizes)
        inputs.append(values.astype(port.dtype))
    labels = [random.integers(0, 3, 40).astype(np.int32) for _ in model.outputs]
    return (inputs if len(inputs) > 1 else inputs[0]), (labels if len(labels) > 1 else labels[0])


def trained(make: Callable[..., nn.Model], optimizer: Any = "adam", metrics: Any = (), **options: Any) -> nn.Model:
    """A compiled model in the middle of its training."""
    model = make(seed=3, name="mine")
    model.compile(optimizer, "softmax_cross_entropy", metrics, **options)
    x, y = data_for(model)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    model.train_on_batch(x, y)
    return model


def bits(model: nn.Model) -> dict[str, bytes]:
    """All parameters."""
    return {name: array.tobytes() for name, array in model.weights.items()}


def goes_on(model: nn.Model) -> tuple[Any, ...]:
    """What more training, with shuffled samples and dropout, comes to."""
    x, y = data_for(model)
    history = model.fit(x, y, epochs=2, batch_size=16, validation_data=(x, y), verbose=0)
    return history.history, model.evaluate(x, y), model.train_on_batch(x, y), bits(model)


MODELS: dict[str, Callable[[], nn.Model]] = {
    "adam": lambda: trained(dense_model, nn.Adam(1e-2), ["accuracy"]),
    "sgd": lambda: trained(dense_model, nn.SGD(0.1, weight_decay=0.01)),
    "momentum": lambda: trained(image_model, nn.SGD(0.1, momentum=0.9, nesterov=True), "accuracy", clip_norm=0.5),
    "by name": lambda: trained(sequence_model, "adam", clip_norm=1),
    "statistics": lambda: trained(normalized_model, nn.Adam(beta1=0.5)),
    "own threads": lambda: trained(lambda **options: image_model(runtime=nn.Runtime(2), **options)),
}


# ---------------------------------------------------------------------------------------- every public class


def test_every_public_class_is_tried_here() -> None:
    assert set(OBJECTS) == {
        kind for kind in public_classes() if not issubclass(kind, Exception) and kind not in (nn.Layer, nn.Optimizer)
    }


@EVERY_WAY
@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_an_object_of_every_public_class_is_copied_or_refused(kind: type, way: Callable[[Any], Any]) -> None:
    subject = OBJECTS[kind]
    if kind in UNCOPIED:
        with pytest.raises(TypeError, match=UNCOPIED[kind]):
            way(subject)
        return
    copied = way(subject)
    assert type(copied) is kind
    if kind not in (nn.Runtime, nn.EpochReport, nn.Input):
        assert copied is not subject
    assert repr(copied) == repr(subject)
    assert pickle.dumps(copied) == pickle.dumps(way(copied))


@EVERY_WAY
@pytest.mark.parametrize("kind", [kind for kind in public_classes() if issubclass(kind, Exception)])
def test_an_error_is_copied(kind: type[nn.NNKitError], way: Callable[[Any], Any]) -> None:
    error = way(kind("what went wrong"))
    assert (type(error), str(error), error.status) == (kind, "what went wrong", kind.status)


@EVERY_WAY
def test_no_handle_is_copied(way: Callable[[Any], Any], x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    assert model._training is not None
    handles = [
        model._handle,
        model._training.trainer,
        _handles.DatasetHandle([x], [y]),
        _handles.GraphHandle(),
        _handles.RuntimeHandle("threads=1"),
        _handles.SessionHandle(model._handle, ""),
        _handles.StreamHandle(sequence_model()._handle),
    ]
    assert {type(handle) for handle in handles} == set(_handles.Handle.__subclasses__())
    for handle in handles:
        with pytest.raises(TypeError, match="cannot be copied or pickled: a handle is a number"):
            way(handle)


# -------------------------------------------------------------------------------------------------- models


@EVERY_WAY
@pytest.mark.parametrize("make", MODELS.values(), ids=list(MODELS))
def test_a_model_and_its_copy_train_on_to_the_same_bits(
    make: Callable[[], nn.Model], way: Callable[[Any], Any]
) -> None:
    model = make()
    copied = way(model)
    assert bits(copied) == bits(model)
    assert (copied.name, copied.info, repr(copied)) == (model.name, model.info, repr(model))
    assert repr(copied.optimizer) == repr(model.optimizer)
    before = bits(model)
    after = goes_on(copied)
    assert bits(model) == before != after[-1]
    assert goes_on(model) == after


@EVERY_WAY
@pytest.mark.parametrize("make", [dense_model, image_model, sequence_model, normalized_model])
def test_a_model_that_is_not_compiled_is_copied(make: Callable[..., nn.Model], way: Callable[[Any], Any]) -> None:
    model = make(seed=11, name="mine")
    copied = way(model)
    x, _ = data_for(model)
    assert np.array_equal(np.asarray(copied.predict(x)), np.asarray(model.predict(x)))
    next(iter(copied.weights.values()))[...] = 0
    assert bits(copied) != bits(model)
    with pytest.raises(RuntimeError, match="compile"):
        copied.fit(x, _)
    for each in (model, copied):
        each.weights[next(iter(each.weights))][...] = 0.5
        compiled(each)
    assert goes_on(model) == goes_on(copied)


def test_a_loaded_model_is_copied(tmp_path: Path) -> None:
    model = dense_model(seed=4)
    model.save(tmp_path / "model.nnkit")
    loaded = nn.load(tmp_path / "model.nnkit")
    copied = copy.copy(loaded)
    assert bits(copied) == bits(pickle.loads(pickle.dumps(loaded))) == bits(model)
    copied.weights["dense/bias"][...] = 1
    assert bits(copied) != bits(loaded) == bits(model)


@EVERY_WAY
def test_a_copy_lives_on_after_the_original(way: Callable[[Any], Any]) -> None:
    expected = goes_on(MODELS["statistics"]())
    original = MODELS["statistics"]()
    copied = way(original)
    weights = copied.weights
    del original
    gc.collect()
    others = [normalized_model(seed=seed) for seed in range(20)]
    assert goes_on(copied) == expected
    assert {name: array.tobytes() for name, array in weights.items()} == bits(copied)
    assert len(others) == 20


@EVERY_WAY
def test_gradients_that_wait_are_copied(way: Callable[[Any], Any]) -> None:
    model = MODELS["statistics"]()
    x, y = data_for(model, 6)
    model.compute_gradients(x, y)
    copied = way(model)
    for each in (model, copied):
        each.apply_gradients()
    assert bits(model) == bits(copied)
    assert goes_on(model) == goes_on(copied)


@EVERY_WAY
def test_gradients_that_a_program_writes_are_copied(way: Callable[[Any], Any]) -> None:
    model = MODELS["adam"]()
    model.gradients["dense/kernel"][...] = 0.125
    copied = way(model)
    assert np.all(copied.gradients["dense/kernel"] == 0.125)
    copied.gradients["dense/bias"][...] = 0.25
    assert not np.any(model.gradients["dense/bias"] == 0.25)
    copied.gradients["dense/bias"][...] = model.gradients["dense/bias"]
    for each in (model, copied):
        each.apply_gradients()
    assert bits(model) == bits(copied)


@EVERY_WAY
def test_a_learning_rate_that_was_set_is_copied(way: Callable[[Any], Any]) -> None:
    model = MODELS["momentum"]()
    model.optimizer.learning_rate = 0.03125
    copied = way(model)
    assert copied.optimizer.learning_rate == 0.03125
    copied.optimizer.learning_rate = 0.5
    assert model.optimizer.learning_rate == 0.03125
    copied.optimizer.learning_rate = 0.03125
    assert goes_on(model) == goes_on(copied)


def test_momentum_that_rests_is_copied() -> None:
    model = MODELS["momentum"]()
    model.optimizer.momentum = 0.0
    copied = copy.deepcopy(model)
    for each in (model, copied):
        each.optimizer.momentum = 0.75
    assert goes_on(model) == goes_on(copied)


def test_copies_in_a_callback_keep_the_best_model(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    kept: list[nn.Model] = []
    model.fit(x, y, epochs=4, verbose=0, callbacks=[lambda report: kept.append(copy.deepcopy(model))])
    assert len({kept_model.weights["dense/kernel"].tobytes() for kept_model in kept}) == 4
    assert bits(kept[-1]) == bits(model)
    # The third had one epoch before it.
    kept[2].fit(x, y, verbose=0)
    assert bits(kept[2]) == bits(model)


def test_another_thread_is_told_to_wait_for_a_fit(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    told: list[str] = []

    def take() -> None:
        with pytest.raises(nn.BusyError) as caught:
            pickle.dumps(model)
        told.append(str(caught.value))

    def start(report: nn.EpochReport) -> None:
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()

    model.fit(x, y, epochs=2, verbose=0, callbacks=[start])
    assert told == ["the trainer is already in a call; wait for it to return, or use one trainer per thread"] * 2


def test_two_models_in_one_pickle_share_their_runtime() -> None:
    runtime = nn.Runtime(threads=2)
    models = [dense_model(runtime=runtime), image_model(runtime=runtime)]
    first, second, copied = pickle.loads(pickle.dumps((*models, runtime)))
    assert first._runtime is second._runtime is copied is not runtime
    assert copied.info() == runtime.info()
    assert copy.deepcopy(models[0])._runtime is runtime is copy.copy(runtime)


class Classifier(nn.Sequential):
    """A program's own class."""

    def __init__(self, classes: int) -> None:
        super().__init__([nn.Dense(8, name="first"), nn.Dense(classes)], input_shape=(4,))
        self.classes = ["class"] * classes


class Decaying(nn.Adam):
    """A program's own optimizer."""

    def __init__(self, note: str) -> None:
        super().__init__(0.5)
        self.note = note


@EVERY_WAY
def test_a_derived_class_comes_with_what_it_added(way: Callable[[Any], Any]) -> None:
    model = Classifier(3)
    model.compile(Decaying("slow"), "softmax_cross_entropy")
    copied = way(model)
    assert type(copied) is Classifier
    assert copied.classes == ["class"] * 3
    assert copied.layers[0].name == "first"
    assert type(copied.optimizer) is Decaying
    assert (copied.optimizer.note, copied.optimizer.learning_rate) == ("slow", 0.5)
    assert bits(copied) == bits(model)


@EVERY_WAY
def test_a_layer_is_copied_with_its_options_and_can_be_used_beside_the_original(way: Callable[[Any], Any]) -> None:
    layer = nn.Conv2D(4, kernel=[3, 1], padding="same", activation="relu")
    copied = way(layer)
    assert (repr(copied), copied.options) == (repr(layer), layer.options)
    x = nn.Input((5, 5, 2))
    model = nn.Model(x, copied(layer(x)))
    assert [entry["parameters"] for entry in model.info["layers"]] == [3 * 2 * 4 + 4, 3 * 4 * 4 + 4]


@EVERY_WAY
def test_an_optimizer_is_copied_free_to_be_changed(way: Callable[[Any], Any]) -> None:
    model, optimizer = dense_model(), nn.SGD(0.5, momentum=0.9)
    model.compile(optimizer, "softmax_cross_entropy")
    model.optimizer.learning_rate = 0.25
    for subject, rate in ((optimizer, 0.5), (model.optimizer, 0.25)):
        copied = way(subject)
        assert (copied.learning_rate, copied.momentum) == (rate, 0.9)
        copied.learning_rate = 0.125
    assert (optimizer.learning_rate, model.optimizer.learning_rate) == (0.5, 0.25)


@EVERY_WAY
def test_a_history_is_copied_with_lists_of_its_own(way: Callable[[Any], Any], x: np.ndarray, y: np.ndarray) -> None:
    history = compiled(dense_model()).fit(x, y, epochs=2, verbose=0)
    copied = way(history)
    assert (copied.history, copied.seconds, copied.epochs) == (history.history, history.seconds, 2)
    copied.append({"loss": 1.0, "accuracy": 1.0}, 1.0)
    assert (copied.epochs, history.epochs, len(history.history["loss"])) == (3, 2, 2)


@EVERY_WAY
def test_weights_are_copied_as_values_of_that_moment(way: Callable[[Any], Any], x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    before = bits(model)
    copied = way(model.weights)
    model.fit(x, y, verbose=0)
    assert {name: array.tobytes() for name, array in copied.items()} == before != bits(model)
    copied["dense/bias"][...] = 7
    for name, array in copied.items():
        model.weights[name] = array
    assert np.all(model.weights["dense/bias"] == 7)


# ------------------------------------------------------------------------------------------- values of a graph


def branches() -> tuple[nn.Value, nn.Value]:
    """Input and output of a small graph."""
    x = nn.Input((None, 3), name="sequence")
    a, b = nn.Dense(4)(x), nn.Dense(4, name="b")(x)
    return x, nn.LSTM(2)(nn.Add()([a, nn.Activation("tanh")(b)]))


@EVERY_WAY
def test_a_graph_is_copied_as_a_whole(way: Callable[[Any], Any]) -> None:
    x, y = branches()
    copied_x, copied_y = way((x, y))
    model, copied = nn.Model(x, y, seed=5), nn.Model(copied_x, copied_y, seed=5)
    assert copied.info == model.info
    assert bits(copied) == bits(model)


@EVERY_WAY
def test_copied_values_and_originals_are_different_values(way: Callable[[Any], Any]) -> None:
    if way is copy.copy:
        pytest.skip("a shallow copy is a value of the same graph")
    x, y = branches()
    copied_x, copied_y = way([x, y])
    with pytest.raises(ValueError, match="not among the model's inputs"):
        nn.Model(x, copied_y)
    with pytest.raises(ValueError, match="not among the model's inputs"):
        nn.Model(copied_x, y)
    a = nn.Input((3,))
    b = nn.Dense(4)(a)
    c, d = way((a, b))
    both = nn.Model([a, c], nn.Add()([b, d]))
    assert [layer["name"] for layer in both.info["layers"]] == ["dense", "dense_1", "add"]


def test_a_value_from_another_process_comes_before_what_is_made_of_it() -> None:
    program = "import nnkit as nn, pickle, sys\nfor _ in range(1000): nn.Input((3,))\nx = nn.Input((3,))\n"
    program += "sys.stdout.buffer.write(pickle.dumps((x, nn.Dense(4)(x))))"
    x, y = pickle.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    model = nn.Model(x, nn.Dense(2, name="last")(nn.Add()([y, nn.Dense(4, name="b")(x)])))
    assert [layer["name"] for layer in model.info["layers"]] == ["dense", "b", "add", "last"]


def test_a_chain_longer_than_the_stack_is_copied() -> None:
    x = y = nn.Input((3,))
    for _ in range(3000):
        y = nn.Activation("relu")(y)
    for way in (pickle_copied, copy.deepcopy):
        copied_x, copied_y = way((x, y))
        assert len(nn.Model(copied_x, copied_y).info["layers"]) == 3000


def pickle_copied(subject: Any) -> Any:
    """Through pickle."""
    return pickle.loads(pickle.dumps(subject))


# ------------------------------------------------------------------------------------------------- processes


def work(model: nn.Model) -> tuple[Any, ...]:
    """What another process does with a model."""
    return goes_on(model)


def work_and_return(model: nn.Model) -> nn.Model:
    """The same, and the model comes back."""
    goes_on(model)
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_are_given_models_and_give_them_back(method: str) -> None:
    models = [MODELS["statistics"](), MODELS["by name"]()]
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        answers = list(pool.map(work, models))
        returned = list(pool.map(work_and_return, models))
    assert answers == [goes_on(model) for model in models]
    assert [bits(model) for model in returned] == [bits(model) for model in models]
    assert goes_on(returned[0]) == goes_on(models[0])


def test_joblib_workers_are_given_models() -> None:
    model = MODELS["momentum"]()
    answers = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(work)(model) for _ in range(2))
    assert answers == [goes_on(model)] * 2


def test_an_error_travels_from_another_process(x: np.ndarray) -> None:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises(nn.ShapeError, match="input"):
            pool.submit(dense_model().predict, x[:, :3]).result()


# What `pickle.dumps` gives is read by a process that has other handles, one of which has the same number.
READER = """
import pickle, sys, nnkit as nn
others = [nn.Sequential([nn.Dense(8), nn.Dense(3)], input_shape=(4,), seed=seed) for seed in range(8)]
model = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps({name: array.tobytes() for name, array in model.weights.items()}))
"""


def test_a_pickled_model_is_itself_in_another_process() -> None:
    model = MODELS["adam"]()
    result = subprocess.run([sys.executable, "-c", READER], input=pickle.dumps(model), capture_output=True, check=True)
    assert pickle.loads(result.stdout) == bits(model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_forked_child_destroys_stays_in_the_parent() -> None:
    model = MODELS["statistics"]()
    expected = goes_on(copy.deepcopy(model))
    x, _ = data_for(model)
    for _ in range(10):
        child = os.fork()
        if not child:
            status = 1
            try:
                for handle in (model._handle, model._training.trainer):  # type: ignore[union-attr]
                    handle._destroy(handle.pointer)
                others = [dense_model() for _ in range(5)]
                del model, others
                gc.collect()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        model.predict(x)
    assert goes_on(model) == expected


AT_EXIT = """
import atexit, copy, pickle, sys, threading
import numpy as np, nnkit as nn
model = nn.Sequential([nn.LSTM(5), nn.Dense(3)], input_shape=(None, 4), runtime=nn.Runtime(2))
model.compile(nn.Adam(), "mean_squared_error")
x, y = np.ones((8, 6, 4), np.float32), np.ones((8, 3), np.float32)
stream, weights, kernel = model.stream(), model.weights, model.weights["dense/kernel"]
copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
cycle = [model]
cycle.append(cycle)
class Late:
    def __del__(self):
        model.fit(x, y, verbose=0)
        stream.step(x[0, 0])
        kernel[...] = 1
late = Late()
sys.late = late
atexit.register(lambda: [each.fit(x, y, verbose=0) for each in copies])
threading.Thread(target=lambda: model.fit(x, y, epochs=200, verbose=0), daemon=True).start()
"""


def test_objects_that_are_alive_at_the_end_of_a_program_do_no_harm() -> None:
    for _ in range(5):
        result = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, timeout=60, check=False)
        assert (result.returncode, result.stdout) == (0, b"")
        assert b"Fatal" not in result.stderr


# --------------------------------------------------------------------------------------------- damaged pickles


def test_a_damaged_pickle_is_an_error() -> None:
    restore, (kind, state) = MODELS["adam"]().__reduce_ex__(4)
    file = state["file"]
    damaged = [file[:cut] for cut in range(0, len(file), 97)]
    damaged += [file[:at] + bytes([file[at] ^ 1 << at % 8]) + file[at + 1 :] for at in range(0, len(file), 61)]
    for each in damaged:
        with pytest.raises((nn.ModelFormatError, nn.UnsupportedError)):
            restore(kind, {**state, "file": each})
    restore(kind, state)


def test_a_state_of_other_settings_or_another_model_is_refused() -> None:
    state = MODELS["adam"]()._training.trainer.write_state()  # type: ignore[union-attr]
    others = [
        (dense_model(seed=3), nn.SGD(momentum=0.5), "optimizer=adam"),
        (dense_model(seed=4), nn.Adam(), "another model"),
        (image_model(seed=3), nn.Adam(), "another model"),
    ]
    for model, optimizer, message in others:
        model.compile(optimizer, "softmax_cross_entropy", ["accuracy"])
        before = pickle.dumps(model)
        with pytest.raises(nn.InvalidArgumentError, match=message):
            model._training.trainer.read_state(state)  # type: ignore[union-attr]
        assert pickle.dumps(model) == before
