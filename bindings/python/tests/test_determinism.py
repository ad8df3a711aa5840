"""The same seed and data give the same bits, whatever the number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import compiled

import nnkit as nn


def convolutional(runtime: nn.Runtime | None) -> nn.Model:
    """Large enough that every thread gets work."""
    return nn.Sequential(
        [
            nn.Conv2D(16, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(32, 3, padding="same", groups=16, activation="relu"),
            nn.Conv2D(32, 3, padding="same", groups=4),
            nn.Conv2D(24, 3, activation="relu"),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Dense(33),
        ],
        input_shape=(14, 14, 3),
        seed=11,
        runtime=runtime,
    )


def recurrent(runtime: nn.Runtime | None) -> nn.Model:
    """An LSTM, the same."""
    return nn.Sequential(
        [nn.LSTM(48, return_sequences=True), nn.LSTM(32), nn.Dense(33)],
        input_shape=(None, 12),
        seed=11,
        runtime=runtime,
    )


def trained_bits(make: Any, threads: int | None, shape: tuple[int, ...]) -> bytes:
    """All weights after 50 steps, and the predictions with them."""
    random = np.random.default_rng(3)
    x, y = random.normal(size=(320, *shape)).astype(np.float32), random.integers(0, 33, size=320)
    model = compiled(make(None if threads is None else nn.Runtime(threads)), clip_norm=1.0)
    model.fit(x, y, epochs=5, batch_size=32, verbose=0)
    return b"".join(array.tobytes() for array in model.weights.values()) + model.predict(x, batch_size=64).tobytes()


@pytest.mark.parametrize(("make", "shape"), [(convolutional, (14, 14, 3)), (recurrent, (9, 12))])
def test_fifty_steps_give_the_same_bits_with_any_number_of_threads(make: Any, shape: tuple[int, ...]) -> None:
    expected = trained_bits(make, None, shape)
    for threads in (1, 2, 3, 4):
        assert trained_bits(make, threads, shape) == expected, threads


def test_another_seed_gives_other_bits(x: np.ndarray, y: np.ndarray) -> None:
    def trained(seed: int) -> np.ndarray:
        model = compiled(nn.Sequential([nn.Dropout(0.5), nn.Dense(3)], input_shape=(4,), seed=seed))
        model.weights["dense/kernel"] = np.eye(4, 3)
        model.fit(x, y, epochs=2, batch_size=8, verbose=0)
        return model.predict(x)

    assert np.array_equal(trained(1), trained(1))
    # The weights began alike: what differs is the order of the samples and what dropout dropped.
    assert not np.array_equal(trained(1), trained(2))
