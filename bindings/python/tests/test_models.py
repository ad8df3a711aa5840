"""Building models, and running them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from conftest import dense_model, image_model, run_in_threads, sequence_model

import nnkit as nn


def test_dense_computes_the_product_and_the_bias(x: np.ndarray) -> None:
    model = nn.Sequential([nn.Dense(3)], input_shape=(4,), seed=3)
    model.weights["dense/bias"][:] = [1, 2, 3]
    expected = x.astype(np.float64) @ model.weights["dense/kernel"] + [1, 2, 3]
    assert np.allclose(model.predict(x), expected, rtol=0, atol=1e-5)


def test_convolution_sums_the_elementwise_product() -> None:
    model = nn.Sequential([nn.Conv2D(1, 2)], input_shape=(2, 2, 1))
    model.weights["conv2d/kernel"][:] = np.array([[5, 6], [7, 8]]).reshape(2, 2, 1, 1)
    model.weights["conv2d/bias"][:] = 0.5
    assert model.predict(np.array([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)).item() == 5 + 12 + 21 + 32 + 0.5


def test_lstm_computes_its_equations(random: np.random.Generator) -> None:
    units, x = 3, random.normal(size=(2, 5, 4))
    model = nn.Sequential([nn.LSTM(units, return_sequences=True)], input_shape=(None, 4), seed=5)
    kernel, recurrent, bias = (model.weights[f"lstm/{name}"] for name in ("kernel", "recurrent_kernel", "bias"))
    bias[:] = random.normal(size=bias.shape)

    def sigmoid(value: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-value))

    h = c = np.zeros((2, units))
    steps = []
    for t in range(5):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        steps.append(h)
    assert np.allclose(model.predict(x), np.stack(steps, axis=1), rtol=0, atol=1e-5)


def test_the_forget_gate_begins_open() -> None:
    bias = nn.Sequential([nn.LSTM(3)], input_shape=(None, 4)).weights["lstm/bias"]
    assert bias.tolist() == [0] * 3 + [1] * 3 + [0] * 6


def test_pooling_takes_the_largest_and_the_mean() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    largest = nn.Sequential([nn.MaxPool2D(2)], input_shape=(4, 4, 1)).predict(x)
    mean = nn.Sequential([nn.AvgPool2D(2)], input_shape=(4, 4, 1)).predict(x)
    assert largest.ravel().tolist() == [5, 7, 13, 15]
    assert mean.ravel().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_softmax_and_its_logarithm_agree(x: np.ndarray) -> None:
    plain = nn.Sequential([nn.Softmax()], input_shape=(4,)).predict(x)
    logarithm = nn.Sequential([nn.LogSoftmax()], input_shape=(4,)).predict(x)
    assert np.allclose(plain.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(np.exp(logarithm), plain, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("linear", lambda x: x),
    ],
)
def test_activation_computes_its_function(function: str, reference: Any, x: np.ndarray) -> None:
    model = nn.Sequential([nn.Activation(function)], input_shape=(4,))
    assert np.allclose(model.predict(x), reference(x.astype(np.float64)), rtol=0, atol=1e-6)


def test_dropout_and_flatten_leave_numbers_alone_in_inference(images: np.ndarray) -> None:
    model = nn.Sequential([nn.Dropout(0.5), nn.Flatten()], input_shape=(6, 6, 2))
    assert np.array_equal(model.predict(images), images.reshape(40, 72))


def test_embedding_looks_rows_up() -> None:
    model = nn.Sequential([nn.Embedding(5, 3)], input_shape=(None,), input_dtype="int32")
    table = model.weights["embedding/embeddings"]
    assert np.array_equal(model.predict([[4, 0, 2]]), table[[4, 0, 2]][None])


@pytest.mark.parametrize("number", [-1, 5, 2**31 - 1, -(2**31), 2**40])
def test_an_embedding_number_out_of_range_is_refused(number: int) -> None:
    model = nn.Sequential([nn.Embedding(5, 3)], input_shape=(None,), input_dtype="int32")
    with pytest.raises(nn.InvalidArgumentError):
        model.predict(np.array([[0, number]]))


def test_lengths_make_padding_mean_nothing(random: np.random.Generator) -> None:
    x, lengths = nn.Input((None, 3), name="x"), nn.Input((), dtype="int32", name="lengths")
    model = nn.Model([x, lengths], nn.LSTM(4)([x, lengths]))
    data, length = random.normal(size=(6, 8, 3)), np.array([1, 8, 3, 5, 2, 8])
    noisy = np.where(np.arange(8)[None, :, None] < length[:, None, None], data, 99.0)
    assert np.array_equal(model.predict([data, length]), model.predict({"lengths": length, "x": noisy}))
    alone = model.predict([data[2:3, :3], length[2:3]])
    assert np.allclose(alone, model.predict([data, length])[2], atol=1e-6)


@pytest.mark.parametrize("length", [-1, 9, 2**31 - 1])
def test_a_length_beyond_the_sequence_is_refused(length: int) -> None:
    x, lengths = nn.Input((None, 3)), nn.Input((), dtype="int32")
    model = nn.Model([x, lengths], nn.LSTM(4)([x, lengths]))
    with pytest.raises(nn.InvalidArgumentError):
        model.predict([np.ones((1, 8, 3)), [length]])


def test_an_open_time_dimension_takes_any_number_of_steps(random: np.random.Generator) -> None:
    model = nn.Sequential([nn.LSTM(4, return_sequences=True)], input_shape=(None, 3))
    x = random.normal(size=(2, 30, 3)).astype(np.float32)
    whole = model.predict(x)
    assert whole.shape == (2, 30, 4)
    for steps in (1, 2, 7, 30):
        assert np.allclose(model.predict(x[:, :steps]), whole[:, :steps], atol=1e-6)


def test_a_graph_with_two_outputs_predicts_a_list(x: np.ndarray) -> None:
    a = nn.Input((4,))
    h = nn.Dense(8, activation="relu")(a)
    model = nn.Model(a, [nn.Dense(3)(h), nn.Dense(2)(h)])
    first, second = model.predict(x)
    assert (first.shape, second.shape) == ((50, 3), (50, 2))
    assert [port.shape for port in model.outputs] == [(3,), (2,)]


def test_a_model_says_what_it_takes_and_gives(x: np.ndarray) -> None:
    tokens, image = nn.Input((None,), "int32", name="tokens"), nn.Input((6, 6, 2))
    words = nn.LSTM(5, return_sequences=True)(nn.Embedding(11, 3)(tokens))
    model = nn.Model([tokens, image], [words, nn.Flatten()(image)])
    assert model.inputs == [nn.Port("tokens", "int32", (None,)), nn.Port("input", "float32", (6, 6, 2))]
    assert [tuple(port) for port in model.outputs] == [
        ("output", "float32", (None, 5)),
        ("output_1", "float32", (72,)),
    ]
    assert dense_model().inputs[0].shape == (4,)


def test_a_value_has_a_shape_while_the_graph_is_made() -> None:
    tokens, image = nn.Input((None,), "int32"), nn.Input((8, 6, 2))
    assert tokens.shape == (None,)
    embedded = nn.Embedding(11, 3)(tokens)
    assert embedded.shape == (None, 3)
    assert nn.LSTM(5)(embedded).shape == (5,)
    small = nn.Conv2D(4, 3)(image)
    assert small.shape == (6, 4, 4)
    assert nn.Add()([small, small]).shape == (6, 4, 4)
    with pytest.raises(nn.ShapeError, match="wide"):
        _ = nn.Conv2D(4, 9, name="wide")(small).shape


@pytest.mark.parametrize("batch_size", [1, 7, 32, 50, 1000])
def test_predictions_do_not_depend_on_the_batch_size(batch_size: int, x: np.ndarray) -> None:
    model = dense_model()
    assert np.allclose(model.predict(x, batch_size=batch_size), model.predict(x), rtol=0, atol=1e-6)


def test_no_samples_give_no_predictions() -> None:
    assert dense_model().predict(np.empty((0, 4))).shape == (0, 3)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::2],
        lambda x: x[::-1],
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: np.broadcast_to(x[:1], (9, 4)),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x.tolist(),
    ],
)
def test_arrays_of_any_layout_and_type_are_read_right(view: Any, x: np.ndarray) -> None:
    model = dense_model()
    expected = model.predict(np.ascontiguousarray(np.asarray(view(x)), dtype=np.float32))
    assert np.array_equal(model.predict(view(x)), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_integers_of_any_type_are_read_right(dtype: Any, sequences: np.ndarray) -> None:
    model = sequence_model()
    assert np.array_equal(model.predict(sequences.astype(dtype)), model.predict(sequences))


def test_unaligned_arrays_are_read_right(x: np.ndarray) -> None:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(np.float32).reshape(x.shape)
    unaligned[:] = x
    assert not unaligned.flags.aligned
    assert np.array_equal(dense_model().predict(unaligned), dense_model().predict(x))


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 4, 1), (2, 0), ()])
def test_an_array_of_the_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(nn.ShapeError):
        dense_model().predict(np.ones(shape))


@pytest.mark.parametrize("bad", [["a", "b"], [[1j, 0, 0, 0]], np.array([[object()] * 4])])
def test_an_array_that_holds_no_numbers_is_refused(bad: Any) -> None:
    with pytest.raises(nn.ElementTypeError, match="x: expected numbers"):
        dense_model().predict(bad)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(nn.InvalidArgumentError, match="x: the items of the list differ in their shapes"):
        dense_model().predict([[1, 2], [3]])


def test_fractions_are_no_embedding_numbers() -> None:
    with pytest.raises(nn.ElementTypeError, match="expected integers"):
        sequence_model().predict([[0.5, 1.0]])


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, None])
def test_a_batch_size_that_makes_no_sense_is_refused(batch_size: Any, x: np.ndarray) -> None:
    with pytest.raises((TypeError, ValueError), match="batch_size"):
        dense_model().predict(x, batch_size=batch_size)


def test_inputs_of_different_lengths_are_refused() -> None:
    a, b = nn.Input((None, 3)), nn.Input((), dtype="int32")
    model = nn.Model([a, b], nn.LSTM(4)([a, b]))
    for first, second in ((3, 2), (2, 3), (0, 2), (40, 33)):
        with pytest.raises(nn.ShapeError):
            model.predict([np.ones((first, 5, 3)), np.ones(second, int)])


def test_the_number_and_the_names_of_inputs_are_checked() -> None:
    a, b = nn.Input((None, 3), name="a"), nn.Input((), dtype="int32", name="b")
    model = nn.Model([a, b], nn.LSTM(4)([a, b]))
    with pytest.raises(ValueError, match=r"the model has 2 inputs \(a, b\)"):
        model.predict([np.ones((1, 5, 3))])
    with pytest.raises(ValueError, match="the model's inputs are a, b; got a, c"):
        model.predict({"a": 1, "c": 2})


def test_many_threads_predict_at_once_and_get_the_same_bits(images: np.ndarray) -> None:
    model = image_model()
    expected = model.predict(images)
    results: list[bool] = []

    def work() -> None:
        results.append(all(np.array_equal(model.predict(images), expected) for _ in range(20)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_threads_that_take_turns_anywhere_predict_in_many_shapes() -> None:
    model = dense_model()
    x = np.linspace(-1, 1, 160, dtype=np.float32).reshape(40, 4)
    expected = model.predict(x)
    failed: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for turn in range(150):
                count = 1 + (first + turn) % 12
                assert np.allclose(model.predict(x[:count]), expected[:count], atol=1e-6)
        except BaseException as error:
            failed.append(error)

    for interval in (1e-6, 1e-5, 1e-4):
        run_in_threads(work, range(8), interval)
    assert not failed


def test_sessions_are_kept_and_limited(random: np.random.Generator) -> None:
    from nnkit._inference import MAXIMUM_KEPT_SHAPES

    model = sequence_model()
    for steps in range(1, 30):
        model.predict(random.integers(0, 11, size=(2, steps)))
    assert len(model._sessions._free) == MAXIMUM_KEPT_SHAPES
    kept = [session for sessions in model._sessions._free.values() for session in sessions]
    model.predict(random.integers(0, 11, size=(2, 29)))
    assert [session for sessions in model._sessions._free.values() for session in sessions] == kept


def test_a_session_says_its_bytes_beforehand() -> None:
    model = image_model()
    small, large = model.session_bytes(), model.session_bytes(max_batch=64)
    assert 0 < small < large
    assert sequence_model().session_bytes(max_batch=2, max_time=100) > 0


def test_an_output_that_needs_an_unlisted_input_is_refused() -> None:
    a, b = nn.Input((3,), name="a"), nn.Input((3,), name="b")
    with pytest.raises(ValueError, match=r"Input\(\(3,\), 'float32', name='b'\), which is not among"):
        nn.Model(a, [nn.Dense(2)(a), nn.Dense(2)(b)])


def test_a_model_of_something_else_is_refused() -> None:
    a = nn.Input((3,))
    for inputs, outputs in ((a, []), ([], a), (a, nn.Dense(3)), (3, a)):
        with pytest.raises(TypeError, match=r"from nn\.Input and layers"):
            nn.Model(inputs, outputs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"come from nn\.Input"):
        nn.Model(nn.Dense(2)(a), nn.Dense(3)(a))
    with pytest.raises(ValueError, match="listed twice"):
        nn.Model([a, a], nn.Dense(3)(a))


def test_a_class_in_the_place_of_a_layer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"layer 1 is .*write it with parentheses"):
        nn.Sequential([nn.Dense(3), nn.Flatten], input_shape=(4,))  # type: ignore[list-item]


def test_a_layer_with_parameters_serves_one_place() -> None:
    dense = nn.Dense(4)
    with pytest.raises(ValueError, match=r"Dense\(4\) is used twice"):
        nn.Sequential([dense, dense], input_shape=(4,))


def test_a_layer_without_parameters_serves_many(images: np.ndarray) -> None:
    pool = nn.MaxPool2D(2, stride=1)
    assert nn.Sequential([pool, pool], input_shape=(6, 6, 2)).predict(images).shape == (40, 4, 4, 2)


@pytest.mark.parametrize("shape", [3, "ab", (1.5,), (True,), None])
def test_a_shape_of_the_wrong_type_is_refused(shape: Any) -> None:
    with pytest.raises(TypeError, match="a shape is a tuple of integers"):
        nn.Input(shape)


@pytest.mark.parametrize("shape", [(0,), (-2, 3), (2**40, 2**40), (2,) * 20])
def test_a_shape_out_of_range_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(nn.NNKitError) as caught:
        nn.Model(a := nn.Input(shape), nn.Flatten()(a))
    assert isinstance(caught.value, ValueError)


def test_an_input_is_float32_or_int32() -> None:
    assert repr(nn.Input((3,), np.int32)) == "<Input((3,), 'int32')>"
    with pytest.raises(TypeError, match="'float32' or 'int32', got 'float64'"):
        nn.Input((3,), "float64")


def test_a_graph_may_be_thousands_of_layers_deep() -> None:
    value = first = nn.Input((4,))
    for _ in range(3000):
        value = nn.Activation("relu")(value)
    assert nn.Model(first, value).predict(np.ones((1, 4))).tolist() == [[1, 1, 1, 1]]


def test_the_seed_decides_the_parameters() -> None:
    def kernel(seed: int) -> np.ndarray:
        return dense_model(seed=seed).weights["dense/kernel"].copy()

    assert np.array_equal(kernel(3), kernel(3))
    assert not np.array_equal(kernel(3), kernel(4))


def test_memory_is_given_back(images: np.ndarray) -> None:
    import resource

    def use() -> None:
        model = nn.Sequential([nn.Flatten(), nn.Dense(4096)], input_shape=(64, 64, 1))
        model.predict(np.ones((1, 64, 64, 1)))

    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        use()
    # One model has 64 MiB of parameters: twenty that were kept would be 1.3 GiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024
