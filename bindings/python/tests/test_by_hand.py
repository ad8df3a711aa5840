"""Training with losses of the program's own: forward, backward, apply_gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, normalized_model, sequence_model

import nnkit as nn


def by_hand(model: nn.Model) -> nn.Model:
    """`model`, without a loss."""
    model.compile(nn.Adam(1e-2))
    return model


def cross_entropy_gradient(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the mean over the batch."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    gradient = e / e.sum(axis=-1, keepdims=True)
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient / len(labels)


def test_the_gradient_of_a_known_loss_trains_as_that_loss_does(x: np.ndarray, y: np.ndarray) -> None:
    known, own = compiled(dense_model()), by_hand(dense_model())
    for _ in range(5):
        known.compute_gradients(x, y)
        assert own.backward(cross_entropy_gradient(own.forward(x), y)) is None
        for name, gradient in known.gradients.items():
            assert np.allclose(own.gradients[name], gradient, rtol=1e-4, atol=1e-6), name
        known.apply_gradients()
        own.apply_gradients()
    assert np.allclose(own.predict(x), known.predict(x), rtol=1e-3, atol=1e-4)


def test_gradients_of_inputs_are_those_of_differences(random: np.random.Generator) -> None:
    model, x = by_hand(dense_model()), random.normal(size=(3, 4)).astype(np.float32)
    weights = random.normal(size=(3, 3)).astype(np.float32)
    model.forward(x)
    found = model.backward(weights, inputs=True)
    assert found.shape == x.shape and found.dtype == np.float32
    step = 1e-2
    for place in np.ndindex(x.shape):
        difference = np.zeros_like(x)
        difference[place] = step
        slope = ((model.predict(x + difference) - model.predict(x - difference)) * weights).sum() / (2 * step)
        assert abs(slope - found[place]) < 1e-3


def test_several_outputs_and_inputs_by_order_and_by_name(random: np.random.Generator) -> None:
    model = by_hand(normalized_model())
    x = [random.normal(size=(8, 6, 6, 2)).astype(np.float32), random.normal(size=(8, 4)).astype(np.float32)]
    first, second = model.forward(x)
    assert first.shape == second.shape == (8, 3)
    images, numbers = model.backward([None, second], inputs=True)
    assert not images.any() and numbers.any() and images.shape == x[0].shape
    assert not model.gradients["dense/kernel"].any() and model.gradients["second/kernel"].any()
    listed = model.gradients["second/kernel"].copy()
    model.forward(x)
    model.backward({"output_1": second})
    assert np.array_equal(model.gradients["second/kernel"], listed)


def test_an_input_of_integers_has_no_gradient(sequences: np.ndarray) -> None:
    model = by_hand(sequence_model())
    output = model.forward(sequences)
    assert model.backward(output, inputs=True) is None
    assert model.gradients["embedding/embeddings"].any()


def test_forward_trains_and_predict_does_not(x: np.ndarray) -> None:
    model = by_hand(nn.Sequential([nn.Dropout(0.5)], input_shape=(4,)))
    assert np.array_equal(model.predict(x), x)
    outputs = [model.forward(x) for _ in range(2)]
    assert 0.2 < (outputs[0] == 0).mean() < 0.8
    assert not np.array_equal(*outputs)


def test_a_model_with_a_loss_takes_other_gradients_too(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.fit(x, y, verbose=0)
    model.backward(model.forward(x))
    model.apply_gradients()
    model.fit(x, y, verbose=0)


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "no forward pass": (lambda model, x, y: model.backward(y), ValueError, "no forward pass"),
    "one forward pass for two": (
        lambda model, x, y: [model.forward(x), model.backward(y), model.backward(y)],
        ValueError,
        "no forward pass",
    ),
    "parameters that have changed": (
        lambda model, x, y: [
            model.forward(x),
            model.backward(y),
            model.forward(x),
            model.apply_gradients(),
            model.backward(y),
        ],
        ValueError,
        "parameters have changed since the forward pass",
    ),
    "other parameters that are frozen": (
        lambda model, x, y: [model.forward(x), model.freeze("*/bias"), model.backward(y)],
        ValueError,
        "frozen or unfrozen since the forward pass",
    ),
    "freezing, and no forward pass before it": (
        lambda model, x, y: [model.forward(x), model.backward(y), model.freeze("*/bias"), model.backward(y)],
        ValueError,
        "no forward pass",
    ),
    "another shape": (
        lambda model, x, y: [model.forward(x), model.backward(y[:3])],
        nn.ShapeError,
        "3 samples; the forward pass had 50",
    ),
    "text": (lambda model, x, y: [model.forward(x), model.backward("abc")], TypeError, "gradient of output 'output'"),
    "an unknown output": (
        lambda model, x, y: [model.forward(x), model.backward({"logits": y})],
        ValueError,
        "the model's outputs are output; got logits",
    ),
    "too many": (lambda model, x, y: [model.forward(x), model.backward([y, y])], ValueError, "gradient|shape"),
    "a wish that is no truth": (
        lambda model, x, y: [model.forward(x), model.backward(y, inputs=[1])],
        TypeError,
        "'inputs' must be True or False",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), WRONG.values(), ids=list(WRONG))
def test_what_does_not_fit_is_refused(call: Any, kind: type[Exception], message: str, x: np.ndarray) -> None:
    with pytest.raises(kind, match=message):
        call(by_hand(dense_model()), x, np.zeros((len(x), 3), np.float32))


def test_without_compile_there_is_no_forward(x: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match="forward needs a compiled model"):
        dense_model().forward(x)


def refused_predict(model: nn.Model, x: np.ndarray, y: np.ndarray) -> None:
    """A call that fails."""
    with pytest.raises(nn.NNKitError):
        model.predict(x[:, :1])


LOOKS = {
    "nothing": lambda model, x, y: None,
    "predict": lambda model, x, y: model.predict(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y),
    "weights": lambda model, x, y: model.weights["dense/kernel"].sum(),
    "a refused call": refused_predict,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
@pytest.mark.parametrize("views", [True, False], ids=["views are out", "no views are out"])
def test_what_changes_nothing_lets_a_forward_pass_be(look: Any, views: bool, x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    if views:
        assert model.weights
    outputs = model.forward(x)
    look(model, x, y)
    model.backward(np.ones_like(outputs))


@pytest.mark.parametrize("early", [True, False], ids=["view taken before", "view taken between"])
def test_what_changes_parameters_ends_a_forward_pass(early: bool, x: np.ndarray) -> None:
    model = compiled(dense_model())
    if early:
        assert model.weights
    outputs = model.forward(x)
    model.weights["dense/kernel"][0, 0] += 1
    with pytest.raises(nn.InvalidArgumentError, match="parameters have changed"):
        model.backward(np.ones_like(outputs))
    # And what is written back counts for the next run.
    before = model.predict(x)
    model.forward(x)
    model.weights["dense/kernel"][0, 0] -= 1
    assert not np.array_equal(model.predict(x), before)
    model.weights["dense/kernel"][0, 0] += 1
    assert np.array_equal(model.predict(x), before)


def test_freezing_what_is_frozen_keeps_the_forward_pass(x: np.ndarray) -> None:
    model = by_hand(dense_model())
    model.freeze("*/bias")
    output = model.forward(x)
    model.freeze("*/bias")
    model.backward(output)
    assert model.gradients["dense/kernel"].any() and not model.gradients["dense/bias"].any()
