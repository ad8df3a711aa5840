"""Saving and loading."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, sequence_model

import nnkit as nn


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small model in a file."""
    path = tmp_path / "small.nnkit"
    dense_model(seed=3).save(path)
    return path


@pytest.mark.parametrize(("make", "data"), [(image_model, "images"), (sequence_model, "sequences")])
def test_a_loaded_model_predicts_the_same_bits(
    make: Any, data: str, tmp_path: Path, labels: np.ndarray, request: pytest.FixtureRequest
) -> None:
    x = request.getfixturevalue(data)
    model = compiled(make())
    model.fit(x, labels, verbose=0)
    model.save(tmp_path / "model.nnkit")
    loaded = nn.load(tmp_path / "model.nnkit")
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert loaded.info == model.info


def test_a_loaded_model_trains_on_as_the_first_would(tmp_path: Path, x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model(seed=5))
    model.save(tmp_path / "model.nnkit")
    loaded = compiled(nn.load(tmp_path / "model.nnkit"))
    assert loaded.fit(x, y, epochs=2, verbose=0).history == model.fit(x, y, epochs=2, verbose=0).history


def test_paths_may_be_strings_or_path_objects_in_any_script(tmp_path: Path) -> None:
    for path in (tmp_path / "a b.nnkit", str(tmp_path / "модель-模型.nnkit")):
        dense_model().save(path)
        assert nn.load(path).parameter_count == dense_model().parameter_count


def test_any_safetensors_reader_opens_a_model(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    model = sequence_model()
    model.save(tmp_path / "model.nnkit")
    tensors = safetensors.load_file(tmp_path / "model.nnkit")
    assert set(tensors) == set(model.weights)
    for name, array in model.weights.items():
        assert tensors[name].dtype == np.float32
        assert np.array_equal(tensors[name], array), name


def test_the_header_is_json_with_the_graph_in_its_metadata(saved: Path) -> None:
    data = saved.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.pop("__metadata__")
    assert set(header) == set(dense_model().weights)
    assert all(isinstance(value, str) for value in metadata.values())
    assert any("dense" in value for value in metadata.values())


def test_saving_writes_one_file_and_leaves_nothing_else(saved: Path) -> None:
    dense_model().save(saved)
    assert os.listdir(saved.parent) == [saved.name]


def test_saving_twice_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    nn.load(saved).save(saved)
    assert saved.read_bytes() == first


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "model.nnkit"
    with pytest.raises(nn.ModelFileError, match="No such file"):
        dense_model().save(path)
    with pytest.raises(OSError):
        nn.load(path)


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(nn.ModelFileError):
        dense_model().save(tmp_path)
    with pytest.raises(nn.NNKitError):
        nn.load(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_failed_save_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    import signal

    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        with pytest.raises(nn.ModelFileError):
            dense_model(seed=99).save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_every_truncation_is_refused(saved: Path, tmp_path: Path) -> None:
    data, path = saved.read_bytes(), tmp_path / "cut.nnkit"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(nn.ModelFormatError):
            nn.load(path)


def test_no_changed_byte_ends_the_process_and_none_in_the_structure_passes_as_another_model(
    saved: Path, tmp_path: Path
) -> None:
    data, path = saved.read_bytes(), tmp_path / "flipped.nnkit"
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        path.write_bytes(changed)
        try:
            nn.load(path).predict(np.ones((1, 4)))
        except nn.NNKitError:
            pass


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, b"PK\x03\x04", b"{}" * 100])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.nnkit"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        nn.load(path)


def test_safetensors_without_a_graph_are_refused(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"a": np.ones(3, np.float32)}, tmp_path / "plain.safetensors")
    with pytest.raises(nn.ModelFormatError):
        nn.load(tmp_path / "plain.safetensors")


def test_a_path_with_a_zero_character_is_refused_and_not_cut(tmp_path: Path) -> None:
    for call in (dense_model().save, nn.load):
        with pytest.raises(nn.InvalidArgumentError, match="zero character"):
            call(f"{tmp_path}/a\0b")
    assert os.listdir(tmp_path) == []


def test_a_path_of_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        nn.load(3)  # type: ignore[arg-type]
