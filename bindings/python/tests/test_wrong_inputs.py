"""Arguments that do not fit, as people who come from other libraries give them: each message says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, normalized_model

import nnkit as nn

X, Y = np.zeros((5, 4), np.float32), np.zeros(5, np.int32)
IMAGES = np.zeros((5, 6, 6, 2), np.float32)


def recurrent() -> nn.Model:
    """One that streams."""
    return nn.Sequential([nn.LSTM(3)], input_shape=(None, 4))


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
    "a metric as a set": (lambda: compile_with(metrics={"accuracy"}), TypeError, "metrics are a list of names"),
    "a metric that is none": (lambda: compile_with(metrics=[None]), TypeError, r"metrics are a list .* got \[None\]"),
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


def test_what_is_nearly_right_is_taken() -> None:
    fit(shuffle=np.True_, callbacks=None, validation_split=np.float32(0.25))
    compile_with(metrics=None, clip_norm=np.float64(1))
    assert nn.Runtime(None).info() == nn.Runtime().info()
    assert nn.Conv2D(np.int64(3), np.array([3, 1])).kernel == (3, 1)
