"""Parameters as NumPy arrays, in place."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, sequence_model

import nnkit as nn


def test_weights_have_the_documented_names_and_layouts() -> None:
    shapes = {name: array.shape for name, array in sequence_model().weights.items()}
    assert shapes == {
        "embedding/embeddings": (11, 6),
        "lstm/kernel": (6, 28),
        "lstm/recurrent_kernel": (7, 28),
        "lstm/bias": (28,),
        "lstm_1/kernel": (7, 20),
        "lstm_1/recurrent_kernel": (5, 20),
        "lstm_1/bias": (20,),
        "dense/kernel": (5, 3),
        "dense/bias": (3,),
    }
    assert image_model().weights["conv2d/kernel"].shape == (3, 3, 2, 5)


def test_every_parameter_is_counted_once() -> None:
    model = sequence_model()
    assert model.parameter_count == sum(array.size for array in model.weights.values())


def test_writing_to_a_weight_changes_the_predictions(x: np.ndarray) -> None:
    model = dense_model()
    before = model.predict(x)
    model.weights["dense_1/bias"][:] += 1
    assert np.allclose(model.predict(x), before + 1, atol=1e-6)
    model.weights["dense_1/bias"] = np.zeros(3)
    assert np.allclose(model.predict(x), before, atol=1e-6)


def test_writing_to_every_kind_of_weight_reaches_the_predictions(images: np.ndarray, sequences: np.ndarray) -> None:
    for model, x in ((image_model(), images), (sequence_model(), sequences)):
        model.predict(x)  # The session has packed the first values.
        for name, array in model.weights.items():
            before = model.predict(x)
            array += 0.25
            assert not np.array_equal(model.predict(x), before), name


def test_training_shows_in_a_weight_that_was_taken_before(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    kernel = model.weights["dense/kernel"]
    before = kernel.copy()
    model.fit(x, y, verbose=0)
    assert not np.array_equal(kernel, before)


def test_weights_outlive_the_model() -> None:
    kernel = dense_model(seed=9).weights["dense/kernel"]
    gc.collect()
    expected = dense_model(seed=9).weights["dense/kernel"]
    others = [dense_model(seed=seed) for seed in range(50)]
    assert np.array_equal(kernel, expected)
    kernel[:] = 1
    assert len(others) == 50


def test_gradients_outlive_the_model(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.compute_gradients(x, y)
    gradient = model.gradients["dense/kernel"]
    copy = gradient.copy()
    del model
    gc.collect()
    assert np.array_equal(gradient, copy)


def test_a_weight_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'dense/bias' has shape \(8,\), got a value of shape \(3,\)"):
        dense_model().weights["dense/bias"] = np.ones(3)


def test_an_unknown_weight_lists_those_there_are() -> None:
    with pytest.raises(KeyError, match="dense/kernel, dense/bias"):
        dense_model().weights["lstm/kernel"]
    assert "lstm/kernel" not in dense_model().weights


def test_weights_show_their_shapes() -> None:
    assert repr(dense_model().weights) == (
        "Weights({\n  'dense/kernel': (4, 8),\n  'dense/bias': (8,),\n"
        "  'dense_1/kernel': (8, 3),\n  'dense_1/bias': (3,),\n})"
    )


def test_a_model_without_parameters_has_no_weights() -> None:
    model = nn.Sequential([nn.Flatten()], input_shape=(2, 2))
    assert dict(model.weights) == {}
    assert model.parameter_count == 0
