"""The programs of examples/python run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnkit as nn
from nnkit._handles import library

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "python"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    if path.stem == "digits":
        pytest.importorskip("sklearn")
    environment = {**os.environ, "NNKIT_LIBRARY": library._name, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


def test_the_program_of_the_interface_page_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x, y = random.random((128, 28, 28, 1)), random.integers(0, 10, 128)
    xv, yv = x[:32], y[:32]

    # fmt: off
    model = nn.Sequential([
        nn.Conv2D(32, 3, padding="same", activation="relu"),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(10),
    ], input_shape=(28, 28, 1), seed=7)
    model.summary()
    model.compile(optimizer=nn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=5, batch_size=64, validation_data=(xv, yv))   # progress bar
    history.plot("history.png")
    model.evaluate(xv, yv); model.predict(xv)  # noqa: E702
    model.save("digits.nnkit"); nn.load("digits.nnkit")  # noqa: E702

    a = nn.Input((None, 16))                       # any graph: None is an open time dimension
    h = nn.LSTM(64, return_sequences=True)(a)
    h = nn.LSTM(32)(h)
    net = nn.Model(a, nn.Dense(1)(h))
    net.weights["lstm/kernel"]                     # NumPy views of the parameters, by name
    # fmt: on

    assert history.epochs == 5
    assert sorted(os.listdir()) == ["digits.nnkit", "history.png"]
    assert net.weights["lstm/kernel"].shape == (16, 256)
    assert net.predict(np.zeros((3, 5, 16))).shape == (3, 1)
