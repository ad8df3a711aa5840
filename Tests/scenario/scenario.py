"""The scenario of scenario.c, in Python.

Usage: scenario.py <file to save to>
"""

from __future__ import annotations

import sys
from pathlib import Path

import nnkit as nn
import numpy as np
from numpy.typing import ArrayLike

SAMPLES, STEPS, FEATURES, OUTPUTS = 96, 12, 3, 2


class Numbers:
    """Numbers from -1 to below 1, which go on from call to call."""

    def __init__(self) -> None:
        self._state = 1

    def draw(self, *shape: int) -> np.ndarray:
        """The next ones, as an array."""
        values = np.empty(shape, np.float32)
        for index in range(values.size):
            self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
            values.flat[index] = (self._state >> 40) / 8388608 - 1
        return values


def show(name: str, content: bytes) -> None:
    """Prints the 64-bit FNV-1a hash of some bytes."""
    value = 14695981039346656037
    for byte in content:
        value = (value ^ byte) * 1099511628211 % 2**64
    print(f"{name} {value:016x}")


def show_floats(name: str, *values: ArrayLike) -> None:
    """The same, of the bytes of numbers."""
    show(name, b"".join(np.asarray(each, "<f4").tobytes() for each in values))


def main() -> None:
    """Prints what is computed, line by line."""
    path = Path(sys.argv[1])
    numbers = Numbers()
    x = numbers.draw(SAMPLES, STEPS, FEATURES)
    y = numbers.draw(SAMPLES, OUTPUTS)

    layers = [nn.LSTM(8, return_sequences=True, name="first"), nn.LSTM(8, name="second"), nn.Dense(2, name="head")]
    model = nn.Sequential(layers, input_shape=(STEPS, FEATURES), seed=7)
    model.compile(nn.Adam(0.01), loss="mean_squared_error")
    history = model.fit(x, y, epochs=3, batch_size=16, verbose=0)
    show_floats("losses", history.history["loss"])

    model.optimizer.learning_rate = 0.005
    show_floats("step", model.train_on_batch(x[:16], y[:16]))

    outputs = model.forward(x[16:32])
    show_floats("forward", outputs)
    model.backward(np.full_like(outputs, 0.125))
    model.apply_gradients()
    show_floats("parameters", *model.weights.values())

    model.save(path)
    loaded = nn.load(path)
    show_floats("run", loaded.predict(x[:8]))
    stream = loaded.stream()
    show_floats("stream", *(stream.step(step) for step in x[0]))
    show("file", path.read_bytes())


if __name__ == "__main__":
    main()
