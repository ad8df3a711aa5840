"""Arrays of other kinds: integer outputs, masked arrays, lists of one array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model

import nnkit as nn


def test_integer_outputs_are_integers() -> None:
    numbers = nn.Input((3,), "int32")
    model = nn.Model(numbers, [numbers, nn.Embedding(5, 2)(numbers)])
    x = np.arange(6, dtype=np.int32).reshape(2, 3) % 5
    first, second = model.predict(x)
    assert (first.dtype, second.dtype) == (np.int32, np.float32)
    assert np.array_equal(first, x)
    assert model.predict(x[:0])[0].dtype == np.int32


def test_integer_outputs_of_streams_are_integers() -> None:
    numbers = nn.Input((None,), "int32")
    model = nn.Model(numbers, [numbers, nn.LSTM(4, return_sequences=True)(nn.Embedding(5, 2)(numbers))])
    first, second = model.stream().step(np.int32(3))
    assert (first.dtype, second.dtype, int(first)) == (np.int32, np.float32, 3)
    first, second = model.step([model.stream(), model.stream()], np.array([1, 2], np.int32))
    assert (first.dtype, second.dtype, first.tolist()) == (np.int32, np.float32, [1, 2])


X, Y = np.ones((5, 4), np.float32), np.zeros(5, np.int32)
MASKED = np.ma.masked_less(np.arange(20, dtype=np.float32).reshape(5, 4), 2)
MASKED_LABELS = np.ma.masked_equal(np.arange(5) % 3, 1)


def regression() -> nn.Model:
    """With targets that are no labels."""
    model = dense_model()
    model.compile(loss="mean_squared_error")
    return model


def stream() -> nn.Stream:
    """Of steps of four numbers."""
    return nn.Sequential([nn.LSTM(3)], input_shape=(None, 4)).stream()


MASKED_CALLS: dict[str, Callable[[], Any]] = {
    "fit": lambda: compiled(dense_model()).fit(MASKED, Y, verbose=0),
    "labels": lambda: compiled(dense_model()).fit(X, MASKED_LABELS, verbose=0),
    "targets": lambda: regression().fit(X, MASKED[:, :3], verbose=0),
    "validation": lambda: compiled(dense_model()).fit(X, Y, validation_data=(MASKED, Y), verbose=0),
    "predict": lambda: dense_model().predict(MASKED),
    "a list of rows": lambda: dense_model().predict(list(MASKED)),
    "evaluate": lambda: compiled(dense_model()).evaluate(X, MASKED_LABELS),
    "stream": lambda: stream().step(MASKED[0]),
}


@pytest.mark.parametrize("call", MASKED_CALLS.values(), ids=list(MASKED_CALLS))
def test_masked_arrays_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"masked array, .* \.filled\(0\)"):
        call()


def test_masked_arrays_that_mask_nothing_are_arrays() -> None:
    assert np.array_equal(dense_model(seed=1).predict(np.ma.array(X)), dense_model(seed=1).predict(X))


def test_one_array_may_come_in_a_list() -> None:
    x, y = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32), np.arange(5) % 3
    plain, listed = (compiled(dense_model(seed=1)) for _ in range(2))
    expected = plain.fit(x, y, validation_data=(x, y), verbose=0).history
    assert listed.fit([x], [y], validation_data=((x,), (y,)), verbose=0).history == expected
    assert listed.evaluate([x], [y]) == plain.evaluate(x, y)
    assert listed.train_on_batch([x], [y]) == plain.train_on_batch(x, y)
    assert listed.compute_gradients([x], [y]) == plain.compute_gradients(x, y)
    assert np.array_equal(listed.predict([x]), plain.predict(x))


def test_a_list_of_one_sample_is_one_sample() -> None:
    model = regression()
    assert model.predict([X[0]]).shape == (1, 3)
    assert model.evaluate([X[0]], [np.zeros(3)]) == model.evaluate(X[:1], np.zeros((1, 3)))


def test_a_list_of_one_array_that_does_not_fit_is_an_error() -> None:
    for y in ([Y[:4]], [list(Y)], (3,)):
        with pytest.raises(nn.ShapeError, match=r"y: a list of one .* and there are 5; give one array"):
            compiled(dense_model()).fit(X, y, verbose=0)


@pytest.mark.parametrize("name", [b"\xff.nnkit", "\udcff.nnkit"])
def test_a_path_that_is_no_text_is_refused(name: Any) -> None:
    for call in (dense_model().save, nn.load):
        with pytest.raises(ValueError, match=r"path '\\udcff\.nnkit' is not valid Unicode.* use another name"):
            call(name)
