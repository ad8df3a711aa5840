"""Arguments that do not fit, as people who come from other libraries give them: each message says what is wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, normalized_model

import nnkit as nn

X, Y = np.zeros((5, 4), np.float32), np.zeros(5, np.int32)
IMAGES = np.zeros((5, 6, 6, 2), np.float32)


def recurrent() -> nn.Model:
    """One that streams."""
    return nn.Sequential([nn.LSTM(3)], input_shape=(None, 4))


def regression() -> nn.Model:
    """One that learns numbers."""
    model = dense_model()
    model.compile(loss="mse")
    return model


def without_loss() -> nn.Model:
    """One that trains by hand."""
    model = dense_model()
    model.compile()
    return model


def fit(**options: Any) -> Any:
    """A short one."""
    return compiled(dense_model()).fit(X, options.pop("y", Y), **{"verbose": 0, **options})


def compile_with(**options: Any) -> None:
    """Of a classifier."""
    dense_model().compile(**{"loss": "softmax_cross_entropy", **options})


CASES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "shuffle as text": (lambda: fit(shuffle="no"), TypeError, "'shuffle' must be True or False, got 'no'"),
    "shuffle as a number": (lambda: fit(shuffle=0), TypeError, "'shuffle' must be True or False, got 0"),
    "a share as text": (lambda: fit(validation_split="0.1"), TypeError, "'validation_split' must be a number"),
    "verbose as a list": (lambda: fit(verbose=[1]), ValueError, r"verbose is 0 .* got \[1\]"),
    "a callback without a list": (lambda: fit(callbacks=print), TypeError, "callbacks are a list of functions"),
    "a callback that is none": (lambda: fit(callbacks=[5]), TypeError, r"callbacks are a list of functions .* \[5\]"),
    "one-hot labels": (lambda: fit(y=np.eye(3)[Y]), ValueError, r"class numbers, .* take .argmax\(axis=-1\)"),
    "integer one-hot labels": (lambda: fit(y=np.eye(3, dtype=int)[Y]), ValueError, "class numbers, one for each row"),
    "targets by a wrong name": (lambda: fit(y={"out": Y}), ValueError, "the model's outputs are output; got out"),
    "some of the targets": (
        lambda: compiled(normalized_model()).fit([IMAGES, X], {"output": Y}),
        ValueError,
        "the model's outputs are output, output_1; got output",
    ),
    "one-hot labels of other classes": (
        lambda: fit(y=np.eye(7)[Y]),
        nn.ShapeError,
        r"one for each row of output 'output', not shape \(5, 7\); of one-hot rows take .argmax\(axis=-1\)",
    ),
    "labels as strings": (
        lambda: fit(y=["cat", "dog", "cat", "dog", "cat"]),
        TypeError,
        r"of strings, such as 'cat'; number them: names, numbers = numpy.unique\(strings, return_inverse=True\)",
    ),
    "labels as objects that are strings": (
        lambda: fit(y=np.array(["cat"] * 5, object)),
        TypeError,
        "strings, such as 'cat'; number them",
    ),
    "labels as floats": (
        lambda: fit(y=np.ones(5)),
        TypeError,
        r"an array of float64, all of whole numbers; convert it with .astype\('int32'\)",
    ),
    "labels between whole numbers": (
        lambda: fit(y=Y + 0.5),
        TypeError,
        "an array of float64 that holds 0.5, which is no whole number$",
    ),
    "labels that are nothing": (lambda: fit(y=None), TypeError, "y: expected integers, got None"),
    "targets as strings": (
        lambda: regression().fit(X, ["a"] * 5, verbose=0),
        TypeError,
        "y: expected numbers that fit into float32, got an array of strings, such as 'a'",
    ),
    "one sample": (
        lambda: dense_model().predict(X[0]),
        nn.ShapeError,
        r"shape \[4\]; expected \[N, 4\]; the first axis is the sample, also of one: \[1, 4\]",
    ),
    "one image": (
        lambda: image_model().predict(IMAGES[0]),
        nn.ShapeError,
        r"expected \[N, 6, 6, 2\]; the first axis is the sample, also of one: \[1, 6, 6, 2\]",
    ),
    "one image to train on": (
        lambda: compiled(image_model()).fit(IMAGES[0], np.zeros(6, int), verbose=0),
        nn.ShapeError,
        "the first axis is the sample, also of one",
    ),
    "channels that come first": (
        lambda: image_model().predict(np.zeros((40, 2, 6, 6))),
        nn.ShapeError,
        r"has shape \[40, 2, 6, 6\]; expected \[N, 6, 6, 2\]; channels come last: move axis 1 to the end",
    ),
    "images without channels": (
        lambda: nn.Sequential([nn.Conv2D(1, 3)], input_shape=(6, 5, 1)).predict(np.zeros((40, 6, 5))),
        nn.ShapeError,
        r"has shape \[40, 6, 5\]; expected \[N, 6, 5, 1\]; add an axis of size 1 at the end",
    ),
    "another number of features": (
        lambda: dense_model().predict(np.zeros((3, 5))),
        nn.ShapeError,
        r"has shape \[3, 5\]; expected \[N, 4\]$",
    ),
    "nothing to predict": (lambda: dense_model().predict(None), TypeError, "x: expected numbers .*, got None"),
    "text to predict": (lambda: dense_model().predict("abc"), TypeError, "an array of strings, such as 'abc'"),
    "an object to predict": (lambda: dense_model().predict(object()), TypeError, "got an object of type object"),
    "rows of different lengths": (
        lambda: dense_model().predict([[1, 2], [3]]),
        ValueError,
        "x: the items of the list differ in their shapes; .* padded to one, and a recurrent layer is given the lengths",
    ),
    "masked samples": (
        lambda: dense_model().predict(np.ma.masked_array(X, mask=X == 0)),
        ValueError,
        r"x: a masked array, .*Fill them, as by .filled\(0\)",
    ),
    "masked labels": (
        lambda: fit(y=np.ma.masked_array(Y, mask=Y == 0)),
        ValueError,
        "y: a masked array, some of whose values are masked",
    ),
    "an optimizer that cannot be": (lambda: nn.Adam(-1), ValueError, "Adam: argument 'learning_rate' .* got -1"),
    "a share that cannot be": (lambda: nn.Dropout(2), ValueError, "'rate' must be a number from 0 to below 1, got 2"),
    "Keras' loss of class numbers": (
        lambda: compile_with(loss="sparse_categorical_crossentropy"),
        ValueError,
        "softmax_cross_entropy takes class numbers and logits: use it, without a softmax in front",
    ),
    "Keras' loss of one-hot rows": (
        lambda: compile_with(loss="categorical_crossentropy"),
        ValueError,
        r"use softmax_cross_entropy, .* class numbers \(the argmax of one-hot rows\) as targets",
    ),
    "Keras' loss of two classes": (
        lambda: compile_with(loss="binary_crossentropy"),
        ValueError,
        "for two classes give the model 2 logits and use softmax_cross_entropy",
    ),
    "a mask on a weight": (
        lambda: dense_model().weights.__setitem__("dense/bias", np.ma.masked_array(np.zeros(8), mask=[1] + 7 * [0])),
        ValueError,
        "'dense/bias': a masked array",
    ),
    "something that is missing": (
        lambda: dense_model().predict([[1, None, 3, 4]]),
        TypeError,
        r"got an array of objects, such as None \(of type NoneType\)$",
    ),
    "numbers as objects": (
        lambda: dense_model().predict(X.astype(object)),
        TypeError,
        r"an array of objects, all of them numbers; convert it with .astype\('float32'\)",
    ),
    "labels as objects that are numbers": (
        lambda: fit(y=Y.astype(object)),
        TypeError,
        r"all of them numbers; convert it with .astype\('int32'\)$",
    ),
    "a loss in capitals": (lambda: compile_with(loss="MSE"), ValueError, r"did you mean 'mean_squared_error'\?$"),
    "PyTorch's name of an activation": (lambda: nn.Dense(3, activation="ReLU"), ValueError, "did you mean 'relu'?"),
    "another library's name in capitals": (lambda: nn.Dense(3, activation="Swish"), ValueError, "did you mean 'silu'?"),
    "Keras' place of the activation": (
        lambda: nn.Dense(3, "relu"),
        TypeError,
        r"takes 1 positional arguments at most \(units\), got 2; is it meant for activation='relu'\?",
    ),
    "a name of two words": (lambda: nn.Dense(3, name="a b"), ValueError, "Dense: argument 'name': 'a b' cannot be"),
    "an image with its channels in front": (
        lambda: nn.Sequential([nn.Conv2D(4, 3)], input_shape=(1, 28, 28)),
        nn.ShapeError,
        r"spans 3 places of the height, but .* has only 1; .* Images are \[H, W, C\]",
    ),
    "indices that are float32": (
        lambda: nn.Sequential([nn.Embedding(11, 3)], input_shape=(None,)),
        TypeError,
        "expected int32 indices: declare the input with this type",
    ),
    "a metric of another loss": (
        lambda: compile_with(loss="mse", metrics=["accuracy"]),
        ValueError,
        "accuracy cannot be measured with the loss mean_squared_error; expected softmax_cross_entropy$",
    ),
    "a sample and a target": (
        lambda: compiled(dense_model()).train_on_batch(X[0], Y[:1]),
        nn.ShapeError,
        r"has shape \[4\]; expected \[N, 4\]; the first axis is the sample",
    ),
    "samples and fewer targets": (
        lambda: fit(y=Y[:4]),
        nn.ShapeError,
        "5 and 4 samples; expected the same number, which is the first axis of each",
    ),
    "no loss": (lambda: without_loss().fit(X, Y), ValueError, "compiled without a loss: compile it with one"),
    "no loss to evaluate": (lambda: without_loss().evaluate(X, Y), ValueError, "compiled without a loss"),
    "a loss that is a function": (
        lambda: compile_with(loss=print),
        TypeError,
        "'loss' must be one of .* got <built-in",
    ),
    "Keras' metric of one-hot rows": (
        lambda: compile_with(metrics=["categorical_accuracy"]),
        ValueError,
        "accuracy compares class numbers",
    ),
    "softmax as an activation": (lambda: nn.Dense(3, activation="softmax"), ValueError, "softmax is a layer"),
    "PyTorch's number of inputs": (
        lambda: nn.Dense(3, in_features=4),
        TypeError,
        "sizes of inputs follow .*; leave it",
    ),
    "PyTorch's order of axes": (
        lambda: nn.LSTM(3, batch_first=True),
        TypeError,
        r"sequences are \[N, T, C\]; leave it",
    ),
    "Keras' shape in a layer": (
        lambda: nn.Dense(3, input_shape=(4,)),
        TypeError,
        "given to the model's inputs; leave it",
    ),
    "PyTorch's betas": (lambda: nn.Adam(betas=(0.9, 0.99)), TypeError, "there are two options, beta1 and beta2"),
    "Keras' clipnorm": (lambda: nn.Adam(clipnorm=1), TypeError, r"clip_norm, of the trainer \(in Python of compile\)"),
    "one option by two names": (lambda: nn.Conv2D(3, 3, kernel_size=3), TypeError, "argument 'kernel' was given twice"),
    "PyTorch's Linear": (lambda: nn.Linear, AttributeError, "no attribute 'Linear'; did you mean 'Dense'?"),
    "Keras' MaxPooling2D": (lambda: nn.MaxPooling2D, AttributeError, "did you mean 'MaxPool2D'?"),
    "Keras' BatchNormalization": (lambda: nn.BatchNormalization, AttributeError, "did you mean 'BatchNorm'?"),
    "PyTorch's ReLU": (lambda: nn.ReLU, AttributeError, "did you mean 'Activation'?"),
    "a class in small letters": (lambda: nn.dense, AttributeError, "did you mean 'Dense'?"),
    "a class of nobody": (lambda: nn.Xyzzy, AttributeError, "no attribute 'Xyzzy'$"),
    "a file that is a number": (
        lambda: nn.load(3),
        TypeError,
        "load takes a path, a model file's bytes or a binary file",
    ),
    "a file of text": (
        lambda: nn.load(io.StringIO("")),
        TypeError,
        r"gives text; open it as a binary file: open\(path, 'rb'\)",
    ),
    "a target of text": (
        lambda: dense_model().save(io.StringIO()),
        TypeError,
        r"open it as a binary file: open\(path, 'wb'\)",
    ),
    "a target that is a number": (
        lambda: dense_model().save(7),
        TypeError,
        "save takes a path or a binary file object",
    ),
    "a metric as a set": (lambda: compile_with(metrics={"accuracy"}), TypeError, "metrics are a list of names"),
    "a metric that is none": (lambda: compile_with(metrics=[None]), TypeError, r"metrics are a list .* got \[None\]"),
    "metrics as an array": (lambda: compile_with(metrics=X), TypeError, r"got an array of shape \(5, 4\), float32$"),
    "a metric as a number": (lambda: compile_with(metrics=5), TypeError, "metrics are a list of names"),
    "a norm as text": (lambda: compile_with(clip_norm="1"), TypeError, "'clip_norm' must be a number, got '1'"),
    "a norm that is true": (lambda: compile_with(clip_norm=True), TypeError, "'clip_norm' must be a number"),
    "one layer": (lambda: nn.Sequential(nn.Dense(3), (4,)), TypeError, r"takes a list of layers, got Dense\(3\)"),
    "no layers": (lambda: nn.Sequential(None, (4,)), TypeError, "takes a list of layers, got None"),
    "a name as a number": (lambda: dense_model(name=3), TypeError, "a model's name is a string or None, got 3"),
    "a runtime as a number": (lambda: dense_model(runtime=2), TypeError, "a runtime is what nn.Runtime makes"),
    "information of a number": (lambda: nn.runtime_info(3), TypeError, "a runtime is what nn.Runtime makes"),
    "an input's name as a number": (lambda: nn.Input((3,), name=5), TypeError, "an input's name is a string or None"),
    "the base of layers": (lambda: nn.Layer(), TypeError, "nn.Layer is what these have in common: .*Dense"),
    "the base of optimizers": (lambda: nn.Optimizer(), TypeError, "nn.Optimizer is .*SGD, Adam; make one of them"),
    "a value of nothing": (lambda: nn.Value(3), TypeError, "values are what nn.Input and layers return"),
    "a stream of a number": (lambda: nn.Stream(3), TypeError, r"best by model.stream\(\); got 3"),
    "a stream without a list": (lambda: recurrent().step(recurrent().stream(), X), TypeError, "a list of streams"),
    "a step with a batch": (
        lambda: recurrent().stream().step(X),
        ValueError,
        r"input 'input' of one step has shape \(5, 4\); expected \(4,\), without batch and time",
    ),
    "a path of bytes": (lambda: nn.load(b"/nowhere/at all"), OSError, 'cannot open "/nowhere/at all"'),
}


@pytest.mark.parametrize(("call", "error", "message"), CASES.values(), ids=list(CASES))
def test_the_message_says_what_was_wrong(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# Each way of giving a program's whole data where something else is wanted.
LARGE = np.zeros((100, 100), np.float32)
MISPLACED: dict[str, Callable[[], Any]] = {
    "a layer's option": lambda: nn.Dense(LARGE),
    "a layer's name": lambda: nn.Dense(3, name=LARGE),  # type: ignore[arg-type]
    "an optimizer's option": lambda: nn.Adam(LARGE),
    "layers": lambda: nn.Sequential(LARGE, (4,)),
    "layers in a list": lambda: nn.Sequential([LARGE], (4,)),
    "a shape": lambda: nn.Input(LARGE),
    "an input's type": lambda: nn.Input((3,), dtype=LARGE),
    "an input's name": lambda: nn.Input((3,), name=LARGE),
    "a model's inputs": lambda: nn.Model(LARGE, LARGE),
    "a model's inputs in a list": lambda: nn.Model([LARGE], [LARGE]),
    "a model's name": lambda: dense_model(name=LARGE),
    "a seed": lambda: dense_model(seed=LARGE),
    "a runtime": lambda: dense_model(runtime=LARGE),
    "threads": lambda: nn.Runtime(LARGE),
    "an optimizer": lambda: compile_with(optimizer=LARGE),
    "a loss": lambda: compile_with(loss=LARGE),
    "metrics": lambda: compile_with(metrics=LARGE),
    "metrics in a list": lambda: compile_with(metrics=[LARGE]),
    "clip_norm": lambda: compile_with(clip_norm=LARGE),
    "epochs": lambda: fit(epochs=LARGE),
    "batch_size": lambda: fit(batch_size=LARGE),
    "a split": lambda: fit(validation_split=LARGE),
    "shuffle": lambda: fit(shuffle=LARGE),
    "verbose": lambda: fit(verbose=LARGE),
    "callbacks": lambda: fit(callbacks=LARGE),
    "callbacks in a list": lambda: fit(step_callbacks=[LARGE]),
    "validation data": lambda: fit(validation_data=LARGE),
    "samples": lambda: dense_model().predict(LARGE),
    "labels": lambda: fit(y=LARGE),
    "a batch size of predict": lambda: dense_model().predict(X, batch_size=LARGE),
    "streams": lambda: recurrent().step(LARGE, X),
    "streams in a list": lambda: recurrent().step([LARGE], X),
    "a model of a stream": lambda: nn.Stream(LARGE),
    "a name of a weight": lambda: dense_model().weights[LARGE.tobytes()],
    "a value of a weight": lambda: dense_model().weights.__setitem__("dense/bias", LARGE),
    "a value of an option": lambda: setattr(compiled(dense_model()).optimizer, "learning_rate", LARGE),
    "a file": lambda: dense_model().save(LARGE),
    "a list of numbers": lambda: nn.Dense(LARGE.tolist()),
    "a dictionary": lambda: nn.Dense({number: LARGE for number in range(1000)}),
}


@pytest.mark.parametrize("call", MISPLACED.values(), ids=list(MISPLACED))
def test_no_message_shows_a_whole_array(call: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)) as caught:
        call()
    message = str(caught.value)
    assert len(message) < 300 and "\n" not in message and "ambiguous" not in message, message


def classifier(*last: nn.Layer) -> nn.Model:
    """One whose last layers these are."""
    return nn.Sequential([nn.Dense(3), *last], input_shape=(4,))


def test_a_softmax_before_the_loss_that_makes_one_warns() -> None:
    with pytest.warns(
        UserWarning, match=r"output 'output' is the result of a softmax already \(layer 'softmax'\)"
    ) as found:
        classifier(nn.Softmax()).compile(loss="softmax_cross_entropy")
    assert [warning.filename for warning in found] == [__file__]


@pytest.mark.parametrize("make", [nn.Sequential, None], ids=["Sequential", "Model"])
def test_an_image_that_is_thin_and_has_many_channels_warns(make: Any) -> None:
    with pytest.warns(UserWarning, match=r"3 x 32 pixels with 32 channels.* write \(32, 32, 3\)") as found:
        if make is None:
            a = nn.Input((3, 32, 32))
            nn.Model(a, nn.Conv2D(4, 3)(a))
        else:
            make([nn.Conv2D(4, 3)], input_shape=(3, 32, 32))
    assert [warning.filename for warning in found] == [__file__]


def test_no_other_image_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((32, 32, 3), (3, 32, 16), (3, 8, 8), (4, 32, 32), (32, 32, 32)):
            nn.Sequential([nn.MaxPool2D(2)], input_shape=shape)
        nn.Sequential([nn.BatchNorm(), nn.Flatten()], input_shape=(3, 32, 32))


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (classifier(nn.Softmax()), "mean_squared_error"),
        (classifier(nn.LogSoftmax()), "softmax_cross_entropy"),  # Its softmax is the same.
        (classifier(nn.Softmax(), nn.Dense(3)), "softmax_cross_entropy"),
        (classifier(), "softmax_cross_entropy"),
    ],
)
def test_no_other_softmax_warns(model: nn.Model, loss: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.compile(loss=loss)


def test_what_is_nearly_right_is_taken() -> None:
    fit(y=Y[:, None])
    compiled(normalized_model()).fit([IMAGES, X], {"output_1": Y, "output": Y}, verbose=0)
    fit(shuffle=np.True_, callbacks=None, validation_split=np.float32(0.25))
    compile_with(metrics=None, clip_norm=np.float64(1))
    assert nn.Runtime(None).info() == nn.Runtime().info()
    assert nn.Conv2D(np.int64(3), np.array([3, 1])).kernel == (3, 1)
