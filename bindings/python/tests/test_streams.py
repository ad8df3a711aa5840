"""Recurrent models step by step."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import nnkit as nn

TIME, INPUTS = 7, 5


def sequences(count: int) -> np.ndarray:
    """Some sequences [count, TIME, INPUTS]."""
    return np.random.default_rng(4).standard_normal((count, TIME, INPUTS), np.float32)


@pytest.fixture(params=[nn.LSTM, nn.GRU])
def model(request: pytest.FixtureRequest) -> nn.Model:
    """A model that answers each time step of sequences of any length."""
    layers = [request.param(33, return_sequences=True), nn.Dense(3, activation="tanh")]
    return nn.Sequential(layers, input_shape=(None, INPUTS), seed=2)


def test_steps_of_one_stream_give_what_predict_does(model: nn.Model) -> None:
    x = sequences(1)
    stream = model.stream()
    steps = np.stack([stream.step(x[0, t]) for t in range(TIME)])
    assert steps.shape == (TIME, 3)
    assert np.array_equal(steps, model.predict(x)[0])


def test_many_streams_advance_in_one_call(model: nn.Model) -> None:
    x = sequences(20)
    streams = [model.stream() for _ in range(20)]
    steps = [model.step(streams, x[:, t]) for t in range(TIME)]
    assert np.array_equal(np.stack(steps, axis=1), model.predict(x))


def test_streams_mix_and_begin_again(model: nn.Model) -> None:
    x = sequences(2)
    whole = model.predict(x)
    first, second = model.stream(), model.stream()
    assert np.array_equal(first.step(x[0, 0]), whole[0, 0])
    both = model.step([second, first], np.stack([x[1, 0], x[0, 1]]))
    assert np.array_equal(both, [whole[1, 0], whole[0, 1]])
    first.reset()
    assert np.array_equal(first.step(x[0, 0]), whole[0, 0])
    assert np.array_equal(second.step(x[1, 1]), whole[1, 1])


def test_a_last_state_is_that_of_the_step_and_weights_may_change() -> None:
    model = nn.Sequential([nn.LSTM(8), nn.Dense(2)], input_shape=(TIME, INPUTS), seed=1)
    x, stream = sequences(1), model.stream()
    model.weights["dense/bias"][:] = 3
    for t in range(TIME):
        y = stream.step(x[0, t])
    assert y.shape == (2,)
    assert np.array_equal(y, model.predict(x)[0])


def test_tokens_and_several_outputs() -> None:
    tokens = nn.Input((None,), dtype="int32")
    state = nn.GRU(6, return_sequences=True)(nn.Embedding(11, 4)(tokens))
    model = nn.Model(tokens, [nn.Dense(3)(state), nn.LSTM(5)(state)], seed=1)
    x = np.array([[3, 1, 10]])
    each, last = model.predict(x)
    stream = model.stream()
    for t in range(3):
        y, state_now = stream.step(x[0, t])
        assert np.array_equal(y, each[0, t])
    assert np.array_equal(state_now, last[0])
    with pytest.raises(nn.InvalidArgumentError, match="holds 11"):
        stream.step(11)


def test_several_inputs_by_name() -> None:
    a, lengths = nn.Input((None, 2), name="a"), nn.Input((), dtype="int32", name="lengths")
    model = nn.Model([a, lengths], nn.LSTM(3)([a, lengths]))
    by_list = model.stream().step([[0.5, 1.0], 1])
    assert np.array_equal(model.stream().step({"a": [0.5, 1.0], "lengths": 1}), by_list)


def test_models_that_cannot_be_streamed_say_why() -> None:
    assert "step_shape" not in nn.Sequential([nn.Dense(2)], input_shape=(3,)).info["inputs"][0]
    with pytest.raises(nn.UnsupportedError, match="no recurrent layer"):
        nn.Sequential([nn.Dense(2)], input_shape=(3,)).stream()
    flat = nn.Sequential([nn.LSTM(4, return_sequences=True), nn.Flatten(name="flat")], input_shape=(3, 2))
    with pytest.raises(nn.UnsupportedError, match='"flat"'):
        flat.stream()


def test_errors_leave_streams_as_they_were(model: nn.Model) -> None:
    x = sequences(1)
    stream = model.stream()
    first = stream.step(x[0, 0])
    for streams in ([], [stream, stream], [stream, nn.Sequential([nn.GRU(2)], input_shape=(None, INPUTS)).stream()]):
        with pytest.raises(nn.InvalidArgumentError):
            model.step(streams, np.zeros((max(len(streams), 1), INPUTS)))
    with pytest.raises(nn.InvalidArgumentError, match=r"streams\[0\]"):
        model.step([None], x[:, 0])
    with pytest.raises(nn.ShapeError):
        stream.step(x[0])
    with pytest.raises(nn.ShapeError):
        model.step([stream], np.zeros((2, INPUTS)))
    whole = model.predict(x)
    assert np.array_equal(first, whole[0, 0])
    assert np.array_equal(stream.step(x[0, 1]), whole[0, 1])


def test_threads_advance_streams_of_one_model(model: nn.Model) -> None:
    x = sequences(4)
    whole = model.predict(x)
    good = []

    def run(index: int) -> None:
        for _ in range(20):
            stream = model.stream()
            steps = np.stack([stream.step(x[index, t]) for t in range(TIME)])
            good.append(np.array_equal(steps, whole[index]))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(good) == 80 and all(good)
