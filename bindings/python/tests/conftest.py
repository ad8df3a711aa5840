"""Small models and data that many tests share."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

import nnkit as nn


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C as a terminal's program has it: one that a shell started in the background would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run_in_threads(work: Callable[[Any], None], arguments: Iterable[Any], interval: float) -> None:
    """Calls `work` with each argument in a thread of its own, all at once; Python changes threads so often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        threads = [threading.Thread(target=work, args=(argument,)) for argument in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)


def dense_model(**options: Any) -> nn.Model:
    """Four numbers to three, through eight."""
    return nn.Sequential([nn.Dense(8, activation="tanh"), nn.Dense(3)], input_shape=(4,), **options)


def image_model(**options: Any) -> nn.Model:
    """Every layer that an image can go through, 6 × 6 pixels to three classes."""
    return nn.Sequential(
        [
            nn.Conv2D(5, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(4, 2),
            nn.AvgPool2D(2),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Dense(3),
        ],
        input_shape=(6, 6, 2),
        **options,
    )


def sequence_model(**options: Any) -> nn.Model:
    """Integer sequences of any length to three classes."""
    return nn.Sequential(
        [nn.Embedding(11, 6), nn.LSTM(7, return_sequences=True), nn.LSTM(5), nn.Dense(3)],
        input_shape=(None,),
        input_dtype="int32",
        **options,
    )


def normalized_model(**options: Any) -> nn.Model:
    """What remembers most from step to step: running statistics, dropout, a branch; two inputs, two outputs."""
    image, numbers = nn.Input((6, 6, 2)), nn.Input((4,), name="numbers")
    h = nn.BatchNorm()(nn.Conv2D(5, 3, padding="same")(image))
    h = nn.Dropout(0.3)(nn.Flatten()(nn.Add()([h, nn.Conv2D(5, 1)(image)])))
    first = nn.Dense(3)(h)
    second = nn.Dense(3, name="second")(nn.Dense(6, activation="relu")(numbers))
    return nn.Model([image, numbers], [first, second], **options)


def required_options(kind: Any) -> dict[str, Any]:
    """Options that a layer cannot be made without."""
    values = {"int": 2, "int_list": 2, "float": 0.5}
    required = [option for option in kind._entry.options if option.required]
    return {option.name: option.choices[0] if option.choices else values[option.type] for option in required}


def public_objects() -> dict[type, Any]:
    """One object of every public class that is no exception."""
    model = compiled(dense_model())
    history = model.fit(np.zeros((4, 4), np.float32), np.zeros(4, np.int32), verbose=0)
    value = nn.Input((4,))
    objects = [
        model,
        nn.Model(value, nn.Dense(2)(value)),
        model.weights,
        history,
        value,
        model.inputs[0],
        sequence_model().stream(),
        nn.Runtime(threads=2),
        nn.EpochReport(1, 2, {"loss": 0.5}, 0.25),
        nn.StepReport(1, 2, 3, 4, {"loss": 0.5}),
    ]
    found = {type(each): each for each in objects}
    for kind in vars(nn).values():
        if isinstance(kind, type) and issubclass(kind, (nn.Layer, nn.Optimizer)):
            if kind not in (nn.Layer, nn.Optimizer):
                found[kind] = kind(**required_options(kind))
    return found


def public_classes() -> list[type]:
    """Every public class."""
    return [kind for kind in (getattr(nn, name) for name in nn.__all__) if isinstance(kind, type)]


def compiled(model: nn.Model, **options: Any) -> nn.Model:
    """`model`, ready to train as a classifier."""
    model.compile(nn.Adam(1e-2), loss="softmax_cross_entropy", metrics=["accuracy"], **options)
    return model


@pytest.fixture
def random() -> np.random.Generator:
    """The same numbers in every run."""
    return np.random.default_rng(7)


@pytest.fixture
def x(random: np.random.Generator) -> np.ndarray:
    """Samples for `dense_model`."""
    return random.normal(size=(50, 4)).astype(np.float32)


@pytest.fixture
def y(x: np.ndarray) -> np.ndarray:
    """Labels that `x` decides."""
    return x[:, :3].argmax(axis=1).astype(np.int32)


@pytest.fixture
def images(random: np.random.Generator) -> np.ndarray:
    """Samples for `image_model`."""
    return random.normal(size=(40, 6, 6, 2)).astype(np.float32)


@pytest.fixture
def sequences(random: np.random.Generator) -> np.ndarray:
    """Samples for `sequence_model`."""
    return random.integers(0, 11, size=(40, 9)).astype(np.int32)


@pytest.fixture
def labels(random: np.random.Generator) -> np.ndarray:
    """Labels for `images` and `sequences`."""
    return random.integers(0, 3, size=40).astype(np.int32)
