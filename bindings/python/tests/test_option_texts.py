"""Options as text, which programs in every language write: each slip is met with the sentence that helps."""

from __future__ import annotations

import pytest
from conftest import dense_model

import nnkit as nn
from nnkit._handles import GraphHandle, TrainerHandle

SEPARATOR = "options are separated by spaces, without commas: key=value key=value"
LAYERS: dict[str, tuple[str, str, str]] = {
    "a comma and a space": ("conv2d", "filters=8, kernel=3", SEPARATOR),
    "a comma": ("conv2d", "filters=8,kernel=3", SEPARATOR),
    "a space and a comma": ("conv2d", "filters=8 ,kernel=3", SEPARATOR),
    "a comma by itself": ("conv2d", "filters=8 , kernel=3", SEPARATOR),
    "a comma behind a list": ("conv2d", "filters=8 kernel=3,5, stride=2", SEPARATOR),
    "a comma behind a word": ("conv2d", "filters=8 kernel=3 padding=same, stride=2", SEPARATOR),
    "a comma at the end": ("dense", "units=8,", SEPARATOR),
    "spaces around the sign": (
        "dense",
        "units = 8",
        '"units" is not an option; write key=value, without spaces around',
    ),
    "a space behind the sign": ("dense", "units= 8", "units= is not valid"),
    "a colon": ("dense", "units:8", '"units:8" is not an option; write key=value'),
    "an unknown activation": ("dense", "units=8 activation=rellu", "did you mean relu?"),
    "softmax as an activation": ("dense", "units=8 activation=softmax", "; softmax is a layer; softmax_cross_entropy"),
    "sizes that follow": ("dense", "units=8 in_features=4", 'no option "in_features"; sizes of inputs follow'),
    "one option by two names": ("conv2d", "filters=8 kernel=3 kernel_size=3", "the option kernel is given twice"),
    "PyTorch's kind": ("linear", "units=8", 'no layer kind "linear"; did you mean dense?'),
    "Keras' kind": ("MaxPooling2D", "", 'no layer kind "MaxPooling2D"; did you mean maxpool2d?'),
    "Keras' kind of normalization": ("batch_normalization", "", "did you mean batchnorm?"),
    "a function as a kind": ("relu", "", "did you mean activation?"),
    "a kind in capitals": ("Conv2D", "filters=8 kernel=3", "did you mean conv2d?"),
}
TRAINERS: dict[str, tuple[str, str]] = {
    "a comma": ("loss=mean_squared_error, optimizer=adam", SEPARATOR),
    "Keras' loss": ("loss=sparse_categorical_crossentropy", "softmax_cross_entropy takes class numbers and logits"),
    "Keras' one-hot loss": ("loss=categorical_crossentropy", "class numbers (the argmax of one-hot rows) as targets"),
    "another metric": ("loss=cross_entropy metric=categorical_accuracy", "accuracy compares class numbers"),
    "another optimizer": ("loss=cross_entropy optimizer=adamw", "adam has weight_decay"),
    "two rates": ("loss=cross_entropy lr=0.5 learning_rate=0.5", "the option learning_rate is given twice"),
}


def message_of(kind: str, options: str) -> str:
    """What a graph says to a layer."""
    graph = GraphHandle()
    graph.layer(kind, options, [graph.input("x", 1, [8, 8, 2])], 1)
    with pytest.raises(nn.InvalidArgumentError) as caught:
        graph.output("y", 0)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "options", "message"), LAYERS.values(), ids=list(LAYERS))
def test_the_message_of_a_layer_helps(kind: str, options: str, message: str) -> None:
    assert message in message_of(kind, options)


@pytest.mark.parametrize(("options", "message"), TRAINERS.values(), ids=list(TRAINERS))
def test_the_message_of_a_trainer_helps(options: str, message: str) -> None:
    with pytest.raises(nn.InvalidArgumentError) as caught:
        TrainerHandle(dense_model()._handle, options)
    assert message in str(caught.value)


def test_other_libraries_names_are_read_and_written_under_those_of_nnkit() -> None:
    graph = GraphHandle()
    value = graph.input("x", 1, [8, 8, 2])
    value = graph.layer("conv2d", "out_channels=3 kernel_size=3,2 strides=2 use_bias=0 activation=swish", [value], 1)[0]
    value = graph.layer("maxpool2d", "pool_size=2", [value], 1)[0]
    graph.output("y", value)
    from nnkit._handles import ModelHandle

    file = ModelHandle.create(None, graph, "").write()
    layer = nn.load(file).info["layers"][0]
    for words in ("filters=3", "kernel=3,2", "stride=2,2", "bias=false", "activation=silu"):
        assert words in layer["options"]
    for words in (b"kernel_size", b"swish", b"pool_size"):
        assert words not in file


def test_settings_have_other_libraries_names_too() -> None:
    trainer = TrainerHandle(dense_model()._handle, "loss=mse optimizer=adam lr=0.5 eps=0.25 beta_1=0.125")
    assert [trainer.get(name) for name in ("learning_rate", "lr", "epsilon", "eps", "beta1")] == [
        0.5,
        0.5,
        0.25,
        0.25,
        0.125,
    ]
    trainer.set("lr=0.75 global_clipnorm=2")
    assert trainer.get("learning_rate") == 0.75 and trainer.get("clip_norm") == 2
