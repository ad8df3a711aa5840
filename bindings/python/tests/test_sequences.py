"""Sequences of different lengths: what stands behind a length counts nowhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nnkit as nn

LENGTHS = np.array([3, 7, 1, 5, 2, 7], dtype=np.int32)
REAL = np.arange(7)[None, :] < LENGTHS[:, None]


def tagger(kind: str, outputs: int, seed: int = 3) -> nn.Model:
    """Numbers to `outputs` numbers, step by step. Only the first recurrent layer is given the lengths."""
    x, lengths = nn.Input((None, 2), name="x"), nn.Input((), "int32", name="lengths")
    recurrent: Any = nn.LSTM if kind == "lstm" else nn.GRU
    states = recurrent(6, return_sequences=True)([nn.Dense(4, activation="tanh")(x), lengths])
    states = recurrent(5, return_sequences=True)(nn.BatchNorm()(states))
    return nn.Model([x, lengths], nn.Dense(outputs)(states), seed=seed)


def data(random: np.random.Generator, padding: float) -> tuple[np.ndarray, np.ndarray]:
    """The same real steps in every call."""
    x = random.normal(size=(6, 7, 2)).astype(np.float32)
    y = random.normal(size=(6, 7, 3)).astype(np.float32)
    x[~REAL] = y[~REAL] = padding
    return x, y


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_targets_behind_the_lengths_change_no_loss_and_no_weight(kind: str) -> None:
    results = []
    for padding in (0.0, 100.0, math.nan, math.inf, -3e38):
        model = tagger(kind, 3)
        model.compile(nn.Adam(1e-2), loss="mean_squared_error")
        x, y = data(np.random.default_rng(7), padding)
        before = model.evaluate([x, LENGTHS], y, batch_size=4)["loss"]
        history = model.fit([x, LENGTHS], y, epochs=3, batch_size=4, verbose=0)
        predicted = model.predict([x, LENGTHS])
        assert np.isfinite(predicted).all()
        results.append((before, history.history["loss"], predicted.tobytes(), model.weights["dense_1/bias"].tobytes()))
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_loss_and_accuracy_are_means_over_the_real_steps(kind: str, random: np.random.Generator) -> None:
    model = tagger(kind, 3)
    x, y = data(random, math.nan)
    model.compile("sgd", loss="mean_squared_error")
    predicted = model.predict([x, LENGTHS])
    expected = np.mean(np.square(predicted.astype(np.float64) - y)[REAL])
    for batch_size in (1, 4, 6):
        assert math.isclose(model.evaluate([x, LENGTHS], y, batch_size=batch_size)["loss"], expected, rel_tol=1e-5)

    labels = np.where(REAL, random.integers(0, 3, size=(6, 7)), -1_000_000_000_000)
    model.compile("sgd", loss="softmax_cross_entropy", metrics=["accuracy"])
    hits = (predicted.argmax(axis=-1) == labels)[REAL].mean()
    logits = predicted.astype(np.float64)[REAL]
    losses = np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(logits)), labels[REAL]]
    for batch_size in (1, 4, 6):
        result = model.evaluate([x, LENGTHS], labels, batch_size=batch_size)
        assert math.isclose(result["accuracy"], hits, abs_tol=1e-12)
        assert math.isclose(result["loss"], losses.mean(), rel_tol=1e-5)


def test_words_behind_the_lengths_may_be_anything(random: np.random.Generator) -> None:
    words = random.integers(0, 9, size=(6, 7))
    results = []
    for padding in (0, 9, -1, 2**40):
        x, lengths = nn.Input((None,), "int32", name="words"), nn.Input((), "int32", name="lengths")
        states = nn.LSTM(6, return_sequences=True)([nn.Embedding(9, 4)(x), lengths])
        model = nn.Model([x, lengths], nn.Dense(9)(states), seed=1)
        model.compile(nn.Adam(1e-2), loss="softmax_cross_entropy", metrics=["accuracy"])
        padded = np.where(REAL, words, padding)
        history = model.fit([padded, LENGTHS], padded, epochs=4, batch_size=4, verbose=0)
        results.append((history.history, model.weights["embedding/embeddings"].tobytes()))
    assert all(result == results[0] for result in results[1:])
    with pytest.raises(nn.InvalidArgumentError, match="holds 9; expected 0 to 8"):
        model.fit([np.where(REAL, 9, words), LENGTHS], words, verbose=0)


def test_sequences_of_different_lengths_do_not_add_up() -> None:
    x = nn.Input((None, 2), name="x")
    short, long = nn.Input((), "int32", name="short"), nn.Input((), "int32", name="long")
    parts = [nn.LSTM(4, return_sequences=True)([x, lengths]) for lengths in (short, long)]
    with pytest.raises(nn.InvalidArgumentError, match='different lengths, "short" and "long"'):
        nn.Model([x, short, long], nn.Add()(parts))


def test_a_loaded_model_knows_its_lengths(tmp_path: Any, random: np.random.Generator) -> None:
    model = tagger("lstm", 3)
    path = tmp_path / "tagger.nnkit"
    model.save(path)
    x, y = data(random, math.nan)
    losses = []
    for each in (model, nn.load(path)):
        each.compile("sgd", loss="mean_squared_error")
        losses.append(each.evaluate([x, LENGTHS], y)["loss"])
    assert math.isfinite(losses[0]) and losses[0] == losses[1]


def test_every_output_ends_at_its_own_lengths(random: np.random.Generator) -> None:
    x = nn.Input((7, 2), name="x")
    inputs = [nn.Input((), "int32", name=name) for name in ("a", "b")]
    states = [nn.LSTM(3, return_sequences=True)([x, inputs[0]]), nn.GRU(3, return_sequences=True)([x, inputs[1]])]
    model = nn.Model([x, *inputs], states)
    model.compile("sgd", loss="mean_squared_error")
    lengths = [LENGTHS, LENGTHS[::-1].copy()]
    steps = np.arange(7)[None, :]
    real = [steps < each[:, None] for each in lengths]
    values, targets = random.normal(size=(6, 7, 2)), [random.normal(size=(6, 7, 3)) for _ in lengths]
    values[~(real[0] | real[1])] = math.nan
    for target, counts in zip(targets, real):
        target[~counts] = math.nan
    data = [values, *lengths]
    expected = sum(
        np.mean(np.square(predicted.astype(np.float64) - target)[counts])
        for predicted, target, counts in zip(model.predict(data), targets, real)
    )
    for batch_size in (1, 4, 6):
        loss = model.evaluate(data, targets, batch_size=batch_size)["loss"]
        assert math.isclose(loss, expected, rel_tol=1e-5)
    assert math.isclose(model.compute_gradients(data, targets), expected, rel_tol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in model.gradients.values())


def test_inputs_may_have_sequences_of_different_lengths(random: np.random.Generator) -> None:
    a, b = nn.Input((None, 2), name="a"), nn.Input((None, 3), name="b")
    words = nn.Input((None,), "int32", name="words")
    last = nn.Add()([nn.LSTM(4)(a), nn.LSTM(4)(b)])
    states = [nn.LSTM(4, return_sequences=True)(value) for value in (b, a)]
    model = nn.Model([a, b, words], [last, *states, nn.Dense(5)(nn.Embedding(9, 3)(words)), a], seed=2)
    assert [entry.get("open_as") for entry in model.info["outputs"]] == [None, "b", "a", "words", "a"]
    assert all("open_as" not in entry for entry in model.info["inputs"])
    model.compile("sgd", loss="mean_squared_error")
    for samples, sizes in ((5, (3, 5, 4)), (5, (5, 3, 1)), (4, (3, 5, 4)), (5, (3, 5, 4))):
        x = [
            random.normal(size=(samples, sizes[0], 2)).astype(np.float32),
            random.normal(size=(samples, sizes[1], 3)).astype(np.float32),
            random.integers(0, 9, size=(samples, sizes[2])),
        ]
        shapes = [(samples, 4), (samples, sizes[1], 4), (samples, sizes[0], 4), (samples, sizes[2], 5), x[0].shape]
        predicted, trained = model.predict(x, batch_size=2), model.forward(x)
        assert [output.shape for output in predicted] == [output.shape for output in trained] == shapes
        for ours, whole, each in zip(predicted, trained, model.predict(x, batch_size=100)):
            assert np.allclose(ours, whole, atol=1e-6) and np.allclose(ours, each, atol=1e-6)
        assert np.array_equal(predicted[4], x[0])
        assert model.evaluate(x, predicted, batch_size=3)["loss"] < 1e-10
        gradients = model.backward(trained, inputs=True)
        assert [None if each is None else each.shape for each in gradients] == [x[0].shape, x[1].shape, None]


def test_inputs_that_must_be_equally_long_say_so(random: np.random.Generator) -> None:
    a, b = nn.Input((None, 2), name="a"), nn.Input((None, 2), name="b")
    model = nn.Model([a, b], nn.Add()([a, b]))
    assert model.predict([np.ones((2, 3, 2)), np.ones((2, 3, 2))]).shape == (2, 3, 2)
    with pytest.raises(nn.ShapeError, match=r"shapes \[3, 2\] and \[5, 2\]"):
        model.predict([np.ones((2, 3, 2)), np.ones((2, 5, 2))])
    for wrong in (np.ones(2), np.ones((2, 3)), np.ones(())):
        with pytest.raises(nn.ShapeError):
            model.predict([wrong, np.ones((2, 3, 2))])
