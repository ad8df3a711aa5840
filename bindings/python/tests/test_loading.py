"""Finding and loading the library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnkit as nn
from nnkit import _ffi, _handles


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The outcome of a fresh Python that runs `code`."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_a_missing_library_is_an_import_error_that_names_the_variable_and_the_file() -> None:
    result = run("import nnkit", NNKIT_LIBRARY="nowhere/libnnkit.so")
    assert result.returncode == 1
    assert "ImportError: NNKIT_LIBRARY names 'nowhere/libnnkit.so', which is not a file" in result.stderr


def test_a_library_of_something_else_is_refused(tmp_path: Path) -> None:
    import ctypes.util

    other = ctypes.util.find_library("m")
    assert other
    with pytest.raises(ImportError, match="not an NNKit library"):
        _ffi.load(other)


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "libnnkit.so"
    path.write_text("no library")
    with pytest.raises(ImportError, match="cannot be loaded"):
        _ffi.load(str(path))


def test_an_older_library_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ffi, "ABI_VERSION", 1000)
    with pytest.raises(ImportError, match=r"ABI version \d+, and this package needs 1000"):
        _ffi.load(_handles.library._name)


def test_without_a_library_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NNKIT_LIBRARY", raising=False)
    monkeypatch.setattr(_ffi, "__file__", str(tmp_path / "_ffi.py"))
    with pytest.raises(ImportError, match="make lib"):
        _ffi.library_path()


def test_the_packages_own_library_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NNKIT_LIBRARY", raising=False)
    monkeypatch.setattr(_ffi, "__file__", str(tmp_path / "_ffi.py"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libnnkit.so").touch()
    assert _ffi.library_path() == str(tmp_path / "lib" / "libnnkit.so")


def test_importing_loads_neither_matplotlib_nor_tqdm() -> None:
    code = "import sys, nnkit; print([name for name in ('matplotlib', 'tqdm', 'scipy') if name in sys.modules])"
    assert run(code).stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented() -> None:
    for name in nn.__all__:
        assert hasattr(nn, name), name
        if name not in ("version", "__version__"):
            assert getattr(nn, name).__doc__, name


def test_runtime_info_names_version_threads_and_instruction_set() -> None:
    info = nn.runtime_info()
    assert info["version"] == nn.version
    assert info["threads"] >= 1
    assert info["isa"] in ("baseline", "avx2", "avx512")


def test_a_runtime_has_the_threads_it_was_given() -> None:
    assert nn.Runtime(threads=3).info()["threads"] == 3
    assert "threads=3" in repr(nn.Runtime(3))


def test_a_negative_number_of_threads_is_refused() -> None:
    with pytest.raises(nn.InvalidArgumentError, match="threads"):
        nn.Runtime(-1)


def test_the_instruction_set_can_be_forced() -> None:
    code = "import nnkit; print(nnkit.runtime_info()['isa'])"
    assert run(code, NNKIT_ISA="baseline").stdout.strip() == "baseline"


def test_an_unknown_instruction_set_is_an_error_and_not_the_end() -> None:
    code = """
import nnkit
try:
    nnkit.runtime_info()
except nnkit.NNKitError as error:
    print("refused:", error)
"""
    assert "refused:" in run(code, NNKIT_ISA="abacus").stdout


def test_nothing_is_printed_by_the_library_or_at_exit() -> None:
    code = """
import numpy as np, nnkit as nn
model = nn.Sequential([nn.Dense(3)], input_shape=(4,))
view = model.weights["dense/kernel"]
model.compile("adam", loss="softmax_cross_entropy")
model.fit(np.ones((64, 4)), np.zeros(64, int), verbose=0)
model.predict(np.ones((2, 4)))
"""
    result = run(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nnkit_stays_usable_after_shutdown() -> None:
    import numpy as np

    model = nn.Sequential([nn.Dense(64)], input_shape=(512,))
    x = np.ones((256, 512), np.float32)
    before = model.predict(x, batch_size=256)
    nn.shutdown()
    nn.shutdown()
    assert np.array_equal(model.predict(x, batch_size=256), before)
