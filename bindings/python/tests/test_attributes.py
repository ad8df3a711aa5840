"""An attribute that can be set does something; any other raises and says what to do."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from conftest import (
    compiled,
    dense_model,
    image_model,
    public_classes,
    public_objects,
    required_options,
    sequence_model,
)

import nnkit as nn

# What may be set on an object of each class, and nothing else.
SETTABLE: dict[type, tuple[str, ...]] = {
    nn.Model: ("name", "clip_norm"),
    nn.Sequential: ("name", "clip_norm"),
    **{kind: tuple(option.name for option in kind._entry.options) for kind in nn.Optimizer.__subclasses__()},
}

# Names that mean something in this library or in others, one that is made up, and spellings that are nearly right.
NAMES = (
    "made_up _made_up trainable training lr learning_rate learnin_rate momentum beta1 weight_decay requires_grad "
    "weights name inputs outputs input_shape output_shape dtype frozen layers layer optimizer loss metrics "
    "clipnorm clip_norm seed runtime threads stop_training grad gradients bias kernel kernel_size padding strides "
    "stride units filters activation rate dropout_rate momentum epsilon history epochs seconds logs state states "
    "device built batch_size verbose callbacks validation_split parameters parameter_count info options "
    "kind index node step model fit compile predict save isa version values shape"
).split()

# These raise where a model is not compiled.
OF_THE_COMPILED = ("gradients", "optimizer", "frozen", "clip_norm")

OBJECTS = public_objects()


def test_every_public_class_has_an_object_here() -> None:
    bases = {nn.Layer, nn.Optimizer}
    expected = {kind for kind in public_classes() if not issubclass(kind, Exception)} - bases
    assert set(OBJECTS) == expected


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_setting_what_is_no_setting_raises_and_changes_nothing(kind: type) -> None:
    subject = OBJECTS[kind]
    slots = {slot for each in kind.__mro__ for slot in getattr(each, "__slots__", ())}
    for name in dict.fromkeys([*NAMES, *(each for each in dir(kind) if not each.startswith("__"))]):
        if name in SETTABLE.get(kind, ()) or name in slots:
            continue
        missing = object()
        before = None if name in OF_THE_COMPILED else getattr(subject, name, missing)
        for value in (0.5, False, None, "text", before):
            with pytest.raises(AttributeError) as caught:
                setattr(subject, name, value)
            if not issubclass(kind, tuple):
                assert kind.__name__ in str(caught.value), (name, str(caught.value))
                assert f"'{name}'" in str(caught.value)
        if before is missing:
            assert not hasattr(subject, name), name


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_no_attribute_can_be_deleted(kind: type) -> None:
    for name in (*SETTABLE.get(kind, ()), "made_up", "name", "options"):
        with pytest.raises(AttributeError):
            delattr(OBJECTS[kind], name)


@pytest.mark.parametrize(
    ("subject", "name", "hint"),
    [
        (nn.Dense(3), "trainable", r"model.freeze\('<layer>/\*'\)"),
        (dense_model(), "requires_grad", "model.unfreeze"),
        (nn.Dense(3), "units", r"make a new one: nn.Dense\(units=...\)"),
        (nn.Dense(3), "name", r"make a new one: nn.Dense\(name=...\)"),
        (nn.Adam(), "lr", "did you mean 'learning_rate'"),
        (nn.Adam(), "learningrate", "did you mean 'learning_rate'"),
        (nn.SGD(), "beta1", "what can be set: learning_rate, momentum, nesterov, weight_decay"),
        (dense_model(), "learning_rate", "model.optimizer.learning_rate"),
        (dense_model(), "lr", "model.optimizer.learning_rate"),
        (dense_model(), "weights", r"model.weights\[name\]\[...\] = values"),
        (dense_model(), "optimizer", "compile sets the optimizer"),
        (dense_model(), "clipnorm", "did you mean 'clip_norm'"),
        (nn.Adam(), "clipnorm", "model.clip_norm = 1, once it is compiled"),
        (nn.Dense(3), "clip_norm", "model.clip_norm = 1, once it is compiled"),
        (dense_model(), "nmae", "did you mean 'name'"),
        (dense_model(), "training", "no mode to set"),
        (dense_model(), "layers", "when it is made"),
        (dense_model(), "stop_training", "returns True"),
        (nn.Runtime(1), "threads", r"nn.Runtime\(threads=2\)"),
        (nn.Input((3,)), "shape", "what can be set: nothing"),
    ],
)
def test_the_message_says_what_to_do(subject: Any, name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=hint):
        setattr(subject, name, 1)


@pytest.mark.parametrize("kind", nn.Layer.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_option_of_a_layer_is_read_and_not_set(kind: type[nn.Layer]) -> None:
    given = {**required_options(kind), "name": "mine"}
    layer = kind(**given)
    for option in kind._entry.options:
        value = getattr(layer, option.name)
        assert value == given.get(option.name, option.default)
        with pytest.raises(AttributeError, match=f"'{option.name}' cannot be changed once the layer is made"):
            setattr(layer, option.name, value)


def test_containers_that_nobody_reads_again_cannot_be_written_to() -> None:
    sizes = [3, 3]
    layer = nn.Conv2D(4, sizes)
    sizes[0] = 9
    assert layer.kernel == (3, 3)
    for described in (layer, nn.Adam(0.5)):
        with pytest.raises(TypeError):
            described.options["filters"] = 8  # type: ignore[index]
    model = dense_model()
    assert isinstance(model.layers, tuple)
    assert [layer.units for layer in model.layers] == [8, 3]


def test_an_iterator_of_sizes_is_read_once_for_all() -> None:
    layer = nn.Conv2D(4, iter([3, 5]))
    assert (layer.kernel, repr(layer)) == ((3, 5), "Conv2D(4, (3, 5))")


def test_a_name_is_a_setting_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    model = dense_model()
    model.name = "mine"
    model.summary()
    assert "Sequential 'mine'" in capsys.readouterr().out
    with pytest.raises(TypeError, match="name is a string or None, got 3"):
        model.name = 3  # type: ignore[assignment]
    model.name = None
    assert repr(model).startswith("<Sequential:")


class Classifier(nn.Sequential):
    """A program's own class, with an attribute of its own."""

    def __init__(self, classes: int) -> None:
        super().__init__([nn.Dense(8), nn.Dense(classes)], input_shape=(4,))
        self.classes = classes


def test_a_derived_class_may_have_attributes_of_its_own() -> None:
    model = Classifier(3)
    model.classes = 4
    model.note = "new"
    assert (model.classes, model.note) == (4, "new")
    del model.note
    for name in ("trainable", "learning_rate", "weights", "training"):
        with pytest.raises(AttributeError, match=f"Classifier: .*'{name}'"):
            setattr(model, name, 1)


# ------------------------------------------------------------------------------------------------- optimizers


@pytest.mark.parametrize("kind", nn.Optimizer.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_option_of_an_optimizer_is_read_and_set(kind: type[nn.Optimizer], x: np.ndarray, y: np.ndarray) -> None:
    values = {"float": 0.25, "bool": True}
    before = kind()
    for option in kind._entry.options:
        assert getattr(before, option.name) == option.default
        setattr(before, option.name, values[option.type])
        assert getattr(before, option.name) == values[option.type]
    given = kind(**{option.name: values[option.type] for option in kind._entry.options})
    assert repr(before) == repr(given)
    after = dense_model()
    after.compile(kind(), loss="softmax_cross_entropy")
    for option in kind._entry.options:
        setattr(after.optimizer, option.name, values[option.type])
        assert getattr(after.optimizer, option.name) == values[option.type]
    results = [after]
    for optimizer in (before, given):
        results.append(dense_model())
        results[-1].compile(optimizer, loss="softmax_cross_entropy")
    for model in results:
        model.fit(x, y, epochs=2, verbose=0)
    for name, expected in results[0].weights.items():
        for model in results[1:]:
            assert np.array_equal(model.weights[name], expected), name


def test_a_learning_rate_that_is_set_before_compile_is_used(x: np.ndarray, y: np.ndarray) -> None:
    model, optimizer = dense_model(), nn.SGD(5.0)
    optimizer.learning_rate = 1e-3
    start = model.weights["dense/kernel"].copy()
    model.compile(optimizer, loss="softmax_cross_entropy")
    model.train_on_batch(x, y)
    assert np.allclose(start - model.weights["dense/kernel"], 1e-3 * model.gradients["dense/kernel"], atol=1e-7)


@pytest.mark.parametrize(
    "optimizer",
    [nn.SGD(0.1), nn.SGD(0.1, momentum=0.9), nn.SGD(0.1, momentum=0.9, nesterov=True), nn.Adam(0.01)],
    ids=repr,
)
def test_a_learning_rate_counts_from_the_next_step_on_and_nothing_is_forgotten(
    optimizer: nn.Optimizer, x: np.ndarray, y: np.ndarray
) -> None:
    model = dense_model()
    model.compile(optimizer, loss="softmax_cross_entropy")
    model.fit(x, y, epochs=3, verbose=0)
    slower = copy.deepcopy(model)
    slower.optimizer.learning_rate = model.optimizer.learning_rate / 4
    start = {name: array.copy() for name, array in model.weights.items()}
    assert model.train_on_batch(x, y) == slower.train_on_batch(x, y)
    for name, array in start.items():
        # What is remembered is the same: only the size of the step differs.
        whole, quarter = model.weights[name] - array, slower.weights[name] - array
        assert np.any(whole != 0)
        assert np.allclose(quarter, whole / 4, rtol=1e-2, atol=1e-6), name


def test_reading_gives_the_value_of_now() -> None:
    model = compiled(dense_model())
    assert model.optimizer.learning_rate == 1e-2
    model.optimizer.learning_rate = 3e-4
    assert model.optimizer.learning_rate == 3e-4
    assert model.optimizer.options["learning_rate"] == 3e-4
    assert "learning_rate=0.0003" in repr(model.optimizer)
    model.optimizer.learning_rate *= 0.5
    assert model.optimizer.learning_rate == 1.5e-4
    model.optimizer.learning_rate = None
    assert model.optimizer.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("value", "error"), [(-1.0, ValueError), (float("nan"), ValueError), ("fast", TypeError), (True, TypeError)]
)
def test_a_learning_rate_that_cannot_be_is_refused_at_once(value: Any, error: type[Exception]) -> None:
    model = compiled(dense_model())
    with pytest.raises(error, match="learning_rate"):
        model.optimizer.learning_rate = value
    assert model.optimizer.learning_rate == 1e-2


def test_a_callback_sets_the_learning_rate(x: np.ndarray, y: np.ndarray) -> None:
    model, expected = compiled(dense_model()), compiled(dense_model())
    rates = []

    def halve(report: nn.EpochReport) -> None:
        rates.append(model.optimizer.learning_rate)
        model.optimizer.learning_rate /= 2

    model.fit(x, y, epochs=3, verbose=0, callbacks=[halve])
    assert rates == [1e-2, 5e-3, 2.5e-3]
    for rate in rates:
        expected.optimizer.learning_rate = rate
        expected.fit(x, y, verbose=0)
    assert np.array_equal(model.weights["dense/kernel"], expected.weights["dense/kernel"])


def test_one_optimizer_object_may_be_given_to_several_models(x: np.ndarray, y: np.ndarray) -> None:
    optimizer = nn.Adam(1e-2)
    first, second = dense_model(), dense_model()
    for model in (first, second):
        model.compile(optimizer, loss="softmax_cross_entropy")
    assert first.optimizer is not second.optimizer
    first.optimizer.learning_rate = 1.0
    assert (second.optimizer.learning_rate, optimizer.learning_rate) == (1e-2, 1e-2)
    alone = compiled(dense_model())
    second.fit(x, y, verbose=0)
    alone.fit(x, y, verbose=0)
    assert np.array_equal(second.weights["dense/kernel"], alone.weights["dense/kernel"])


def test_what_would_do_nothing_on_an_optimizer_that_was_given_away_is_refused() -> None:
    optimizer, model = nn.Adam(1e-2), dense_model()
    model.compile(optimizer, loss="softmax_cross_entropy")
    with pytest.raises(
        AttributeError, match=r"Adam: 'learning_rate' cannot be set: compile has taken .* model\.optimizer"
    ):
        optimizer.learning_rate = 1e-3
    before = model.optimizer
    model.compile("sgd", loss="softmax_cross_entropy")
    with pytest.raises(AttributeError, match=r"compiled again.* model\.optimizer"):
        before.learning_rate = 1e-3
    assert (optimizer.learning_rate, before.learning_rate) == (1e-2, 1e-2)
    assert isinstance(model.optimizer, nn.SGD)


def test_the_optimizer_of_one_model_can_be_given_to_another_as_it_is_now() -> None:
    first, second = compiled(dense_model()), dense_model()
    first.optimizer.learning_rate = 0.5
    second.compile(first.optimizer, loss="softmax_cross_entropy")
    first.optimizer.learning_rate = 0.25
    assert (first.optimizer.learning_rate, second.optimizer.learning_rate) == (0.25, 0.5)
    first.compile(first.optimizer, loss="softmax_cross_entropy")
    assert first.optimizer.learning_rate == 0.25


def test_a_failed_compile_leaves_the_model_compiled_as_it_was() -> None:
    model = compiled(dense_model())
    optimizer = model.optimizer
    with pytest.raises(ValueError, match="adma"):
        model.compile("adma", loss="softmax_cross_entropy")
    assert model.optimizer is optimizer
    optimizer.learning_rate = 0.5
    free = nn.Adam(1e-2)
    with pytest.raises(ValueError, match="loss"):
        model.compile(free, loss="mean_absolute_nothing")
    free.learning_rate = 0.25  # It was not taken.


def test_the_optimizer_of_a_model_that_is_not_compiled_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="optimizer needs a compiled model; call compile first"):
        _ = dense_model().optimizer


def test_models_work_after_everything_was_refused(images: np.ndarray, sequences: np.ndarray) -> None:
    for model, x in ((image_model(), images), (sequence_model(), sequences)):
        before = model.predict(x)
        for subject in (model, *model.layers):
            for name in NAMES:
                if subject is model and name in SETTABLE[nn.Model]:
                    continue
                with pytest.raises(AttributeError):
                    setattr(subject, name, 0)
        assert np.array_equal(model.predict(x), before)
