"""Trainers' states that were forged: the checksum is right, and what it covers is not."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compiled, normalized_model

import nnkit as nn

safetensors = pytest.importorskip("safetensors.numpy")


def parts_of(file: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    (length,) = struct.unpack("<Q", file[:8])
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def forged(file: bytes, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> bytes:
    """`file` with its header, and the trainer in it, changed and everything else put right."""
    header, data = parts_of(file)
    metadata = header["__metadata__"]
    trainer = json.loads(metadata["nnkit.trainer"])
    change(header, trainer)
    metadata["nnkit.trainer"] = json.dumps(trainer)
    covered = (metadata.get("nnkit.graph", "") + metadata["nnkit.trainer"]).encode()
    for name in sorted(set(header) - {"__metadata__"}):
        start, end = header[name]["data_offsets"]
        covered += name.encode() + data[start:end]
    metadata["nnkit.crc32.by_name"] = f"{zlib.crc32(covered):08x}"
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def model() -> nn.Model:
    """A model with gradients that wait, running statistics among them."""
    model = compiled(normalized_model(seed=3))
    random = np.random.default_rng(1)
    x = [random.normal(size=(8, 6, 6, 2)), random.normal(size=(8, 4))]
    y = [random.integers(0, 3, 8), random.integers(0, 3, 8)]
    model.fit(x, y, epochs=2, verbose=0)
    model.compute_gradients(x, y)
    return model


def renamed(header: dict[str, Any], before: str, after: str) -> None:
    """Gives a tensor another name."""
    header[after] = header.pop(before)


FORGERIES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    **{
        f"{key}={value!r}": lambda header, trainer, key=key, value=value: trainer.__setitem__(key, value)
        for key, values in {
            "version": [0, 2, -1, "1", None],
            "choices": [{}, {"loss": "softmax_cross_entropy"}, [], None],
            "settings": ["", "learning_rate=-1", "learning_rate=nan", "optimizer=sgd", "no such thing", "a=b", 7],
            "slots": [-1, 0, 1, 3, 2**62, "2"],
            "logDecay": [[], [0], [0, 0, 0], [2**63 - 1, 0], [0x3FF0000000000000, 0], [0, 0x7FF8000000000000], [-1, 0]],
            "epochs": [-1, 2**62, 2**63 - 1, 2**64, 0.5],
            "passes": [-1, 2**62, 2**64 - 1, 2**64],
            "hasGradients": [False, 1, None],
            "pending": [["dense/kernel"], ["nothing"], ["batchnorm/moving_mean"] * 2, [7]],
        }.items()
        for value in values
        # An empty list of settings changes none.
        if (key, value) != ("settings", "")
    },
    **{
        f"without {key}": lambda header, trainer, key=key: trainer.pop(key)
        for key in (
            "version",
            "choices",
            "settings",
            "slots",
            "logDecay",
            "epochs",
            "passes",
            "hasGradients",
            "pending",
        )
    },
    "a slot under another name": lambda header, trainer: renamed(
        header, "dense/kernel/first_moment", "dense/kernel/third_moment"
    ),
    "a gradient under another name": lambda header, trainer: renamed(header, "dense/bias/gradient", "dense/bias/slope"),
    "a slot of another shape": lambda header, trainer: header["dense/kernel/first_moment"]["shape"].reverse(),
    "a slot of integers": lambda header, trainer: header["dense/kernel/first_moment"].update(dtype="I32"),
    "a parameter under another name": lambda header, trainer: renamed(header, "dense/kernel", "dense/colonel"),
    "no graph": lambda header, trainer: header["__metadata__"].pop("nnkit.graph"),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forged_state_is_refused_and_changes_nothing(
    model: nn.Model, change: Callable[[dict[str, Any], dict[str, Any]], Any]
) -> None:
    assert model._training is not None
    trainer = model._training.trainer
    state = trainer.write_state()
    forgery = forged(state, change)
    with pytest.raises((nn.ModelFormatError, nn.InvalidArgumentError, nn.UnsupportedError)):
        trainer.read_state(forgery)
    assert trainer.write_state() == state
    trainer.read_state(forged(state, lambda header, trainer: None))
    assert trainer.write_state() == state


def test_a_state_is_a_safetensors_file_and_a_model(model: nn.Model, tmp_path: Path) -> None:
    assert model._training is not None
    state = model._training.trainer.write_state()
    tensors = safetensors.load(state)
    for name, array in model.weights.items():
        assert np.array_equal(tensors[name], array)
        assert np.array_equal(tensors[f"{name}/gradient"], model.gradients[name])
    assert {name.split("/")[-1] for name in tensors if name.count("/") == 2} == {
        "first_moment",
        "second_moment",
        "gradient",
    }
    (tmp_path / "state.nnkit").write_bytes(state)
    loaded = nn.load(tmp_path / "state.nnkit")
    assert loaded.info == model.info
    model.save(tmp_path / "model.nnkit")
    loaded.save(tmp_path / "loaded.nnkit")
    assert (tmp_path / "loaded.nnkit").read_bytes() == (tmp_path / "model.nnkit").read_bytes()


def test_gradients_are_part_of_a_state_only_while_they_may_be_used(x: np.ndarray, y: np.ndarray) -> None:
    from conftest import dense_model

    model = compiled(dense_model())
    model.fit(x, y, verbose=0)
    assert b"/gradient" not in pickle.dumps(model)
    model.compute_gradients(x, y)
    assert b"/gradient" in pickle.dumps(model)
    model.apply_gradients()
    assert b"/gradient" not in pickle.dumps(model)
    assert model.gradients
    assert b"/gradient" in pickle.dumps(model)
