"""A convolutional network reads scikit-learn's handwritten digits: 1,797 real scans of 8 × 8 pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import nnkit as nn
import numpy as np
from numpy.typing import NDArray

GOAL_ACCURACY = 0.98

# Learning rate and epochs of the two stages of training: a few small steps settle what the large ones reached.
STAGES = ((1e-3, 8), (3e-4, 4))


class Digits(NamedTuple):
    """What the training produced, on the held-out fifth."""

    model: nn.Model
    curves: dict[str, list[float]]
    images: NDArray[np.float32]
    labels: NDArray[np.int32]
    predicted: NDArray[np.intp]
    accuracy: float


def load_data() -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Training images and labels, held-out images and labels: a fixed fifth, with every digit in proportion."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data: Any = load_digits()
    images = (data.images / 16).astype(np.float32)[..., None]
    labels = data.target.astype(np.int32)
    x, x_held_out, y, y_held_out = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    return x, y, x_held_out, y_held_out


def with_shifts(
    images: NDArray[np.float32], labels: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The images, and each of them moved by one pixel up, down, left and right: a digit stays the digit it is."""
    size = images.shape[1]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    moved = [padded[:, top : top + size, left : left + size] for top, left in corners]
    return np.concatenate(moved), np.tile(labels, len(corners))


def build_model() -> nn.Model:
    """Two convolutions, one pooling, one hidden layer."""
    return nn.Sequential(
        [
            nn.Conv2D(32, 3, padding="same", activation="relu"),
            nn.Conv2D(64, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Dense(128, activation="relu"),
            nn.Dropout(0.5),
            nn.Dense(10),
        ],
        input_shape=(8, 8, 1),
        seed=1,
        name="digits",
    )


def train() -> Digits:
    """Trains on four fifths and reads the rest. The held-out fifth is watched, and nothing is chosen by it."""
    x, y, x_held_out, y_held_out = load_data()
    x, y = with_shifts(x, y)
    model = build_model()
    model.summary()
    curves: dict[str, list[float]] = {}
    for learning_rate, epochs in STAGES:
        model.compile(nn.Adam(learning_rate), loss="softmax_cross_entropy", metrics=["accuracy"])
        history = model.fit(x, y, epochs=epochs, batch_size=32, validation_data=(x_held_out, y_held_out))
        for name, values in history.history.items():
            curves.setdefault(name, []).extend(values)
    predicted = model.predict(x_held_out).argmax(axis=1)
    return Digits(model, curves, x_held_out, y_held_out, predicted, float((predicted == y_held_out).mean()))
