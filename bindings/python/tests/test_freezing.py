"""Parameters that are frozen, by pattern."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import compiled, dense_model, normalized_model

import nnkit as nn


def values(model: nn.Model) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in model.weights.items()}


def changed(model: nn.Model, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, array in model.weights.items() if not np.array_equal(array, before[name])}


def test_what_is_frozen_stays_and_all_else_is_trained(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    names = set(model.weights)
    layer = next(iter(model.weights)).split("/")[0]
    first = {name for name in names if name.startswith(f"{layer}/")}
    assert first and first != names
    pattern = f"{layer}/*"
    assert model.freeze(pattern) == len(first)
    before = values(model)
    model.fit(x, y, epochs=2, verbose=0)
    model.train_on_batch(x, y)
    assert changed(model, before) == names - first
    model.compute_gradients(x, y)
    assert all(not model.gradients[name].any() for name in first)
    before = values(model)
    assert model.unfreeze(pattern) == len(first)
    model.train_on_batch(x, y)
    assert changed(model, before) == names


def test_a_frozen_half_has_the_gradients_of_the_whole(x: np.ndarray, y: np.ndarray) -> None:
    whole, half = compiled(dense_model()), compiled(dense_model())
    count = half.freeze("*/kernel")
    assert count == sum(name.endswith("/kernel") for name in half.weights)
    whole.compute_gradients(x, y)
    half.compute_gradients(x, y)
    for name, gradient in half.gradients.items():
        if name.endswith("/kernel"):
            assert not gradient.any()
        else:
            assert np.array_equal(gradient, whole.gradients[name]), name
    assert half.unfreeze() == len(half.weights)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_keep_what_is_frozen_and_are_independent(make: object, x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.freeze("*/bias")
    other = make(model)  # type: ignore[operator]
    model.unfreeze("*/bias")
    before = values(other)
    other.train_on_batch(x, y)
    assert changed(other, before) == {name for name in other.weights if not name.endswith("/bias")}
    before = values(model)
    model.train_on_batch(x, y)
    assert changed(model, before) == set(model.weights)


def test_compiling_again_freezes_nothing(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.freeze("*")
    before = values(model)
    model.train_on_batch(x, y)
    assert changed(model, before) == set()
    compiled(model).train_on_batch(x, y)
    assert changed(model, before) == set(model.weights)


def test_running_statistics_freeze_by_name(random: np.random.Generator) -> None:
    model = normalized_model()
    model.compile("sgd", loss="softmax_cross_entropy")
    statistics = {name for name in model.weights if name.endswith(("/moving_mean", "/moving_variance"))}
    assert statistics
    assert model.freeze("*/moving_*") == len(statistics)
    before = values(model)
    x = [random.normal(size=(8, 6, 6, 2)), random.normal(size=(8, 4))]
    model.train_on_batch(x, [random.integers(3, size=8), random.integers(3, size=8)])
    after = changed(model, before)
    assert after and not after & statistics


def test_what_is_frozen_can_be_asked_for(x: np.ndarray, y: np.ndarray) -> None:
    model, asked = compiled(dense_model()), []
    assert model.frozen == []
    model.freeze("*/bias")
    biases = [name for name in model.weights if name.endswith("/bias")]
    assert model.frozen == biases and len(biases) == 2
    model.fit(x, y, verbose=0, callbacks=[lambda report: asked.append(model.frozen)])
    assert asked == [biases]
    copied = pickle.loads(pickle.dumps(model))
    assert model.unfreeze(biases[0]) == 1
    assert model.frozen == biases[1:] and copied.frozen == biases
    model.compile()
    assert model.frozen == []
    with pytest.raises(RuntimeError, match="frozen needs a compiled model"):
        _ = dense_model().frozen


def test_what_is_written_to_frozen_gradients_counts_nowhere(x: np.ndarray, y: np.ndarray) -> None:
    results = []
    for written in (None, 1e30, np.nan, np.inf):
        model = dense_model()
        model.compile(nn.SGD(0.1), loss="softmax_cross_entropy", clip_norm=1e-2)
        model.freeze("*/kernel")
        model.compute_gradients(x, y)
        if written is not None:
            for name, gradient in model.gradients.items():
                if name.endswith("/kernel"):
                    gradient[...] = written
        model.apply_gradients()
        assert all(not gradient.any() for name, gradient in model.gradients.items() if name.endswith("/kernel"))
        results.append({name: array.tobytes() for name, array in model.weights.items()})
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_step_leaves_frozen_parameters_finite_or_fails(bad: float) -> None:
    x = np.ones((4, 3), np.float32)
    for optimizer in (nn.SGD(0.1), nn.SGD(0.1, momentum=0.9), nn.Adam(0.1)):
        for frozen in (True, False):
            for name in ("dead/kernel", "batchnorm/moving_mean"):
                h = nn.Input((3,))
                live = nn.BatchNorm()(nn.Dense(2)(h))
                model = nn.Model(h, [live, nn.Dense(2, name="dead")(h)])
                model.compile(optimizer)
                if frozen:
                    model.freeze(name)
                model.forward(x)
                model.weights[name][...] = bad
                outputs = model.forward(x)
                model.backward([outputs[0], None])
                before = values(model)
                with pytest.raises(nn.NumericError, match=f"{name} holds .*(NaN|infinity)"):
                    model.apply_gradients()
                assert all(np.array_equal(array, before[each], equal_nan=True) for each, array in model.weights.items())


def test_what_cannot_be_frozen_says_so() -> None:
    model = dense_model()
    for call in (model.freeze, model.unfreeze):
        with pytest.raises(RuntimeError, match=f"{call.__name__} needs a compiled model"):
            call("*")
    model = compiled(model)
    with pytest.raises(nn.InvalidArgumentError, match=r'no parameter fits "nothing_of_this_name/\*"\. Names are '):
        model.freeze("nothing_of_this_name/*")
    with pytest.raises(nn.InvalidArgumentError, match=r"; did you mean dense/kernel\? Names are "):
        model.freeze("dense/kernal")
    for wrong in (None, 3, b"*", ["*"]):
        with pytest.raises(TypeError, match="takes a pattern of parameters' names"):
            model.freeze(wrong)  # type: ignore[arg-type]
    with pytest.raises((ValueError, nn.InvalidArgumentError)):
        model.freeze("a\0b")
