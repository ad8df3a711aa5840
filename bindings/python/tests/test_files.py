"""Saving and loading."""

from __future__ import annotations

import gzip
import io
import json
import mmap
import os
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, normalized_model, sequence_model

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


def through(path: Path, kind: str) -> Any:
    """`path`, or what is in its file, as `kind`."""
    content = path.read_bytes()
    return {
        "str": lambda: str(path),
        "bytes path": lambda: os.fsencode(path),
        "PathLike": lambda: path,
        "PathLike of bytes": lambda: BytesPath(os.fsencode(path)),
        "bytes": lambda: content,
        "bytearray": lambda: bytearray(content),
        "memoryview": lambda: memoryview(content),
        "every other byte of a memoryview": lambda: memoryview(np.repeat(np.frombuffer(content, np.uint8), 2))[::2],
        "array": lambda: np.frombuffer(content, np.uint8),
        "mmap": lambda: mmap.mmap(os.open(path, os.O_RDONLY), 0, access=mmap.ACCESS_READ),
        "BytesIO": lambda: io.BytesIO(content),
        "buffered file": lambda: open(path, "rb"),
        "unbuffered file": lambda: open(path, "rb", buffering=0),
        "gzip file": lambda: gzip.open(io.BytesIO(gzip.compress(content))),
        "rest of a file": lambda: rest_of(io.BytesIO(b"before" + content), 6),
        "reader of its own": lambda: types.SimpleNamespace(read=lambda: bytearray(content)),
    }[kind]()


class BytesPath:
    """A path that is bytes."""

    def __init__(self, path: bytes) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return self.path


def rest_of(file: io.BytesIO, start: int) -> io.BytesIO:
    """`file`, read to `start`."""
    file.seek(start)
    return file


SOURCES = [
    "str",
    "bytes path",
    "PathLike",
    "PathLike of bytes",
    "bytes",
    "bytearray",
    "memoryview",
    "every other byte of a memoryview",
    "array",
    "mmap",
    "BytesIO",
    "buffered file",
    "unbuffered file",
    "gzip file",
    "rest of a file",
    "reader of its own",
]


@pytest.mark.parametrize("kind", SOURCES)
def test_load_takes_paths_memory_and_files(kind: str, saved: Path) -> None:
    source = through(saved, kind)
    loaded = nn.load(source)
    assert {name: array.tobytes() for name, array in loaded.weights.items()} == {
        name: array.tobytes() for name, array in dense_model(seed=3).weights.items()
    }
    if hasattr(source, "close"):
        source.close()


class Slow(io.RawIOBase):
    """A file that takes seven bytes at a time."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, piece: Any) -> int:
        taken = bytes(piece[:7])
        self.content += taken
        return len(taken)


def test_save_writes_to_paths_and_files(saved: Path) -> None:
    expected, model, folder = saved.read_bytes(), dense_model(seed=3), saved.parent
    for path in (str(folder / "a"), os.fsencode(folder / "b"), folder / "c", BytesPath(os.fsencode(folder / "d"))):
        model.save(path)
        assert Path(os.fsdecode(path)).read_bytes() == expected
    memory, slow, pieces = io.BytesIO(b"before"), Slow(), []
    memory.seek(6)
    model.save(memory)
    model.save(slow)
    model.save(types.SimpleNamespace(write=lambda piece: pieces.append(bytes(piece))))
    assert memory.getvalue() == b"before" + expected
    assert slow.content == b"".join(pieces) == expected
    for buffering in (0, -1):
        with open(folder / "e", "wb", buffering=buffering) as file:
            model.save(file)
        assert (folder / "e").read_bytes() == expected


def test_what_a_file_raises_comes_out_of_save_and_load() -> None:
    def fail(*_: Any) -> bytes:
        raise LookupError("no disk")

    with pytest.raises(LookupError, match="no disk"):
        dense_model().save(types.SimpleNamespace(write=fail))
    with pytest.raises(LookupError, match="no disk"):
        nn.load(types.SimpleNamespace(read=fail))


def test_a_truncated_file_in_memory_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in [*range(7), *range(8, len(content), 41)]:
        with pytest.raises((nn.ModelFormatError, nn.InvalidArgumentError)):
            nn.load(bytearray(content[:length]))
        with pytest.raises((nn.ModelFormatError, nn.InvalidArgumentError)):
            nn.load(io.BytesIO(content[:length]))


def rewritten(path: Path, order: Callable[[list[str]], list[str]] = list) -> None:
    """Lets the safetensors package write a file again, from its tensors and metadata."""
    safetensors, numpy = pytest.importorskip("safetensors"), pytest.importorskip("safetensors.numpy")
    with safetensors.safe_open(path, "np") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    numpy.save_file({name: tensors[name] for name in order(list(tensors))}, path, metadata=metadata)


def order_in(path: Path) -> list[str]:
    """The names of a file's tensors, as their bytes follow one another."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header.pop("__metadata__")
    return sorted(header, key=lambda name: header[name]["data_offsets"])


@pytest.mark.parametrize("make", [dense_model, image_model, sequence_model, normalized_model])
def test_a_file_that_safetensors_wrote_again_loads(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.nnkit"
    model = make(seed=5)
    model.save(path)
    before = order_in(path)
    rewritten(path)
    assert order_in(path) != before  # Else this test would show nothing.
    loaded = nn.load(path)
    for name, array in model.weights.items():
        assert loaded.weights[name].tobytes() == array.tobytes()


def test_damage_is_found_in_a_file_that_safetensors_wrote_again(saved: Path) -> None:
    rewritten(saved)
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    with pytest.raises(nn.ModelFormatError, match="checksum"):
        nn.load(content)


def test_tensors_that_changed_places_are_found(tmp_path: Path) -> None:
    numpy, safetensors = pytest.importorskip("safetensors.numpy"), pytest.importorskip("safetensors")
    path = tmp_path / "model.nnkit"
    nn.Sequential([nn.Dense(4), nn.Dense(4)], input_shape=(4,), seed=1).save(path)
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    tensors = numpy.load_file(path)
    tensors["dense/kernel"], tensors["dense_1/kernel"] = tensors["dense_1/kernel"], tensors["dense/kernel"]
    numpy.save_file(tensors, path, metadata=metadata)
    with pytest.raises(nn.ModelFormatError, match="checksum"):
        nn.load(path)


def as_before(content: bytes) -> bytes:
    """A file as earlier versions wrote it: its checksum is that of the tensors in the order of the data."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    metadata = header["__metadata__"]
    del metadata["nnkit.crc32.by_name"]
    metadata["nnkit.crc32"] = f"{zlib.crc32(metadata['nnkit.graph'].encode() + content[start:]):08x}"
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[start:]


def test_files_of_earlier_versions_load_and_their_damage_is_found(saved: Path) -> None:
    old = as_before(saved.read_bytes())
    assert nn.load(old).weights["dense/kernel"].tobytes() == dense_model(seed=3).weights["dense/kernel"].tobytes()
    damaged = bytearray(old)
    damaged[-3] ^= 1
    with pytest.raises(nn.ModelFormatError, match="checksum"):
        nn.load(damaged)


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


@pytest.mark.parametrize("nothing", [b"", bytearray(), memoryview(b"")], ids=["bytes", "bytearray", "memoryview"])
def test_no_bytes_are_no_path(nothing: Any) -> None:
    with pytest.raises(nn.ModelFormatError, match="0 bytes"):
        nn.load(nothing)


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


class Answers(io.RawIOBase):
    """A file without a buffer that answers what it is told, and then seven bytes at a time or all that is left."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.content = list(answers), b""

    def write(self, piece: Any) -> Any:
        answer = self.answers.pop(0) if self.answers else min(7, len(piece))
        if isinstance(answer, (int, np.integer)) and answer > 0:
            self.content += bytes(piece[:answer])
        return answer

    def read(self, size: int = -1) -> Any:
        return self.answers.pop(0) if self.answers else b""


@pytest.mark.parametrize("answer", [-1, 1 << 40, "7", 7.0, b"7", -(1 << 70)])
def test_a_write_that_answers_nonsense_is_an_error(answer: Any, saved: Path) -> None:
    for target in (Answers(7, answer), types.SimpleNamespace(write=lambda piece: answer)):
        with pytest.raises(OSError, match=r"expected how many it took, 1 to \d+") as caught:
            dense_model().save(target)
        assert isinstance(caught.value, nn.ModelFileError)
    every = Answers(0, 7, 0, np.int64(7), True)
    dense_model(seed=3).save(every)
    assert every.content == saved.read_bytes()


def test_a_file_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(OSError, match=r"returned 0 for \d+ bytes again"):
        dense_model().save(Answers(7, 0, 0))
    with pytest.raises(OSError, match="does not block, and takes no more now"):
        dense_model().save(Answers(7, None))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as full:
        while full.write(b"x" * 4096) is not None:
            pass
        with pytest.raises(OSError, match="does not block"):
            dense_model().save(full)


@pytest.mark.parametrize("answer", [3, 2.5, object(), [1, 2]])
def test_a_read_that_answers_nonsense_is_an_error(answer: Any) -> None:
    for source in (Answers(answer), types.SimpleNamespace(read=lambda: answer)):
        with pytest.raises(TypeError, match="expected bytes"):
            nn.load(source)
    with pytest.raises(TypeError, match="gives text"):
        nn.load(types.SimpleNamespace(read=lambda: "abc"))


def test_a_file_that_does_not_block_is_read_whole_or_not_at_all(saved: Path) -> None:
    content = saved.read_bytes()
    assert nn.load(Answers(content[:9], bytearray(content[9:]))).parameter_count == dense_model().parameter_count
    for pieces in ([None], [content[:9], None]):
        with pytest.raises(nn.ModelFileError, match="has nothing to read before its end"):
            nn.load(Answers(*pieces))
