"""Layers that move elements, beside NumPy; lists of inputs and of outputs."""

from __future__ import annotations

import numpy as np
import pytest

import nnkit as nn


def run(outputs: nn.Value | tuple[nn.Value, ...], inputs: list[nn.Value], arrays: list[np.ndarray]) -> list[np.ndarray]:
    model = nn.Model(inputs, list(outputs) if isinstance(outputs, tuple) else [outputs])
    result = model.predict(arrays if len(arrays) > 1 else arrays[0])
    return list(result) if isinstance(result, (list, tuple)) else [result]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def test_concat_takes_any_number_of_values() -> None:
    arrays = [drawn(2, 4, count) for count in (3, 1, 5)]
    inputs = [nn.Input(array.shape[1:]) for array in arrays]
    (result,) = run(nn.Concat()(inputs), inputs, arrays)
    np.testing.assert_array_equal(result, np.concatenate(arrays, axis=-1))
    (result,) = run(nn.Concat()(inputs[:1]), inputs[:1], arrays[:1])
    np.testing.assert_array_equal(result, arrays[0])
    with pytest.raises(TypeError, match="1 or more inputs"):
        nn.Concat()([])


def test_split_returns_a_value_for_each_size() -> None:
    x, array = nn.Input((4, 6)), drawn(3, 4, 6)
    parts = nn.Split((1, 3, 2))(x)
    assert isinstance(parts, tuple)
    for result, expected in zip(run(parts, [x], [array]), np.split(array, [1, 4], axis=-1)):
        np.testing.assert_array_equal(result, expected)
    (whole,) = nn.Split(6)(x)
    np.testing.assert_array_equal(run(whole, [x], [array])[0], array)
    (_, second) = nn.Split([2, 2], axis=0)(x)
    np.testing.assert_array_equal(run(second, [x], [array])[0], array[:, 2:])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Slice(1, 5), lambda x: x[..., 1:5]),
        (nn.Slice(-2, axis=0), lambda x: x[:, -2:]),
        (nn.Permute((2, 0, 1)), lambda x: x.transpose(0, 3, 1, 2)),
        (nn.Reshape((-1, 4)), lambda x: x.reshape(2, -1, 4)),
        (nn.Reshape(-1), lambda x: x.reshape(2, -1)),
        (nn.Repeat(3), lambda x: np.repeat(x[:, None], 3, axis=1)),
    ],
    ids=lambda value: repr(value) if isinstance(value, nn.Layer) else "",
)
def test_elements_go_where_numpy_puts_them(layer: nn.Layer, expected: object) -> None:
    x, array = nn.Input((3, 4, 6)), drawn(2, 3, 4, 6)
    np.testing.assert_array_equal(run(layer(x), [x], [array])[0], expected(array))  # type: ignore[operator]


def test_two_branches_that_are_joined_train() -> None:
    """The sum of the first half's maximum and of the second half: no branch alone can know it."""
    x = nn.Input((8,))
    left, right = nn.Split((4, 4))(x)
    joined = nn.Concat()([nn.Dense(16, activation="relu")(left), nn.Dense(16, activation="relu")(right)])
    model = nn.Model(x, nn.Dense(1)(joined), seed=1)
    model.compile(nn.Adam(0.01), loss="mean_squared_error")
    array = drawn(256, 8)
    target = (array[:, :4].max(1) + array[:, 4:].sum(1))[:, None]
    history = model.fit(array, target, epochs=60, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.02 * target.var()


def test_an_optional_input_may_be_none() -> None:
    x = nn.Input((5, 4))
    states = [nn.Model(x, nn.LSTM(3)(inputs), seed=2).predict(drawn(2, 5, 4)) for inputs in (x, [x, None])]
    np.testing.assert_array_equal(*states)
    with pytest.raises(TypeError, match="called with"):
        nn.Concat()([x, None])


def test_a_saved_model_has_the_same_joints(tmp_path: object) -> None:
    x, lengths = nn.Input((5, 4)), nn.Input((), dtype="int32")
    left, right = nn.Split((1, 3))(x)
    states = nn.LSTM(3, return_sequences=True)([right, lengths])
    model = nn.Model([x, lengths], nn.Permute((1, 0))(nn.Concat()([states, left])), seed=3)
    model.save(f"{tmp_path}/joined.nnkit")
    arrays = [drawn(6, 5, 4), np.array([5, 1, 2, 3, 4, 5], np.int32)]
    loaded = nn.load(f"{tmp_path}/joined.nnkit")
    np.testing.assert_array_equal(loaded.predict(arrays), model.predict(arrays))


def test_streams_go_through_what_keeps_steps() -> None:
    x = nn.Input((None, 6))
    left, right = nn.Split((2, 4))(nn.Reshape((-1, 6))(x))
    states = nn.GRU(5, return_sequences=True)(right)
    model = nn.Model(x, nn.Slice(1)(nn.Concat()([left, states])), seed=5)
    array = drawn(2, 7, 6)
    streams = [model.stream() for _ in range(2)]
    steps = [model.step(streams, np.ascontiguousarray(array[:, step])) for step in range(7)]
    np.testing.assert_array_equal(np.stack(steps, axis=1), model.predict(array))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3, 4), (3, 4)),
        ((3, 4, 5), (5,)),
        ((5,), (3, 4, 5)),
        ((3, 4, 5), (3, 1, 1)),
        ((3, 1, 5), (4, 1)),
        ((1,), (2, 3)),
    ],
)
def test_products_and_differences_are_repeated_as_numpy_does(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    arrays = [drawn(2, *first), drawn(2, *second) + np.float32(0.5)]
    inputs = [nn.Input(first), nn.Input(second)]
    rank = max(len(first), len(second))
    x, y = (array.reshape(2, *[1] * (rank + 1 - array.ndim), *array.shape[1:]) for array in arrays)
    np.testing.assert_array_equal(run(nn.Multiply()(inputs), inputs, arrays)[0], x * y)
    np.testing.assert_array_equal(run(nn.Subtract()(inputs), inputs, arrays)[0], x - y)


def test_what_cannot_be_repeated_is_refused() -> None:
    with pytest.raises(nn.ShapeError, match=r"\[3, 4\] and \[3, 2\]"):
        nn.Model((inputs := [nn.Input((3, 4)), nn.Input((3, 2))]), nn.Multiply()(inputs))


def test_a_gate_for_each_channel_keeps_the_lengths_of_a_sequence() -> None:
    """What stands behind the lengths counts nowhere, though a factor without steps is in between."""
    x, lengths, context = nn.Input((6, 3)), nn.Input((), dtype="int32"), nn.Input((4,))
    states = nn.GRU(4, return_sequences=True)([x, lengths])
    gate = nn.Dense(4, activation="sigmoid")(context)
    model = nn.Model([x, lengths, context], nn.Dense(2)(nn.Multiply()([states, gate])), seed=4)
    model.compile("sgd", loss="mean_squared_error")
    steps = np.array([6, 2, 3], np.int32)
    target = drawn(3, 6, 2)
    behind = target.copy()
    for sample, count in enumerate(steps):
        behind[sample, count:] = np.nan
    data = [drawn(3, 6, 3), steps, drawn(3, 4)]
    assert model.evaluate(data, behind) == model.evaluate(data, target)
    assert np.isfinite(model.train_on_batch(data, behind))
