"""The pages of docs/: the code in them runs, their links lead somewhere, and the reference is what the catalog says."""

from __future__ import annotations

import os
import pickle
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import sequence_model

import nnkit as nn
from nnkit._handles import library

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
# One run of the benchmarks: its blocks are what programs printed.
PAGES = sorted(page for page in DOCS.glob("*.md") if page.name != "performance.md")


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page that are of a language. Swift's are tested in SwiftPageTests."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if page.parent == DOCS:
        languages = {"swift", "text"} if page.stem == "swift" else {"python", "c"}
        assert {kind for kind, _ in found} <= languages, "a block that no test runs"
    return [text for kind, text in found if kind == language]


def namespace_of(page: Path, **given: Any) -> dict[str, Any]:
    """What the blocks of a page define, run one after another."""
    names: dict[str, Any] = {"__name__": page.stem, **given}
    for number, text in enumerate(blocks(page, "python"), 1):
        exec(compile(text, f"{page.name}, block {number}", "exec"), names)
    return names


def test_all_pages_are_here() -> None:
    expected = {"training-by-hand", "lengths", "streams", "files", "swift", "from-keras", "from-pytorch", "reference"}
    assert {page.stem for page in PAGES} == expected


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem not in ("reference", "swift")], ids=lambda page: page.stem
)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.stem == "files":
        pytest.importorskip("safetensors")
    assert blocks(page, "python")
    monkeypatch.chdir(tmp_path)
    namespace_of(page)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x, y = random.random((128, 28, 28, 1)), random.integers(0, 10, 128)
    names = namespace_of(
        ROOT / "README.md",
        x=x,
        y=y,
        xv=x[:32],
        yv=y[:32],
        pickle=pickle,
        recurrent_model=sequence_model(),
        sensor=np.arange(5, dtype=np.int32),
    )
    assert names["history"].epochs == 5
    assert sorted(os.listdir()) == ["digits.nnkit", "history.png"]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "c")], ids=lambda page: page.stem)
def test_the_c_of_a_page_compiles_and_runs(page: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    path = Path(library._name).resolve()
    # By the name that programs know it by.
    (tmp_path / "libnnkit.so.0").symlink_to(path)
    for number, text in enumerate(blocks(page, "c")):
        source, program = tmp_path / f"{number}.c", tmp_path / str(number)
        source.write_text(text, encoding="utf-8")
        options = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'include'}"]
        linked = [str(path), f"-Wl,-rpath,{tmp_path}", "-lm"]
        subprocess.run([compiler, *options, str(source), "-o", str(program), *linked], check=True, timeout=120)
        subprocess.run([str(program)], cwd=tmp_path, check=True, timeout=120)


def test_the_reference_is_what_the_catalog_says() -> None:
    made = runpy.run_path(str(ROOT / "bindings" / "python" / "make_reference.py"))["reference"]()
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == made, "docs/reference.md is stale: make docs"


def test_the_reference_has_everything_of_the_catalog() -> None:
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    catalog = nn.catalog()
    for layer in catalog["layers"]:
        section = text.split(f"\n### {layer['kind']}\n")[1].split("\n### ")[0]
        outputs = [port for port in layer["outputs"] if port["count"] != "one"]
        for each in [*layer["inputs"], *outputs, *layer["options"]]:
            assert f"`{each['name']}`" in section, (layer["kind"], each["name"])
    for each in ("losses", "metrics", "optimizers"):
        assert all(entry["name"] in text for entry in catalog[each])
    assert all(f"### `{name}`" in text for name in catalog["functions"])


@pytest.mark.parametrize("page", [*sorted(DOCS.glob("*.md")), ROOT / "README.md"], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        path, _, section = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if section and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings], (
                target
            )


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"](docs/{page.name})" in text for page in PAGES)


# ------------------------------------------------------------------------- what the pages say of others' weights


def sigmoid(x: np.ndarray) -> np.ndarray:
    """As it is written."""
    return 1 / (1 + np.exp(-x))


def close(model: nn.Model, x: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the model gives these numbers, but for rounding."""
    return bool(np.abs(model.predict(x) - expected).max() < 1e-5)


UNITS, INPUTS = 3, 4


@pytest.fixture(scope="module")
def pytorch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The functions of the page."""
    return namespace_of(DOCS / "from-pytorch.md")


@pytest.fixture
def weights(random: np.random.Generator) -> list[np.ndarray]:
    """`weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` of PyTorch, for four gates."""
    shapes = [(4 * UNITS, INPUTS), (4 * UNITS, UNITS), (4 * UNITS,), (4 * UNITS,)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def test_an_lstm_of_pytorch_gives_the_same(
    pytorch: dict[str, Any], weights: list[np.ndarray], random: np.random.Generator
) -> None:
    w_i, w_h, b_i, b_h = weights
    x = random.normal(size=(2, 6, INPUTS)).astype(np.float32)
    h = c = np.zeros((2, UNITS))
    for step in range(x.shape[1]):  # The documentation of torch.nn.LSTM.
        i, f, g, o = np.split(x[:, step] @ w_i.T + b_i + h @ w_h.T + b_h, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    model = nn.Sequential([nn.LSTM(UNITS, name="layer")], input_shape=(None, INPUTS))
    pytorch["load_weights"](model, "layer", pytorch["lstm"](*weights))
    assert close(model, x, h)


def test_a_gru_of_pytorch_gives_the_same(
    pytorch: dict[str, Any], weights: list[np.ndarray], random: np.random.Generator
) -> None:
    w_i, w_h, b_i, b_h = weights = [array[: 3 * UNITS] for array in weights]
    x = random.normal(size=(2, 6, INPUTS)).astype(np.float32)
    h = np.zeros((2, UNITS))
    for step in range(x.shape[1]):  # The documentation of torch.nn.GRU.
        of_input, of_state = (np.split(each, 3, axis=1) for each in (x[:, step] @ w_i.T + b_i, h @ w_h.T + b_h))
        r, z = (sigmoid(of_input[gate] + of_state[gate]) for gate in range(2))
        n = np.tanh(of_input[2] + r * of_state[2])
        h = (1 - z) * n + z * h
    model = nn.Sequential([nn.GRU(UNITS, reset_after=True, name="layer")], input_shape=(None, INPUTS))
    pytorch["load_weights"](model, "layer", pytorch["gru"](*weights))
    assert close(model, x, h)


def test_a_gru_of_keras_gives_the_same(random: np.random.Generator) -> None:
    shapes = [(INPUTS, 3 * UNITS), (UNITS, 3 * UNITS), (3 * UNITS,)]
    kernel, recurrent, bias = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    x = random.normal(size=(2, 6, INPUTS)).astype(np.float32)
    h = np.zeros((2, UNITS))
    for step in range(x.shape[1]):  # Keras' GRU with reset_after=False.
        z, r, g = np.split(x[:, step] @ kernel + bias, 3, axis=1)
        of_z, of_r, of_g = np.split(recurrent, 3, axis=1)
        z, r = sigmoid(z + h @ of_z), sigmoid(r + h @ of_r)
        h = z * h + (1 - z) * np.tanh(g + (r * h) @ of_g)
    model = nn.Sequential([nn.GRU(UNITS, name="layer")], input_shape=(None, INPUTS))
    for name, array in namespace_of(DOCS / "from-keras.md")["keras_gru"](kernel, recurrent, bias).items():
        model.weights[f"layer/{name}"][...] = array
    assert close(model, x, h)


def test_convolution_and_flatten_of_pytorch_give_the_same(pytorch: dict[str, Any], random: np.random.Generator) -> None:
    weight, bias = random.normal(size=(5, 2, 3, 2)), random.normal(size=5)
    head, head_bias = random.normal(size=(3, 5 * 2 * 3)), random.normal(size=3)
    x = random.normal(size=(2, 2, 4, 4))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))
    features = np.einsum("nihwkl,oikl->nohw", windows, weight) + bias[:, None, None]
    expected = features.reshape(2, -1) @ head.T + head_bias
    layers = [nn.Conv2D(5, (3, 2), name="first"), nn.Flatten(), nn.Dense(3, name="last")]
    model = nn.Sequential(layers, input_shape=(4, 4, 2))
    pytorch["load_weights"](model, "first", pytorch["conv2d"](weight, bias))
    pytorch["load_weights"](model, "last", pytorch["linear_behind_flatten"](head, head_bias, 5, 2, 3))
    assert bool(np.abs(model.predict(x.transpose(0, 2, 3, 1)) - expected).max() < 1e-4)
