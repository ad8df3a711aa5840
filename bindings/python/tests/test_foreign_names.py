"""Names of Keras and PyTorch: accepted where they mean exactly the same, else explained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model

import nnkit as nn

FOREIGN = nn.catalog()["foreign"]

OPTIONS: dict[str, tuple[Any, Any]] = {
    "lr": (lambda: nn.Adam(lr=0.5), nn.Adam(learning_rate=0.5)),
    "beta_1": (lambda: nn.Adam(beta_1=0.5), nn.Adam(beta1=0.5)),
    "beta_2": (lambda: nn.Adam(beta_2=0.5), nn.Adam(beta2=0.5)),
    "eps": (lambda: nn.BatchNorm(eps=0.5), nn.BatchNorm(epsilon=0.5)),
    "kernel_size": (lambda: nn.Conv2D(2, kernel_size=3), nn.Conv2D(2, 3)),
    "kernel_size of a pool": (lambda: nn.MaxPool2D(kernel_size=3), nn.MaxPool2D(3)),
    "pool_size": (lambda: nn.AvgPool2D(pool_size=(3, 2)), nn.AvgPool2D((3, 2))),
    "strides": (lambda: nn.Conv2D(2, 3, strides=2), nn.Conv2D(2, 3, stride=2)),
    "dilation_rate": (lambda: nn.Conv2D(2, 3, dilation_rate=2), nn.Conv2D(2, 3, dilation=2)),
    "count_include_pad": (lambda: nn.AvgPool2D(count_include_pad=True), nn.AvgPool2D(count_padding=True)),
    "use_bias": (lambda: nn.Dense(2, use_bias=False), nn.Dense(2, bias=False)),
    "out_channels": (lambda: nn.Conv2D(out_channels=2, kernel_size=3), nn.Conv2D(2, 3)),
    "out_features": (lambda: nn.Dense(out_features=2), nn.Dense(2)),
    "hidden_size": (lambda: nn.GRU(hidden_size=2), nn.GRU(2)),
    "num_embeddings": (lambda: nn.Embedding(num_embeddings=5, embedding_dim=2), nn.Embedding(5, 2)),
    "input_dim": (lambda: nn.Embedding(input_dim=5, output_dim=2), nn.Embedding(5, 2)),
    "p": (lambda: nn.Dropout(p=0.25), nn.Dropout(0.25)),
}
VALUES: dict[str, tuple[Any, Any]] = {
    "swish": (lambda: nn.Dense(2, activation="swish"), nn.Dense(2, activation="silu")),
    "hardswish": (lambda: nn.Dense(2, activation="hardswish"), nn.Dense(2, activation="hard_swish")),
    "hard_silu": (lambda: nn.Activation("hard_silu"), nn.Activation("hard_swish")),
    "hardsigmoid": (lambda: nn.Activation("hardsigmoid"), nn.Activation("hard_sigmoid")),
    "identity": (lambda: nn.Activation("identity"), nn.Activation("linear")),
    "xavier_uniform": (
        lambda: nn.Dense(2, kernel_initializer="xavier_uniform"),
        nn.Dense(2, kernel_initializer="glorot_uniform"),
    ),
    "xavier_normal": (
        lambda: nn.Dense(2, kernel_initializer="xavier_normal"),
        nn.Dense(2, kernel_initializer="glorot_normal"),
    ),
    "kaiming_uniform": (
        lambda: nn.Dense(2, kernel_initializer="kaiming_uniform"),
        nn.Dense(2, kernel_initializer="he_uniform"),
    ),
    "kaiming_normal": (
        lambda: nn.Dense(2, kernel_initializer="kaiming_normal"),
        nn.Dense(2, kernel_initializer="he_normal"),
    ),
}
COMPILED = {
    "mse": {"loss": "mse"},
    "mse_loss": {"loss": "mse_loss"},
    "cross_entropy": {"loss": "cross_entropy"},
    "acc": {"loss": "cross_entropy", "metrics": ["acc"]},
    "sparse_categorical_accuracy": {"loss": "cross_entropy", "metrics": ["sparse_categorical_accuracy"]},
}


@pytest.mark.parametrize(("make", "own"), [*OPTIONS.values(), *VALUES.values()], ids=[*OPTIONS, *VALUES])
def test_a_name_that_means_the_same_makes_the_same(make: Any, own: Any) -> None:
    made = make()
    assert type(made) is type(own) and made.options == own.options
    assert repr(made) == repr(own)


@pytest.mark.parametrize("options", COMPILED.values(), ids=list(COMPILED))
def test_a_loss_or_a_metric_that_means_the_same_trains_the_same(
    options: dict[str, Any], x: np.ndarray, y: np.ndarray
) -> None:
    values = FOREIGN["values"]
    own = {"loss": values[options["loss"]], "metrics": [values[name] for name in options.get("metrics", [])]}
    histories = []
    for each in (options, own):
        model = dense_model()
        model.compile(nn.SGD(lr=0.1), **each)
        targets = y if own["loss"] == "softmax_cross_entropy" else np.eye(3)[y]
        histories.append(model.fit(x, targets, epochs=2, verbose=0).history)
    assert histories[0] == histories[1]


def test_every_name_of_the_catalog_is_tried_here() -> None:
    assert set(VALUES) | set(COMPILED) == set(FOREIGN["values"])
    # Of nnk_trainer_create, whose options are arguments of compile here.
    of_the_trainer = {"global_clipnorm", "metrics"}
    tried = {*OPTIONS, "embedding_dim", "output_dim"} - {"kernel_size of a pool"}
    assert tried | of_the_trainer == set(FOREIGN["options"])


def test_names_of_other_libraries_lead_to_what_is_there() -> None:
    catalog = nn.catalog()
    kinds = {layer["kind"] for layer in catalog["layers"]}
    entries = [
        *catalog["layers"],
        *catalog["optimizers"],
        *({"options": each} for each in catalog["functions"].values()),
    ]
    options = {option["name"] for entry in entries for option in entry["options"]}
    choices = {choice for entry in entries for option in entry["options"] for choice in option.get("choices", ())}
    assert set(FOREIGN["kinds"].values()) <= kinds and not set(FOREIGN["kinds"]) & kinds
    assert {own for each in FOREIGN["options"].values() for own in each} <= options
    assert set(FOREIGN["values"].values()) <= choices and not set(FOREIGN["values"]) & choices
    # "hidden_size" and the like must not be ambiguous: an owner has one of the names at most.
    for entry in entries:
        names = {option["name"] for option in entry["options"]}
        for foreign, own in FOREIGN["options"].items():
            assert len(names & set(own)) <= 1 and foreign not in names, foreign


@pytest.mark.parametrize("word", sorted(FOREIGN["advice"]))
def test_advice_comes_where_a_program_writes_the_word(word: str) -> None:
    with pytest.raises(TypeError) as of_an_option:
        nn.Dense(3, **{word: 1})
    assert FOREIGN["advice"][word] in str(of_an_option.value)
    with pytest.raises(ValueError) as of_a_value:
        dense_model().compile(loss=word)
    assert FOREIGN["advice"][word] in str(of_a_value.value)


def test_a_setting_of_a_compiled_optimizer_has_its_own_name_alone() -> None:
    optimizer = compiled(dense_model()).optimizer
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        optimizer.lr = 0.5


@pytest.mark.parametrize(
    ("make", "meant"),
    [
        (lambda: dense_model().compile(loss="MSE"), "did you mean 'mean_squared_error'?"),
        (lambda: dense_model().compile(loss="Mean-Squared-Error"), "did you mean 'mean_squared_error'?"),
        (lambda: dense_model().compile(loss="Categorical-CrossEntropy"), FOREIGN["advice"]["categorical_crossentropy"]),
        (lambda: dense_model().compile("SGD", loss="mse"), "did you mean 'sgd'?"),
        (lambda: dense_model().compile("Adam", loss="mse"), "did you mean 'adam'?"),
        (lambda: nn.Dense(2, activation="ReLU"), "did you mean 'relu'?"),
        (lambda: nn.Dense(2, activation="Hard-Swish"), "did you mean 'hard_swish'?"),
        (lambda: nn.Dense(2, activation="Swish"), "did you mean 'silu'?"),
        (lambda: nn.Conv2D(2, 3, padding="SAME"), "did you mean 'same'?"),
        (lambda: nn.Conv2D(2, 3, padding="Valid"), "did you mean 'valid'?"),
    ],
)
def test_letters_of_another_size_lead_to_the_name(make: Any, meant: str) -> None:
    with pytest.raises(nn.InvalidArgumentError) as caught:
        make()
    assert str(caught.value).endswith(meant)
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        nn.Adam(**{"LR": 0.5})
    with pytest.raises(TypeError, match="did you mean 'kernel_initializer'"):
        nn.Dense(2, **{"Kernel-Initializer": "zeros"})


def test_compile_takes_keras_name_of_the_norm_and_explains_others() -> None:
    model = nn.Sequential([nn.Dense(2)], input_shape=(3,))
    model.compile("sgd", loss="mse", global_clipnorm=0.5)
    assert model.clip_norm == 0.5
    for arguments, message in (
        ({"clip_norm": 1.0, "global_clipnorm": 1.0}, "compile has no argument 'global_clipnorm'"),
        ({"lr": 0.1}, r"it is the optimizer's, such as nn.SGD\(learning_rate=...\)"),
        ({"weight_decay": 0.1}, r"it is the optimizer's, such as nn.SGD\(weight_decay=...\)"),
        ({"metric": "accuracy"}, "did you mean 'metrics'\\?"),
        ({"jit_compile": True}, "It takes optimizer, loss, metrics, clip_norm"),
    ):
        with pytest.raises(TypeError, match=message):
            model.compile("sgd", loss="mse", **arguments)
