"""Small models and data that many tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnkit as nn


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
