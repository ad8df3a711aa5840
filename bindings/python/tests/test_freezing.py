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


def test_what_cannot_be_frozen_says_so() -> None:
    model = dense_model()
    for call in (model.freeze, model.unfreeze):
        with pytest.raises(RuntimeError, match=f"{call.__name__} needs a compiled model"):
            call("*")
    model = compiled(model)
    with pytest.raises(nn.InvalidArgumentError, match="nothing_of_this_name"):
        model.freeze("nothing_of_this_name/*")
    for wrong in (None, 3, b"*", ["*"]):
        with pytest.raises(TypeError, match="takes a pattern of parameters' names"):
            model.freeze(wrong)  # type: ignore[arg-type]
    with pytest.raises((ValueError, nn.InvalidArgumentError)):
        model.freeze("a\0b")
