"""Layers and optimizers, which are made from the catalog."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from conftest import required_options

import nnkit as nn

CATALOG = nn.catalog()
SAMPLES: dict[str, dict[str, Any]] = {
    "Conv2D": {"filters": 4, "kernel": (3, 2)},
    "Dense": {"units": 5},
    "Activation": {"function": "tanh"},
    "Embedding": {"vocabulary": 9, "units": 4},
    "LSTM": {"units": 6},
    "GRU": {"units": 6, "reset_after": True},
    "Split": {"sizes": (1, 2)},
    "Permute": {"axes": (1, 0)},
    "Reshape": {"shape": (-1, 4)},
    "Repeat": {"count": 3},
}


@pytest.mark.parametrize("entry", CATALOG["layers"], ids=lambda entry: entry["class"])
def test_layer_has_the_signature_and_the_words_of_the_catalog(entry: dict[str, Any]) -> None:
    layer = getattr(nn, entry["class"])
    assert entry["summary"][1:] in layer.__doc__.splitlines()[0]
    parameters = inspect.signature(layer).parameters
    assert list(parameters) == [*(option["name"] for option in entry["options"] if option["name"] != "name"), "name"]
    for option in entry["options"]:
        assert option["name"] in layer.__doc__
        if option.get("required"):
            assert parameters[option["name"]].default is inspect.Parameter.empty


@pytest.mark.parametrize("entry", CATALOG["layers"], ids=lambda entry: entry["class"])
def test_layer_can_be_made_by_keywords_and_shows_them(entry: dict[str, Any]) -> None:
    options = SAMPLES.get(entry["class"], {})
    layer = getattr(nn, entry["class"])(**options, name="mine")
    assert layer.kind == entry["kind"]
    assert layer.options == {**options, "name": "mine"}
    assert eval(repr(layer), vars(nn)).options == layer.options


@pytest.mark.parametrize("entry", CATALOG["optimizers"], ids=lambda entry: entry["class"])
def test_optimizer_takes_a_learning_rate_first(entry: dict[str, Any]) -> None:
    optimizer = getattr(nn, entry["class"])(0.125)
    assert optimizer.kind == entry["name"]
    assert repr(optimizer) == f"{entry['class']}(learning_rate=0.125)"


@pytest.mark.parametrize("loss", [entry["name"] for entry in CATALOG["losses"]])
def test_every_loss_of_the_catalog_trains(loss: str, x: np.ndarray, y: np.ndarray) -> None:
    model = nn.Sequential([nn.Dense(3)], input_shape=(4,))
    model.compile("sgd", loss=loss)
    targets = y if loss == "softmax_cross_entropy" else np.eye(3)[y]
    losses = [model.train_on_batch(x, targets) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_positional_arguments_come_in_the_order_of_the_catalog() -> None:
    assert nn.Conv2D(8, (3, 2)).options == {"filters": 8, "kernel": (3, 2)}
    assert nn.MaxPool2D(2, 1).options == {"size": 2, "stride": 1}
    # PyTorch's Conv2d(in_channels, out_channels, kernel_size) is no layer of three filters.
    with pytest.raises(TypeError, match=r"takes 2 positional arguments at most \(filters, kernel\), got 3; .*by name"):
        nn.Conv2D(3, 16, 3)


def test_none_means_the_default() -> None:
    assert nn.Dense(3, activation=None).options == {"units": 3}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(), "Dense: argument 'units' is missing"),
        (lambda: nn.Dense(None), "Dense: argument 'units' is missing"),
        (lambda: nn.Dense("many"), "Dense: argument 'units' must be an integer from 1 to 16777216, got 'many' (str)"),
        (lambda: nn.Dense(3.0), "Dense: argument 'units' must be an integer from 1 to 16777216, got 3.0 (float)"),
        (lambda: nn.Dense(True), "Dense: argument 'units' must be an integer from 1 to 16777216, got True (bool)"),
        (lambda: nn.Dense(3, bias=1), "Dense: argument 'bias' must be True or False, got 1 (int)"),
        (lambda: nn.Dense(3, activation=3), "Dense: argument 'activation' must be one of 'linear', 'relu'"),
        (lambda: nn.Dense(3, activations="relu"), "Dense has no argument 'activations'; did you mean 'activation'?"),
        (lambda: nn.Dense(3, units=4), "Dense: argument 'units' was given twice"),
        (lambda: nn.Flatten(3), "Flatten takes 0 positional arguments at most (none), got 1"),
        (lambda: nn.Conv2D(3, "3"), "Conv2D: argument 'kernel' must be an integer or 2 integers from 1"),
        (lambda: nn.Conv2D(3, (3, 2.5)), "Conv2D: argument 'kernel' must be an integer or 2 integers"),
        (lambda: nn.Conv2D(3, 3, padding=1.5), "Conv2D: argument 'padding' must be 'valid', 'same', or 1, 2 or 4"),
        (lambda: nn.Dropout("half"), "Dropout: argument 'rate' must be a number from 0 to below 1, got 'half' (str)"),
        (lambda: nn.Adam("fast"), "Adam: argument 'learning_rate' must be a number of at least 0, got 'fast' (str)"),
    ],
)
def test_an_argument_of_the_wrong_type_names_layer_and_argument(make: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(0), "Dense: argument 'units' must be an integer from 1 to 16777216, got 0"),
        (lambda: nn.Dense(-3), "Dense: argument 'units' must be an integer from 1 to 16777216, got -3"),
        (lambda: nn.Dense(2**70), "Dense: argument 'units' must be an integer from 1 to 16777216, got 1180591"),
        (lambda: nn.Dense(2, activation="rely"), "got 'rely'; did you mean 'relu'?"),
        (lambda: nn.Dropout(1.0), "Dropout: argument 'rate' must be a number from 0 to below 1, got 1.0"),
        (lambda: nn.Dropout(-0.1), "Dropout: argument 'rate' must be a number from 0 to below 1, got -0.1"),
        (lambda: nn.Dropout(float("nan")), "Dropout: argument 'rate' must be a number from 0 to below 1, got nan"),
        (lambda: nn.Conv2D(4, (3, 3, 3)), "Conv2D: argument 'kernel' must be an integer or 2 integers"),
        (lambda: nn.Conv2D(4, 3, stride=0), "Conv2D: argument 'stride' must be an integer or 2 integers from 1"),
        (
            lambda: nn.Conv2D(4, 3, padding=(1, 2, 3)),
            "argument 'padding' must be 'valid', 'same', or 1, 2 or 4 integers",
        ),
        (lambda: nn.Conv2D(4, 3, padding=-1), "argument 'padding' must be 'valid', 'same', or 1, 2 or 4 integers"),
        (lambda: nn.Conv2D(4, 3, padding="full"), "argument 'padding' must be 'valid', 'same', or 1, 2 or 4 integers"),
        (lambda: nn.Conv2D(4, 3, groups=0), "Conv2D: argument 'groups' must be an integer from 1 to 16777216, got 0"),
        (lambda: nn.BatchNorm(momentum=2.0), "BatchNorm: argument 'momentum' must be a number from 0 to 1, got 2.0"),
        (lambda: nn.LSTM(2, forget_bias=101), "argument 'forget_bias' must be a number from -100 to 100, got 101"),
        (lambda: nn.Adam(-1), "Adam: argument 'learning_rate' must be a number of at least 0, got -1"),
        (lambda: nn.Adam(float("inf")), "Adam: argument 'learning_rate' must be a number of at least 0, got inf"),
        (lambda: nn.Adam(beta1=1), "Adam: argument 'beta1' must be a number from 0 to below 1, got 1"),
        (lambda: nn.Adam(epsilon=0), "Adam: argument 'epsilon' must be a number from 1e-30 to 1, got 0"),
        (lambda: nn.SGD(momentum=float("nan")), "SGD: argument 'momentum' must be a number from 0 to below 1, got nan"),
    ],
)
def test_a_value_out_of_range_is_refused_where_it_is_written(make: Any, message: str) -> None:
    with pytest.raises(nn.InvalidArgumentError) as caught:
        make()
    assert message in str(caught.value)


def test_every_bound_of_the_catalog_is_allowed_and_nothing_beyond_it() -> None:
    checked = 0
    for kind in [getattr(nn, name) for name in nn.__all__]:
        entry = getattr(kind, "_entry", None)
        for option in entry.options if entry else ():
            if option.type not in ("int", "float", "int_list"):
                continue
            others = {each: value for each, value in required_options(kind).items() if each != option.name}
            beyond = np.nextafter(option.highest, np.inf) if option.type == "float" else option.highest + 1
            inside = [option.lowest, np.nextafter(option.highest, 0) if option.excludes_highest else option.highest]
            outside = [option.lowest - 1, option.highest if option.excludes_highest else beyond]
            for value in inside:
                kind(**{option.name: value, **others})
            for value in outside:
                with pytest.raises(nn.InvalidArgumentError):
                    kind(**{option.name: value, **others})
                checked += 1
    assert checked >= 50


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.Conv2D(4, 3, groups=2), (8, 8, 3), ["conv2d", "groups=2", "3 channels"]),
        (nn.Conv2D(4, 3, groups=3), (8, 8, 3), ["conv2d", "groups=3", "filters=4"]),
        (nn.Conv2D(4, 9), (8, 8, 1), ["conv2d", "9", "8"]),
        (nn.Conv2D(4, 3), (8, 8), ["conv2d"]),
        (nn.MaxPool2D(2), (8,), ["maxpool2d"]),
        (nn.LSTM(4), (8,), ["lstm"]),
        (nn.GRU(4), (8,), ["gru"]),
        (nn.GlobalAvgPool2D(), (8,), ["globalavgpool2d"]),
    ],
)
def test_a_layer_that_does_not_fit_its_input_is_refused_by_a_message_with_layer_and_reason(
    layer: nn.Layer, shape: tuple[int, ...], words: list[str]
) -> None:
    with pytest.raises(nn.NNKitError) as caught:
        nn.Sequential([layer], input_shape=shape)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


def test_the_message_names_the_layer_by_its_name() -> None:
    with pytest.raises(nn.NNKitError, match="my_head"):
        nn.Sequential([nn.Dense(4), nn.LSTM(2, name="my_head")], input_shape=(4,))


def test_two_layers_of_one_name_are_refused() -> None:
    with pytest.raises(nn.InvalidArgumentError, match="twin"):
        nn.Sequential([nn.Dense(4, name="twin"), nn.Dense(4, name="twin")], input_shape=(4,))


@pytest.mark.parametrize("name", ["two words", "", "tab\tbed"])
def test_a_name_with_white_space_is_refused(name: str) -> None:
    with pytest.raises(nn.InvalidArgumentError):
        nn.Dense(3, name=name)


def test_a_name_with_a_zero_character_is_refused_and_not_cut() -> None:
    with pytest.raises(nn.InvalidArgumentError, match="zero character"):
        nn.Sequential([nn.Dense(3, name="a\0b")], input_shape=(4,))


def test_a_layer_that_is_called_with_an_array_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"Dense was called with an object of type ndarray.*nn\.Input"):
        nn.Dense(3)(np.ones((2, 4)))


def test_a_layer_counts_its_inputs() -> None:
    value = nn.Input((None, 3))
    with pytest.raises(TypeError, match=r"LSTM takes 1 to 2 inputs \(x, lengths \(optional\)\), got 3"):
        nn.LSTM(4)([value, value, value])
